"""A table in pieces, each small enough to be read in a bounded time, and the statements that read one.

Where the primary key can be written as literals, a piece is a range of it, from a row to another one so many rows
further. Rows of all other tables are told apart by nothing but what they hold: there a piece is those whose hash begins
with certain digits, and each row counts as often as it is there.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from wavetank.servers.checksums import as_text, checksum, read_text, row_hash
from wavetank.servers.node import Server

# 4,096 pieces.
_DIGITS = 3
# So many rows are asked for by their keys; more of them by reading the piece.
_MOST_KEYS = 1_000
# How many differing rows are named.
EXAMPLES = 5
# Our own schema changes all the time; heartbeat and canary have checks that know how.
_SYSTEM = "('mysql', 'sys', 'information_schema', 'performance_schema', 'wavetank')"
_NUMBERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year"})
_TIMES = frozenset({"date", "datetime", "time", "timestamp"})
_TEXT = frozenset({"char", "varchar"})
_BYTES = frozenset({"binary", "varbinary"})

_COLUMNS = f"""
    SELECT c.TABLE_SCHEMA AS `schema`, c.TABLE_NAME AS `table`, c.COLUMN_NAME AS name, c.COLUMN_TYPE AS type,
           c.DATA_TYPE AS kind, c.IS_NULLABLE = 'YES' AS nullable, COALESCE(c.CHARACTER_SET_NAME, '') AS charset,
           COALESCE(c.COLLATION_NAME, '') AS collation
      FROM information_schema.COLUMNS c JOIN information_schema.TABLES t USING (TABLE_SCHEMA, TABLE_NAME)
     WHERE t.TABLE_TYPE = 'BASE TABLE' AND c.TABLE_SCHEMA NOT IN {_SYSTEM}
     ORDER BY c.TABLE_SCHEMA, c.TABLE_NAME, c.ORDINAL_POSITION
"""
# Joined with the columns, they would take four times as long as both by themselves.
_KEYS = f"""
    SELECT TABLE_SCHEMA AS `schema`, TABLE_NAME AS `table`, COLUMN_NAME AS name, ORDINAL_POSITION AS place
      FROM information_schema.KEY_COLUMN_USAGE
     WHERE CONSTRAINT_NAME = 'PRIMARY' AND TABLE_SCHEMA NOT IN {_SYSTEM}
"""

# The literals of a row's key.
Bound = tuple[str, ...]
# What a server holds of some rows: by what tells them apart, their hash or how often they are there.
Contents = Mapping[bytes, str | int]


@dataclass(frozen=True)
class Column:
    """A column as one server has it; `place` is its place in the primary key, 0 for none."""

    name: str
    type: str
    kind: str
    nullable: bool
    charset: str
    collation: str
    place: int

    @property
    def quoted(self) -> str:
        """The quoted name."""
        return _quote(self.name)

    @property
    def literal(self) -> str:
        """The SQL that writes a value of a key as a literal, which has no character set but the column's own."""
        if self.kind in _TEXT:
            return f"CONCAT('_{self.charset} x''', HEX({self.quoted}), '''')"
        if self.kind in _BYTES:
            return f"CONCAT('x''', HEX({self.quoted}), '''')"
        return f"QUOTE({self.quoted})" if self.kind in _TIMES else f"CAST({self.quoted} AS CHAR)"


@dataclass(frozen=True)
class Table:
    """A table as one server has it."""

    schema: str
    name: str
    columns: tuple[Column, ...]

    @property
    def title(self) -> str:
        """The table's quoted name."""
        return f"{_quote(self.schema)}.{_quote(self.name)}"

    @property
    def layout(self) -> str:
        """Its columns, as a sentence names them."""
        return ", ".join(" ".join(filter(None, (each.name, each.type, each.collation))) for each in self.columns)

    @property
    def key(self) -> tuple[Column, ...]:
        """The columns of its primary key in their order; none where they cannot be written as literals."""
        key = sorted((column for column in self.columns if column.place), key=lambda column: column.place)
        return tuple(key) if all(each.kind in _NUMBERS | _TIMES | _TEXT | _BYTES for each in key) else ()

    @property
    def row_hash(self) -> str:
        """The SQL for a row's hash."""
        return row_hash(self.columns)

    @property
    def sums(self) -> str:
        """What selects the checksum of all rows."""
        return f"COUNT(*) AS n, {checksum(self.row_hash)} AS hash FROM {self.title}"

    def bound(self, low: Bound | None, rows: int) -> str:
        """Return what selects the literals of the key that is so many rows after `low`, or after the beginning."""
        names = ", ".join(column.quoted for column in self.key)
        literals = ", ".join(f"{column.literal} AS k{at}" for at, column in enumerate(self.key))
        where = Range(self, low, None).where
        return f"{literals} FROM {self.title} WHERE {where} ORDER BY {names} LIMIT 1 OFFSET {rows - 1}"

    @property
    def by_digits(self) -> str:
        """What selects the checksum of all rows whose hash begins with the same digits."""
        sums = f"COUNT(*) AS n, {checksum(self.row_hash)} AS hash"
        return f"LEFT({self.row_hash}, {_DIGITS}) AS digits, {sums} FROM {self.title} GROUP BY digits"


@dataclass(frozen=True)
class Range:
    """The rows of a table behind `low` up to `high`; None is the beginning, or the end."""

    table: Table
    low: Bound | None
    high: Bound | None

    @property
    def where(self) -> str:
        """The SQL that is true for these rows."""
        after = [_beyond(self.table.key, ">", ">", self.low)] if self.low else []
        until = [_beyond(self.table.key, "<", "<=", self.high)] if self.high else []
        return " AND ".join([*after, *until]) or "TRUE"

    @property
    def sums(self) -> str:
        """What selects the checksum of all of them."""
        return f"{self.table.sums} WHERE {self.where}"

    def rows(self, keys: Collection[bytes]) -> str:
        """Return what selects key and hash of each row, or of those with these keys and perhaps of others."""
        key = as_text(self.table.key)
        few = f" AND {key} IN ({_listed(keys)})" if 0 < len(keys) <= _MOST_KEYS else ""
        return f"{key} AS k, {self.table.row_hash} AS h FROM {self.table.title} WHERE {self.where}{few}"

    def named(self, keys: Sequence[bytes]) -> str:
        """Return in words which rows these are."""
        shown = [read_text(key, self.table.key) for key in keys[:EXAMPLES]]
        some = ", ".join(values[0] if len(values) == 1 else f"({', '.join(values)})" for values in shown)
        more = ", ..." if len(keys) > EXAMPLES else ""
        return f"{self.table.title}: {_counted(len(keys))} by primary key {some}{more}"

    @staticmethod
    def held(keys: Sequence[bytes], contents: Contents) -> str:
        """Return in words what a server holds of these rows."""
        there = [str(contents[key]) for key in keys if key in contents]
        total = sum(int(each, 16) for each in there) % 2**64
        return f"{len(there)} of them, with checksum {total:016x}" if there else "none of them"


@dataclass(frozen=True)
class Digits:
    """The rows of a table without such a key whose hash begins with one of these digits."""

    table: Table
    digits: tuple[str, ...]

    def rows(self, keys: Collection[bytes]) -> str:
        """Return what selects the hash of each row, and how many are the same."""
        key = f"{self.table.row_hash}"
        few = (
            f"{key} IN ({_listed(keys)})" if 0 < len(keys) <= _MOST_KEYS else f"LEFT({key}, {_DIGITS}) IN ({self._in})"
        )
        return f"{key} AS k, COUNT(*) AS h FROM {self.table.title} WHERE {few} GROUP BY k"

    @property
    def _in(self) -> str:
        return ", ".join(f"'{each}'" for each in self.digits)

    def named(self, keys: Sequence[bytes]) -> str:
        """Return in words which rows these are."""
        return f"{self.table.title}, which has no key to name rows by: {_counted(len(keys))}"

    @staticmethod
    def held(keys: Sequence[bytes], contents: Contents) -> str:
        """Return in words what a server holds of these rows."""
        some = ", ".join(f"{contents.get(key, 0)} with hash {key[:8].decode()}" for key in keys[:EXAMPLES])
        return some + (", ..." if len(keys) > EXAMPLES else "")


Chunk = Range | Digits


def tables_of(server: Server) -> dict[bytes, Table]:
    """Return the tables of a server by their names, but for the system's and our own."""
    keys = server.query(_KEYS, account="admin")
    places = {(row["schema"], row["table"], row["name"]): int(row["place"]) for row in keys}
    columns: dict[tuple[str, str], list[Column]] = {}
    for row in server.query(_COLUMNS, account="admin"):
        table = (row["schema"], row["table"])
        fields = {name: _text(row[name]) for name in ("name", "type", "kind", "charset", "collation")}
        column = Column(**fields, nullable=bool(row["nullable"]), place=places.get((*table, row["name"]), 0))
        columns.setdefault(table, []).append(column)
    return {f"{schema}.{name}".encode(): Table(schema, name, tuple(found)) for (schema, name), found in columns.items()}


def _beyond(columns: Sequence[Column], strictly: str, last: str, bound: Bound) -> str:
    """Return the SQL that compares a key with a bound, column after column, as an index can use it."""
    names = [column.quoted for column in columns]
    cases = [
        " AND ".join(
            [*(f"{name} = {value}" for name, value in zip(names[:at], bound, strict=False)),
             f"{names[at]} {last if at == len(names) - 1 else strictly} {bound[at]}"]
        )
        for at in range(len(names))
    ]  # fmt: skip
    return f"({' OR '.join(f'({case})' for case in cases)})" if len(cases) > 1 else cases[0]


def _listed(keys: Collection[bytes]) -> str:
    return ", ".join(f"x'{key.hex()}'" for key in sorted(keys))


def _counted(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _quote(identifier: str) -> str:
    return "`" + identifier.replace("`", "``") + "`"
