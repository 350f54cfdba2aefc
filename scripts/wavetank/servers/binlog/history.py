"""What each server was asked to do, in the order in which it did it: its binary log."""

import bisect
import itertools
import math
import re
import secrets
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pymysqlreplication import BinLogStreamReader
from pymysqlreplication.event import (
    GtidEvent,
    HeartbeatLogEvent,
    NotImplementedEvent,
    QueryEvent,
    RotateEvent,
    XAPrepareEvent,
    XidEvent,
)
from pymysqlreplication.row_event import DeleteRowsEvent, RowsEvent, UpdateRowsEvent, WriteRowsEvent

from wavetank.errors import UnreachableError, UsageError
from wavetank.servers.binlog.values import Image, decode_rows
from wavetank.servers.gtid import contains, intervals
from wavetank.servers.node import Server, Servers
from wavetank.threads import side_by_side

# Our own tables: heartbeat and canary, of which each server writes its own row, and the records of conflicts.
OWN_SCHEMA = "wavetank"
# Events of which this reader would lose the content, by their number (MySQL source, libs/mysql/binlog/event).
_UNREADABLE = {40: "binlog_transaction_compression", 42: "tagged GTIDs"}
_IDENTIFIER = r"(`(?:[^`]|``)+`|[\w$]+)"
_NAME = re.compile(rf"{_IDENTIFIER}(?:\s*\.\s*{_IDENTIFIER})?")
_EMPTYING = re.compile(
    r"\s*(?:DROP\s+(?P<what>DATABASE|SCHEMA|TABLE)(?:\s+IF\s+EXISTS)?|TRUNCATE(?:\s+TABLE)?)\s+(?P<names>[^/;]+)",
    re.IGNORECASE,
)
# What has been purged cannot be read any more.
_STATE = """
    SELECT @@server_uuid AS uuid, GTID_SUBTRACT(CONCAT_WS(',', NULLIF(%s, ''), NULLIF(@@GLOBAL.gtid_purged, '')), '')
        AS start
"""
_NOBODYS = "00000000-0000-0000-0000-000000000000:1"
_ORIGINAL_TIME_FOLLOWS = 1 << 55


@dataclass(frozen=True)
class Change:
    """What a transaction did to one row on the server where it was committed.

    Attributes:
        server: the node that the client wrote to.
        gtid: the transaction.
        committed_us: when it was committed there, in microseconds since 1970.
        place: its place in the order of that server's changes.
        schema: the table's schema.
        table: the table's name.
        before: the row before, None where there was none.
        after: the row after, None where there is none.
    """

    server: str
    gtid: str
    committed_us: int
    place: int
    schema: str
    table: str
    before: Image | None
    after: Image | None


@dataclass
class Transaction:
    """A transaction in the binary log of the server where it was committed, its rows not decoded yet.

    `emptied` has schema and table of what it dropped or truncated; an empty name is the whole schema.
    """

    gtid: str
    committed_us: int
    events: list[tuple[RowsEvent, bytes]] = field(default_factory=list)
    emptied: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class History:
    """The part of a server's binary log that was read.

    Attributes:
        server: the node.
        start: the GTID set that lies before this part; all of it had been executed here.
        order: every transaction of the part, wherever it was committed first, by its place.
        own: those that clients of this server committed, in that order.
    """

    server: str
    start: str = ""
    order: dict[str, int] = field(default_factory=dict)
    own: list[Transaction] = field(default_factory=list)


class Order:
    """Which transaction had been executed where another one was committed."""

    def __init__(self, histories: Mapping[str, History]) -> None:
        """Take the order from the servers' own logs."""
        self._histories = histories
        self._starts = {name: intervals(history.start) for name, history in histories.items()}
        self._own_places = {
            (reader, writer): [self._place(reader, each.gtid) for each in theirs.own]
            for reader in histories
            for writer, theirs in histories.items()
        }

    def _place(self, server: str, gtid: str) -> float:
        """Return when the server executed a transaction: -1 for before all that was read, infinite for not yet."""
        if (place := self._histories[server].order.get(gtid)) is not None:
            return place
        return -1 if contains(self._starts[server], gtid) else math.inf

    def before(self, first: Change, second: Change) -> bool:
        """Return whether the second was made where the first had already been executed."""
        if first.server == second.server:
            return first.place < second.place
        return self._place(second.server, first.gtid) < self._place(second.server, second.gtid)

    def concurrent(self, one: Change, other: Change) -> bool:
        """Return whether each was made on a server that did not have the other yet."""
        return one.server != other.server and not self.before(one, other) and not self.before(other, one)

    def has_company(self, server: str, transaction: Transaction) -> bool:
        """Return whether any transaction of another server is concurrent with this one."""
        here = self._place(server, transaction.gtid)
        for other in self._histories:
            if other == server:
                continue
            # Of the other's transactions, in their order, the first ones had been executed here, and the last
            # ones were made where this one had been executed. Is there anything in between?
            known = bisect.bisect_left(self._own_places[server, other], here)
            there = self._place(other, transaction.gtid)
            if known < bisect.bisect_left(self._own_places[other, other], there):
                return True
        return False


def common_past(histories: Mapping[str, History]) -> set[str]:
    """Return the transactions that lie before all others on every server.

    None of them can be concurrent with one that is not among them, nor with one that is still to come.
    """
    past = set.union(*(set(history.order) for history in histories.values()))
    while True:
        beginnings = (itertools.takewhile(past.__contains__, history.order) for history in histories.values())
        shared = set.intersection(*map(set, beginnings))
        if shared == past:
            return past
        past = shared


def read_histories(servers: Servers, peers: Sequence[str], examined: str) -> dict[str, History]:
    """Return what the peers' binary logs say of all that is not in the GTID set `examined`.

    Raises:
        UnreachableError: one of them does not answer.
        UsageError: a log says something that cannot be read.
    """
    return dict(zip(peers, side_by_side(lambda name: _read(servers[name], examined), peers), strict=True))


def _read(server: Server, examined: str) -> History:
    state = server.query(_STATE, [examined])[0]
    start = state["start"].replace("\n", "")
    history = History(server.name, start)
    transaction: Transaction | None = None
    for event in events_after(server, start):
        if isinstance(event, GtidEvent):
            history.order[event.gtid] = len(history.order)
            transaction = None
            if event.gtid.startswith(state["uuid"]):
                transaction = Transaction(event.gtid, _commit_time_us(event))
                history.own.append(transaction)
        elif isinstance(event, RowsEvent):
            if transaction and event.schema != OWN_SCHEMA:
                rest = event.event_size - event.packet.read_bytes
                transaction.events.append((event, event.packet.read(rest)))
        elif isinstance(event, QueryEvent) and transaction:
            transaction.emptied += emptied_by(text_of(event.query), text_of(event.schema))
    return history


def events_after(server: Server, start: str) -> Iterator[Any]:
    """Yield the events of a server's binary log of all transactions that are not in the GTID set `start`."""
    yield from _events(server, start, NotImplementedEvent)


def live_events(server: Server, start: str, heartbeat_s: float, patience_s: float) -> Generator[Any, None, None]:
    """Yield what events_after() does, then what is written from now on, with the ends of transactions.

    Without news there is a heartbeat every `heartbeat_s` seconds; without those the server is gone after `patience_s`.
    """
    yield from _events(
        server, start, XidEvent, XAPrepareEvent, HeartbeatLogEvent, NotImplementedEvent,
        blocking=True, slave_heartbeat=heartbeat_s, patience_s=patience_s,
    )  # fmt: skip


def _events(
    server: Server,
    start: str,
    *kinds: type,
    patience_s: float | None = None,
    **options: Any,  # noqa: ANN401 - the library's
) -> Generator[Any, None, None]:
    """Yield events of a server's binary log of all transactions that are not in the GTID set `start`.

    Raises:
        UnreachableError: the server does not answer, or no longer.
        UsageError: it has purged some of them, or wrote something of which the content would be lost.
    """
    settings = server.login("replication").settings
    reader = BinLogStreamReader(
        connection_settings=settings | ({"read_timeout": patience_s} if patience_s else {}),
        # As a replica of that id would be: nobody else's.
        server_id=secrets.randbits(31) | 1 << 31,
        only_events=[RotateEvent, GtidEvent, QueryEvent, WriteRowsEvent, UpdateRowsEvent, DeleteRowsEvent, *kinds],
        filter_non_implemented_events=False,
        # Nobody's transaction asks for everything; an empty set would ask for a position.
        auto_position=start or _NOBODYS,
        enable_logging=False,
        # A table is described anew before each of its rows: reading that once a log saves half of the time.
        freeze_schema=True,
        **options,
    )
    try:
        for event in reader:
            if isinstance(event, RotateEvent):
                reader.table_map = {}  # a server that has started anew numbers its tables anew
            else:
                _refuse_unreadable(server, event.event_type)
                yield event
    except Exception as error:
        # The library lets the errors of its own driver through, which is nobody else's.
        if isinstance(error, OSError) or type(error).__module__.startswith("pymysql."):
            raise UnreachableError(server.name, str(error)) from error
        raise
    finally:
        reader.close()


def _refuse_unreadable(server: Server, event_type: int) -> None:
    if event_type in _UNREADABLE:
        raise UsageError(f"{server.name} uses {_UNREADABLE[event_type]}, which cannot be read here")


def row_changes(event: RowsEvent) -> Iterator[tuple[Image | None, Image | None]]:
    """Yield what an event says of rows that has just come: each before and after."""
    rest = event.event_size - event.packet.read_bytes
    yield from _images(event, event.packet.read(rest))


def _images(event: RowsEvent, data: bytes) -> Iterator[tuple[Image | None, Image | None]]:
    for images in decode_rows(data, event.columns, 2 if isinstance(event, UpdateRowsEvent) else 1):
        yield (
            None if isinstance(event, WriteRowsEvent) else images[0],
            None if isinstance(event, DeleteRowsEvent) else images[-1],
        )


def _commit_time_us(event: GtidEvent) -> int:
    """Return when the transaction was committed where it began, in microseconds since 1970.

    The library stops reading before the commit times (MySQL source, libs/mysql/binlog/event/control_events.h,
    Gtid_event: immediate_commit_timestamp, 7 bytes, of which the highest bit says that the original one follows).
    """
    here = int.from_bytes(event.packet.read(7), "little")
    if here & _ORIGINAL_TIME_FOLLOWS:
        return int.from_bytes(event.packet.read(7), "little")
    return here


def text_of(value: str | bytes) -> str:
    """Return what an event says as text."""
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def emptied_by(statement: str, schema: str) -> list[tuple[str, str]]:
    """Return what a statement dropped or truncated, as schema and table; an empty name is the whole schema.

    `schema` is the session's own. The server writes the names into the log as the client did, or quoted.
    """
    found = _EMPTYING.match(statement)
    if not found:
        return []
    names = [tuple(part.strip("`").replace("``", "`") for part in each) for each in _NAME.findall(found["names"])]
    if found["what"] and found["what"].upper() in ("DATABASE", "SCHEMA"):
        return [(first, "") for first, _ in names]
    return [(first, second) if second else (schema, first) for first, second in names]


def changes_of(histories: Mapping[str, History], order: Order) -> list[Change]:
    """Return what was done to rows since the first transaction that may be in conflict with another.

    What a table held before somebody emptied it who had seen that is nobody's conflict any more.
    """
    changes: list[Change] = []
    ends: dict[tuple[str, str], list[Change]] = {}
    company = {
        each.gtid for name, history in histories.items() for each in history.own if order.has_company(name, each)
    }
    for history in histories.values():
        places = itertools.count()
        start = min((place for gtid, place in history.order.items() if gtid in company), default=math.inf)
        for transaction in history.own:
            if history.order[transaction.gtid] >= start:
                changes += _decoded(history.server, transaction, places)
                for end in _ends(history.server, transaction, places):
                    ends.setdefault((end.schema, end.table), []).append(end)
    return [change for change in changes if not _ended(change, ends, order)]


def _ends(server: str, transaction: Transaction, places: Iterator[int]) -> Iterator[Change]:
    for schema, table in transaction.emptied:
        yield Change(server, transaction.gtid, transaction.committed_us, next(places), schema, table, None, None)


def _ended(change: Change, ends: Mapping[tuple[str, str], Sequence[Change]], order: Order) -> bool:
    later = [*ends.get((change.schema, change.table), ()), *ends.get((change.schema, ""), ())]
    return any(order.before(change, end) for end in later)


def _decoded(server: str, transaction: Transaction, places: Iterator[int]) -> Iterator[Change]:
    for event, data in transaction.events:
        for before, after in _images(event, data):
            yield Change(
                server,
                transaction.gtid,
                transaction.committed_us,
                next(places),
                event.schema,
                event.table,
                before,
                after,
            )
