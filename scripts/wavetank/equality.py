"""Whether two servers hold the same data: checksums by chunk, and a verdict that holds under load."""

import functools
import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from wavetank.node import Row, Server, query_on

# Rows a chunk, where a table has one integer primary key; other tables are cut by a hash of their key.
CHUNK_ROWS = 20_000
HASH_CHUNKS = 64
CATCH_UP_S = 20
LOCK_WAIT_S = 5
# How many keys of differing rows are named.
EXAMPLES = 5
# Our own schema changes all the time; heartbeat and canary have checks that know how.
_SYSTEM = "('mysql', 'sys', 'information_schema', 'performance_schema', 'wavetank')"
_INTEGERS = ("tinyint", "smallint", "mediumint", "int", "bigint")

_COLUMNS = f"""
    SELECT c.TABLE_SCHEMA AS `schema`, c.TABLE_NAME AS `table`, c.COLUMN_NAME AS name, c.COLUMN_TYPE AS type,
           c.DATA_TYPE AS data_type, c.COLUMN_KEY = 'PRI' AS is_key, c.IS_NULLABLE = 'YES' AS nullable
      FROM information_schema.COLUMNS c JOIN information_schema.TABLES t USING (TABLE_SCHEMA, TABLE_NAME)
     WHERE t.TABLE_TYPE = 'BASE TABLE' AND c.TABLE_SCHEMA NOT IN {_SYSTEM}
     ORDER BY c.TABLE_SCHEMA, c.TABLE_NAME, c.ORDINAL_POSITION
"""


@dataclass(frozen=True)
class Table:
    """A table as one server has it; `columns` are (name, type, data type, in the primary key, nullable)."""

    schema: str
    name: str
    columns: tuple[tuple[str, str, str, bool, bool], ...]

    @property
    def title(self) -> str:
        """The table's quoted name."""
        return f"{_quote(self.schema)}.{_quote(self.name)}"

    def row_key(self) -> str:
        """Return the SQL that tells a row from all others; without a primary key that is all of it."""
        return f"CONCAT_WS('#', {', '.join(_quote(column[0]) for column in self._keys or self.columns)})"

    @property
    def _keys(self) -> list[tuple[str, str, str, bool, bool]]:
        return [column for column in self.columns if column[3]]

    @property
    def _integer_key(self) -> str | None:
        keys = self._keys
        return _quote(keys[0][0]) if len(keys) == 1 and keys[0][2] in _INTEGERS else None

    def chunk_expression(self) -> str:
        """Return the SQL that says in which chunk a row lies."""
        if self._integer_key:
            return f"FLOOR({self._integer_key} / {CHUNK_ROWS})"
        return f"CRC32({self.row_key()}) % {HASH_CHUNKS}"

    def chunk_condition(self, chunk: int) -> str:
        """Return the SQL that is true for the rows of a chunk; a range of the key where there can be one."""
        if self._integer_key:
            return f"{self._integer_key} BETWEEN {chunk * CHUNK_ROWS} AND {(chunk + 1) * CHUNK_ROWS - 1}"
        return f"{self.chunk_expression()} = {chunk}"

    def row_hash(self) -> str:
        """Return the SQL for a row's 64-bit hash; CONCAT_WS skips NULLs, so they are named beside it."""
        names = [_quote(column[0]) for column in self.columns]
        nulls = [f"ISNULL({_quote(column[0])})" for column in self.columns if column[4]]
        text = ", ".join([*names, f"CONCAT({', '.join(nulls)})"] if nulls else names)
        return f"CAST(CONV(LEFT(SHA2(CONCAT_WS('#', {text}), 256), 16), 16, 10) AS UNSIGNED)"


@dataclass(frozen=True)
class Difference:
    """A table, or a chunk of it, that two servers hold differently."""

    table: str
    expected: str
    found: str


def differences(source: Server, replica: Server, *, peers: bool = False) -> Iterator[Difference]:
    """Yield where the replica's data is not the source's.

    Chunks are compared as they are read. Those that differ, as they do under load, are compared once
    more with the chunk locked for writing on the source and the replica at that GTID set: what differs
    then differs. `peers` both take writes, so that no lock on one of them keeps both still: of their rows
    those differ that do so before and after each has had all that the other had, and have not changed.

    Raises:
        UnreachableError: one of the two does not answer.
    """
    theirs, ours = _tables(source), _tables(replica)
    for title in theirs.keys() | ours.keys():
        if title not in ours or title not in theirs:
            yield Difference(title, _presence(title in theirs), _presence(title in ours))
        elif ours[title] != theirs[title]:
            yield Difference(title, f"columns {_layout(theirs[title])}", f"columns {_layout(ours[title])}")
        else:
            compare = _compare_peers if peers else _compare
            for chunk in _suspects(theirs[title], source, replica):
                yield from compare(theirs[title], chunk, source, replica)


def _suspects(table: Table, source: Server, replica: Server) -> Iterator[int]:
    """Yield the chunks that differ at the moment."""
    expected, found = _checksums(table, source), _checksums(table, replica)
    for chunk in sorted(expected.keys() | found.keys()):
        if expected.get(chunk) != found.get(chunk):
            yield chunk


def _compare(table: Table, chunk: int, source: Server, replica: Server) -> Iterator[Difference]:
    expected, found = _settled(table, chunk, source, replica)
    if expected != found:
        yield Difference(f"{table.title} where {table.chunk_condition(chunk)}", _contents(expected), _contents(found))


def _compare_peers(table: Table, chunk: int, one: Server, other: Server) -> Iterator[Difference]:
    before = [_rows(table, chunk, server) for server in (one, other)]
    # Asked after the rows were read: what was seen is part of these sets.
    executed = [server.value("SELECT @@GLOBAL.gtid_executed") for server in (one, other)]
    for server, gtids in zip((other, one), executed, strict=True):
        _catch_up(server, gtids)
    after = [_rows(table, chunk, server) for server in (one, other)]
    still = [key for key in before[0].keys() | before[1].keys()
             if all(before[side].get(key) == after[side].get(key) for side in (0, 1))]  # fmt: skip
    differing = sorted(key for key in still if after[0].get(key) != after[1].get(key))
    if differing:
        some = ", ".join(differing[:EXAMPLES]) + (", ..." if len(differing) > EXAMPLES else "")
        title = f"{table.title}: {len(differing)} rows, by primary key {some}"
        yield Difference(title, *(_presences(differing, side) for side in after))


def _rows(table: Table, chunk: int, server: Server) -> dict[str, int]:
    """Return the hash of each row of a chunk by its key."""
    rows = server.query(
        f"SELECT {table.row_key()} AS k, {table.row_hash()} AS h FROM {table.title} "
        f"WHERE {table.chunk_condition(chunk)}",
        account="admin",
    )
    return {_text(row["k"]): row["h"] for row in rows}


def _catch_up(server: Server, executed: str) -> None:
    server.query("SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, %s)", [executed, CATCH_UP_S], account="admin")


def _checksums(table: Table, server: Server) -> dict[int, Row]:
    rows = server.query(
        f"SELECT {table.chunk_expression()} AS chunk, COUNT(*) AS n, BIT_XOR({table.row_hash()}) AS hash "
        f"FROM {table.title} GROUP BY chunk",
        account="admin",
    )
    return {int(row.pop("chunk")): row for row in rows}


def _settled(table: Table, chunk: int, source: Server, replica: Server) -> Sequence[Row]:
    """Return the chunk's checksum on the source and on the replica at one and the same moment."""
    statement = (
        f"SELECT COUNT(*) AS n, COALESCE(BIT_XOR({table.row_hash()}), 0) AS hash "
        f"FROM {table.title} WHERE {table.chunk_condition(chunk)}"
    )
    with source.connection("admin") as locked:
        query_on(locked, f"SET SESSION innodb_lock_wait_timeout = {LOCK_WAIT_S}", node=source.name)
        query_on(locked, "START TRANSACTION", node=source.name)
        try:
            expected = query_on(locked, f"{statement} FOR SHARE", node=source.name)[0]
            executed = query_on(locked, "SELECT @@GLOBAL.gtid_executed AS gtids", node=source.name)[0]["gtids"]
            _catch_up(replica, executed)
            return expected, replica.query(statement, account="admin")[0]
        finally:
            query_on(locked, "ROLLBACK", node=source.name)


def _tables(server: Server) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    for row in server.query(_COLUMNS, account="admin"):
        column = (
            row["name"],
            _text(row["type"]),
            row["data_type"],
            bool(row["is_key"]),
            bool(row["nullable"]),
        )
        title = f"{row['schema']}.{row['table']}"
        before = tables.get(title)
        tables[title] = Table(row["schema"], row["table"], (*(before.columns if before else ()), column))
    return tables


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _layout(table: Table) -> str:
    return ", ".join(f"{name} {kind}" for name, kind, *_ in table.columns)


def _presence(there: bool) -> str:  # noqa: FBT001
    return "the table" if there else "no such table"


def _presences(keys: Sequence[str], rows: Mapping[str, int]) -> str:
    there = [rows[key] for key in keys if key in rows]
    return f"{len(there)} of them, with checksum {functools.reduce(operator.xor, there, 0):016x}"


def _contents(row: Row) -> str:
    return f"{row['n']} rows with checksum {int(row['hash']):016x}"


def _quote(identifier: str) -> str:
    return "`" + identifier.replace("`", "``") + "`"
