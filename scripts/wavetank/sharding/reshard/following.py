"""Following a source shard's binary log: what is done there to moving customers is done to their copies, too.

Rows are applied as they were after each change, by their primary key, in the log's order; what several changes of one
batch made of a row is written once. Doing it twice changes nothing, so that it may begin anywhere after the position
of the copy and again after a kill. While old changes are done again a copy may go back in time, and comes to the same
end; nobody reads it yet.

What a transaction did that was prepared by XA counts when that is committed. Until then its GTID is not among those
that have been applied, so that whoever goes on asks for it again.

What a resharding itself has removed from a shard says so in its transaction, and is passed over: the copies are what
it was removed for.

Two things are out of reach of this and stop the resharding at the comparison: a customer whose key changes, and an
order that changes hands. Neither is possible through wavetank.client.shards.
"""

import contextlib
import queue
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from pymysqlreplication.event import GtidEvent, HeartbeatLogEvent, QueryEvent, XAPrepareEvent, XidEvent
from pymysqlreplication.row_event import RowsEvent

from wavetank.errors import UnreachableError, UsageError
from wavetank.servers.binlog.history import live_events, row_changes, text_of
from wavetank.servers.binlog.values import Image, Value
from wavetank.servers.gtid import intervals, union
from wavetank.servers.node import StatementError
from wavetank.sharding.maps.keys import read_key
from wavetank.sharding.reshard.ledger import in_chunks
from wavetank.sharding.reshard.moves import Ground
from wavetank.sharding.reshard.rows import CUSTOMER, ORDER, ORDERS, REMOVALS, Session, Table, clash, listed

# Rows of a transaction on the target: what a replica applies at one go.
BATCH_ROWS = 500
# Transactions that wait to be applied.
_WAITING = 2_000
# How often a silent log says that it is alive.
HEARTBEAT_S = 0.2
PATIENCE_S = 10
_PLAIN = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "XA START", "XA END")
_DECIDED = re.compile(r"XA (COMMIT|ROLLBACK) (.*)", re.IGNORECASE | re.DOTALL)
_ORDERS_OF = "SELECT order_id, customer_id FROM orders WHERE order_id IN ({ids})"

Change = tuple[str, Image | None, Image | None]
Key = tuple[Value, ...]


@dataclass
class Logged:
    """A transaction of the log: the rows that it changed, and what it says of one that was prepared."""

    gtid: str
    changes: list[Change] = field(default_factory=list)
    prepares: str = ""
    commits: str = ""
    forgets: str = ""
    # What a resharding has removed, which nobody has deleted.
    own: bool = False


def read_log(events: Iterable[Any], schema: str, tables: Iterable[str], node: str) -> Iterator[Logged]:
    """Yield the transactions of a log in their order, with what they did to `tables` of `schema`.

    Raises:
        UsageError: the schema itself was changed, or the log says something that cannot be read.
    """
    wanted = {(schema, table) for table in tables}
    logged: Logged | None = None
    for event in events:
        if isinstance(event, GtidEvent):
            if logged:
                yield _without_own(logged)  # it had no end of its own
            logged = Logged(event.gtid)
        elif logged and _take_down(logged, event, wanted, schema, node):
            yield _without_own(logged)
            logged = None


def _without_own(logged: Logged) -> Logged:
    if logged.own:
        logged.changes.clear()
    return logged


def _take_down(logged: Logged, event: Any, wanted: AbstractSet[tuple[str, str]], schema: str, node: str) -> bool:  # noqa: ANN401
    """Take down what an event says; return whether the transaction ends with it."""
    if isinstance(event, RowsEvent):
        if (event.schema, event.table) in wanted:
            logged.changes += ((event.table, before, after) for before, after in row_changes(event))
        logged.own = logged.own or (event.schema, event.table) == REMOVALS
        return False
    if isinstance(event, XAPrepareEvent):
        if not event.one_phase:
            logged.prepares = _xid(event.xid_gtrid, event.xid_bqual, event.xid_format_id)
        return True
    if isinstance(event, QueryEvent):
        return _note(logged, text_of(event.query), text_of(event.schema), schema, node)
    return isinstance(event, XidEvent)


def _note(logged: Logged, statement: str, default_schema: str, schema: str, node: str) -> bool:
    """Take down what a statement of the log says; return whether the transaction ends with it."""
    if decided := _DECIDED.fullmatch(statement.strip()):
        xid = "".join(decided[2].split()).lower()
        if decided[1].upper() == "COMMIT":
            logged.commits = xid
        else:
            logged.forgets = xid
        return True
    if statement.upper().startswith(_PLAIN):
        return statement.upper().startswith("COMMIT")
    if default_schema == schema or re.search(rf"\b{schema}\b", statement):
        raise UsageError(
            f"the schema {schema} on {node} was changed while its rows move ({statement[:60]}): "
            "make reshard-abort, and reshard again"
        )
    return True


def _xid(gtrid: bytes, bqual: bytes, format_id: int) -> str:
    """Return an XA transaction's name as the log's XA COMMIT writes it."""
    return f"x'{gtrid.hex()}',x'{bqual.hex()}',{format_id}"


class Progress:
    """Which transactions have been applied, and which customers they touched; may be shared by threads."""

    def __init__(self, start: str, rows: int = 0, deleted: int = 0) -> None:
        """Begin after the GTID set `start`, with `rows` applied before, of which `deleted` were deleted."""
        self._applied = start
        self._lock = threading.Lock()
        self._touched: dict[int, int] = {}
        self.rows = rows
        self.deleted = deleted

    @property
    def applied(self) -> str:
        """The GTID set of all that has been applied."""
        with self._lock:
            return self._applied

    def advance(self, gtids: list[str], touched: Mapping[int, int], rows: int, deleted: int) -> None:
        """Note that transactions have been applied."""
        with self._lock:
            self._applied = union(self._applied, *gtids)
            self._touched |= touched
            self.rows += rows
            self.deleted += deleted

    def reached(self, gtids: str) -> bool:
        """Return whether all of a GTID set has been applied."""
        applied = intervals(self.applied)
        return all(
            any(low <= first and last <= high for low, high in applied.get(uuid, ()))
            for uuid, ranges in intervals(gtids).items()
            for first, last in ranges
        )

    def take_touched(self) -> dict[int, int]:
        """Return the customers touched since this was asked last, each with the shard to which it moves."""
        with self._lock:
            touched, self._touched = self._touched, {}
        return touched

    @property
    def touched(self) -> int:
        """How many customers have been touched since take_touched()."""
        with self._lock:
            return len(self._touched)


class Follower:
    """Applies what a source shard's log says; two threads, one that reads and one that writes."""

    def __init__(self, ground: Ground, source_shard: int, progress: Progress) -> None:
        """Know what is to be done; `progress` begins with what the copies hold already."""
        self.source_shard = source_shard
        self.progress = progress
        self._ground = ground
        self._source = ground.source(source_shard)
        self._over = threading.Event()
        self._queue: queue.Queue[Logged] = queue.Queue(_WAITING)
        self._error: BaseException | None = None
        self._sorter = Sorter(ground, source_shard)
        self._newest: dict[str, int] = {}
        self._threads = [threading.Thread(target=self._guarded, args=(run,), daemon=True)
                         for run in (self._read, self._apply)]  # fmt: skip

    def start(self) -> None:
        """Begin to follow."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End; what has been read and not applied is as if it had not been read."""
        self._over.set()
        for thread in self._threads:
            if thread.ident:
                thread.join(PATIENCE_S)

    def check(self) -> None:
        """Raise what ended the following, if anything did."""
        if self._error:
            raise self._error

    def reached(self, gtids: str) -> bool:
        """Return whether all of a GTID set has been applied; raises what ended the following."""
        self.check()
        return self.progress.reached(gtids)

    def _guarded(self, run: Any) -> None:  # noqa: ANN401
        try:
            run()
        except BaseException as error:  # noqa: BLE001 - check() raises it where somebody listens
            if not self._over.is_set():
                self._error = error
                self._over.set()

    def _read(self) -> None:
        events = live_events(self._source, self.progress.applied, HEARTBEAT_S, PATIENCE_S)
        names = [table.name for table in self._ground.tables]
        with contextlib.closing(events):
            heard = _until(self._over, events)
            for logged in read_log(heard, self._ground.shard(self.source_shard).schema, names, self._source.name):
                self._refuse_repetition(logged.gtid)
                self._hand_over(logged)

    def _refuse_repetition(self, gtid: str) -> None:
        """Refuse a log that begins anew: the library connects again by itself, and asks for what it asked for first.

        A server's own transactions come in their order. While they came again, what was applied would not be what
        the copies hold.
        """
        uuid, _, number = gtid.rpartition(":")
        if int(number) <= self._newest.get(uuid, 0):
            raise UnreachableError(self._source.name, "the connection that followed its binary log broke")
        self._newest[uuid] = int(number)

    def _hand_over(self, logged: Logged) -> None:
        while not self._over.is_set():
            try:
                self._queue.put(logged, timeout=HEARTBEAT_S)
            except queue.Full:
                continue
            return

    def _apply(self) -> None:
        with contextlib.closing(self._sorter):
            prepared: dict[str, Logged] = {}
            while not self._over.is_set():
                try:
                    batch = [self._queue.get(timeout=HEARTBEAT_S)]
                except queue.Empty:
                    continue
                rows = len(batch[0].changes)
                while rows < BATCH_ROWS and not self._queue.empty():
                    batch.append(self._queue.get_nowait())
                    rows += len(batch[-1].changes)
                gtids, changes = settle(batch, prepared)
                self.progress.advance(gtids, *self._sorter.apply(changes))


def _until(over: threading.Event, events: Iterable[Any]) -> Iterator[Any]:
    for event in events:
        if over.is_set():
            return
        if not isinstance(event, HeartbeatLogEvent):
            yield event


def settle(batch: Iterable[Logged], prepared: dict[str, Logged]) -> tuple[list[str], list[Change]]:
    """Return what a batch commits: its GTIDs, and the changes in their order; `prepared` keeps what is in doubt.

    What was prepared before the log was followed is in the copy already, if it was committed.
    """
    gtids: list[str] = []
    changes: list[Change] = []
    for logged in batch:
        if logged.prepares:
            prepared[logged.prepares] = logged
            continue
        gtids.append(logged.gtid)
        changes += logged.changes
        if earlier := prepared.pop(logged.commits or logged.forgets, None):
            gtids.append(earlier.gtid)
            changes += earlier.changes if logged.commits else ()
    return gtids, changes


class Sorter:
    """Finds out whose each changed row is, and writes it to where that customer moves."""

    def __init__(self, ground: Ground, source_shard: int) -> None:
        """Know the maps; connections are opened when they are needed."""
        self._ground = ground
        self._source_shard = source_shard
        self._tables = {table.name: table for table in ground.tables}
        self._sessions: dict[int, Session] = {}

    def close(self) -> None:
        """Close the connections."""
        for session in self._sessions.values():
            session.close()

    def _session(self, target: int) -> Session:
        if target not in self._sessions:
            self._sessions[target] = self._ground.session(target)
        return self._sessions[target]

    def apply(self, changes: list[Change]) -> tuple[dict[int, int], int, int]:
        """Do to the copies what was done to the rows, in a transaction a target.

        Returns:
            Whose rows they are, each with the target; how many rows have been written or deleted; and how many of
            those that are compared have been deleted.
        """
        owners = self._owners_of_orders(changes)
        targets: dict[int, int] = self._targets_of(changes, owners)
        final: dict[int, dict[tuple[str, Key], Image | None]] = {}
        for name, before, after in changes:
            table = self._tables[name]
            for image, kept in ((before, None), (after, after)):
                customer = _customer(table, image, owners) if image else None
                if image and customer is not None and (target := targets.get(customer)):
                    key = tuple(image[column] for column in table.key)
                    # Taken out first, so that it is written in the order of the last change.
                    final.setdefault(target, {}).pop((name, key), None)
                    final[target][name, key] = kept
        for target, rows in final.items():
            there = listed(customer for customer, its in targets.items() if its == target)
            self._write(self._session(target), rows, there)
        compared = {table.name for table in self._ground.compared}
        gone = sum(kept is None and name in compared for rows in final.values() for (name, _), kept in rows.items())
        return targets, sum(map(len, final.values())), gone

    def _owners_of_orders(self, changes: list[Change]) -> dict[int, int]:
        """Return the customers of the orders whose items were changed: as the batch says, else as the copies say."""
        owners: dict[int, int] = {}
        for name, before, after in changes:
            if name == ORDERS:
                image = after or before
                assert image is not None  # noqa: S101 - a change has one of the two
                owners[_number(image[ORDER])] = _number(image[CUSTOMER])
        unknown = {
            _number(image[ORDER])
            for name, before, after in changes
            if self._tables[name].by_order
            for image in (before, after)
            if image
        } - owners.keys()
        for target in self._ground.targets(self._source_shard) if unknown else ():
            for row in self._session(target).run(_ORDERS_OF.format(ids=listed(unknown))):
                owners[int(row[ORDER])] = int(row[CUSTOMER])
        return owners

    def _targets_of(self, changes: list[Change], owners: dict[int, int]) -> dict[int, int]:
        """Return to where each customer moves who has changed rows, without those who stay."""
        keys: dict[int, Value] = {}
        customers = set()
        for name, before, after in changes:
            for image in (before, after):
                customer = _customer(self._tables[name], image, owners) if image else None
                if image and customer is not None:
                    customers.add(customer)
                    if name == "customers":
                        keys[customer] = image[self._ground.old.column]
        if self._ground.by_id:
            found = {customer: self._ground.target_of(self._source_shard, customer) for customer in customers}
        else:
            column = self._ground.old.column
            found = {
                customer: self._ground.target_of(self._source_shard, read_key(column, str(key)))
                for customer, key in keys.items()
            }
            found |= self._arrived(customers - keys.keys())
        return {customer: target for customer, target in found.items() if target}

    def _arrived(self, customers: set[int]) -> dict[int, int]:
        """Return on which target each customer is: one whose key was not said is there if it moves."""
        found: dict[int, int] = {}
        for target in self._ground.targets(self._source_shard) if customers else ():
            statement = f"SELECT customer_id FROM customers WHERE customer_id IN ({listed(customers)})"
            found |= {int(row[CUSTOMER]): target for row in self._session(target).run(statement)}
        return found

    def _write(self, session: Session, rows: dict[tuple[str, Key], Image | None], customers: str) -> None:
        """Write rows over what is there of them, in one transaction.

        What changed is taken out before anything is put in, so that keys may change hands. Only rows of the moving
        `customers` are taken out: a row of somebody else with the same key is not overwritten, but a refusal.
        """

        def work() -> None:
            for name, table in self._tables.items():
                changed = {key: image for (of, key), image in rows.items() if of == name}
                _delete(session, table, list(changed), customers)
                _insert(session, table, [image for image in changed.values() if image])

        try:
            session.transaction(work)
        except StatementError as error:
            raise clash(error, self._source_shard, session.name) from error


# Rows a statement, so that it stays within one TLS record.
_ROWS = 50


def _delete(session: Session, table: Table, keys: list[Key], customers: str) -> None:
    names = ", ".join(f"`{column}`" for column in table.key)
    theirs = f" AND {CUSTOMER} IN ({customers})" if table.by_customer else ""
    for some in in_chunks(keys, _ROWS):
        session.run(
            f"DELETE FROM `{table.name}` WHERE ({names}) IN ({_places(len(table.key), len(some))}){theirs}",
            [table.value(column, value) for key in some for column, value in zip(table.key, key, strict=True)],
        )


def _insert(session: Session, table: Table, images: list[Image]) -> None:
    for some in in_chunks(images, _ROWS):
        session.run(
            table.into + _places(len(table.columns), len(some)),
            [table.value(name, image[name]) for image in some for name in table.names],
        )


def _places(columns: int, rows: int) -> str:
    """Return the places of the parameters of so many rows."""
    return ", ".join(["(" + ", ".join(["%s"] * columns) + ")"] * rows)


def _customer(table: Table, image: Image, owners: dict[int, int]) -> int | None:
    if table.by_customer:
        return _number(image[CUSTOMER])
    return owners.get(_number(image[ORDER]))


def _number(value: Value) -> int:
    return int(str(value or 0))
