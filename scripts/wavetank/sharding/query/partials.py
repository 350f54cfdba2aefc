"""The table on the merging server: what its columns are, and how rows from elsewhere get into it unchanged."""

from collections.abc import Iterable, Iterator, Sequence

from wavetank.servers.node import Connection, query_on
from wavetank.sharding.query.plan import PARTIALS, ColumnType, Types

# What fits into one TLS record: see STATEMENT_BYTES of servers.node.
STATEMENT_CHARACTERS = 15_000
# Has columns of the types that sums over the merged rows have.
_CHECKED = "wt_checked"


def create(connection: Connection, probe: str, checks: Sequence[str] = (), *, node: str) -> Types:
    """Make an empty table of what the probe returns and say of which types its columns, and those of `checks`, are.

    A replica that is super_read_only lets anybody have temporary tables: they are in no binary log.

    Raises:
        StatementError: the server refuses the probe.
    """
    drop(connection, node=node)
    types = _made(connection, PARTIALS, probe, node=node)
    for check in checks:
        types = {**types, **_made(connection, _CHECKED, check, node=node)}
        query_on(connection, f"DROP TEMPORARY TABLE {_CHECKED}", node=node)
    return types


def _made(connection: Connection, table: str, query: str, *, node: str) -> Types:
    query_on(connection, f"CREATE TEMPORARY TABLE {table} AS {query} LIMIT 0", node=node)
    columns = query_on(connection, f"SHOW FULL COLUMNS FROM {table}", node=node)
    return {str(row["Field"]): ColumnType(str(row["Type"]), str(row["Collation"] or "")) for row in columns}


def drop(connection: Connection, *, node: str) -> None:
    """Remove the table, where there is one."""
    query_on(connection, f"DROP TEMPORARY TABLE IF EXISTS {PARTIALS}, {_CHECKED}", node=node)


def fill(connection: Connection, rows: Iterable[Sequence[bytes | None]], types: Types, *, node: str) -> int:
    """Put rows into the table, values as a server wrote them, and return how many they were."""
    count = 0
    query_on(connection, "START TRANSACTION", node=node)
    for statement, held in inserts(rows, types):
        query_on(connection, statement, node=node)
        count += held
    query_on(connection, "COMMIT", node=node)
    return count


def inserts(rows: Iterable[Sequence[bytes | None]], types: Types) -> Iterator[tuple[str, int]]:
    """Yield INSERTs of STATEMENT_CHARACTERS or one row, each with how many rows it holds."""
    # What was checked beside them is no column of the table, and comes last.
    binary = [kind.is_binary for kind in types.values()]
    values: list[str] = []
    length = 0
    for row in rows:
        value = f"({','.join(map(_literal, row, binary))})"
        if values and length + len(value) > STATEMENT_CHARACTERS:
            yield f"INSERT INTO {PARTIALS} VALUES {','.join(values)}", len(values)
            values, length = [], 0
        values.append(value)
        length += len(value) + 1
    if values:
        yield f"INSERT INTO {PARTIALS} VALUES {','.join(values)}", len(values)


def _literal(value: bytes | None, binary: bool) -> str:  # noqa: FBT001 - mapped over
    if value is None:
        return "NULL"
    if binary:
        return f"X'{bytes(value).hex()}'"
    text = value.decode().replace("\\", "\\\\").replace("'", "''")
    return f"'{text}'"
