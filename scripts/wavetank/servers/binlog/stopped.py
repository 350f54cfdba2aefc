"""The row at which an applier has stopped: its error names the transaction, its source's binary log has the rows."""

import contextlib
import re
from collections.abc import Iterator

from pymysqlreplication.event import GtidEvent
from pymysqlreplication.row_event import DeleteRowsEvent, RowsEvent, WriteRowsEvent

from wavetank.errors import UnreachableError
from wavetank.servers.binlog.catalogue import PRIMARY, Table, read_tables
from wavetank.servers.binlog.history import events_after
from wavetank.servers.binlog.values import Image, decode_rows
from wavetank.servers.node import Server, StatementError

_TRANSACTION = re.compile(r"transaction '([0-9a-f-]{36}:\d+)'")
# A finding is read, not studied: longer rows are cut here.
_MOST_CHARACTERS = 200


def stopping_row(replica: Server, source: Server, message: str) -> str:
    """Return in words the row of the failed transaction that the replica cannot take, '' where none can be told.

    It is the first one that was changed on the source and is not here, or was inserted there and has a key that is
    taken here.
    """
    found = _TRANSACTION.search(message)
    if not found:
        return ""
    with contextlib.suppress(UnreachableError, StatementError):
        for name, before, after in _rows(source, found[1]):
            table = read_tables(replica, [name]).get(name)
            if table is None or PRIMARY not in table.indexes:
                continue
            here = _rows_here(replica, table, after if before is None else before, every_key=before is None)
            if bool(here) == (before is None):
                done = "inserted" if before is None else "deleted" if after is None else "updated"
                row = _in_words(after or before or {})
                return f"{'.'.join(name)}: {done} on {source.name} {row}; here {here or 'no such row'}"
    return ""


def _rows(source: Server, gtid: str) -> Iterator[tuple[tuple[str, str], Image | None, Image | None]]:
    """Yield table, row before and row after of each change of one transaction."""
    others = source.value("SELECT GTID_SUBTRACT(@@GLOBAL.gtid_executed, %s)", [gtid])
    inside = False
    for event in events_after(source, others):
        if isinstance(event, GtidEvent):
            if inside:
                return
            inside = event.gtid == gtid
        elif inside and isinstance(event, RowsEvent):
            single = isinstance(event, WriteRowsEvent | DeleteRowsEvent)
            data = event.packet.read(event.event_size - event.packet.read_bytes)
            for images in decode_rows(data, event.columns, 1 if single else 2):
                before = None if isinstance(event, WriteRowsEvent) else images[0]
                after = None if isinstance(event, DeleteRowsEvent) else images[-1]
                yield (event.schema, event.table), before, after


def _rows_here(replica: Server, table: Table, image: Image | None, *, every_key: bool) -> str:
    """Return in words the replica's row of the same primary key, or, with `every_key`, of the same unique one."""
    schema, name = (part.replace("`", "``") for part in table.name)
    for index, parts in table.indexes.items():
        if image is None or (index != PRIMARY and not every_key):
            continue
        columns = [column for column, _ in parts if column is not None]
        if len(columns) < len(parts) or any(image[column] is None for column in columns):
            continue
        condition = " AND ".join(f"`{column.replace('`', '``')}` = %s" for column in columns)
        rows = replica.query(
            f"SELECT * FROM `{schema}`.`{name}` WHERE {condition}",
            [image[column] for column in columns],
            account="admin",
        )
        if rows:
            return _in_words(rows[0])
    return ""


def _in_words(row: Image) -> str:
    text = ", ".join(f"{column}={value!r}" if isinstance(value, bytes) else f"{column}={value}"
                     for column, value in row.items())  # fmt: skip
    return text if len(text) <= _MOST_CHARACTERS else text[:_MOST_CHARACTERS] + "…"
