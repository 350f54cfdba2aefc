"""What transactions a source shard's binary log says, and what those did to the rows that are followed.

What a transaction did that was prepared by XA counts when that is committed. Until then its GTID is not among those
that have been applied, so that whoever goes on asks for it again.

What a resharding itself has removed from a shard says so in its transaction, and is passed over: the copies are what
it was removed for.
"""

import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from pymysqlreplication.event import GtidEvent, QueryEvent, XAPrepareEvent, XidEvent
from pymysqlreplication.row_event import RowsEvent

from wavetank.errors import UsageError
from wavetank.servers.binlog.history import row_changes, text_of
from wavetank.servers.binlog.values import Image
from wavetank.sharding.reshard.rows import REMOVALS

_PLAIN = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "XA START", "XA END")
_DECIDED = re.compile(r"XA (COMMIT|ROLLBACK) (.*)", re.IGNORECASE | re.DOTALL)

Change = tuple[str, Image | None, Image | None]


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
