"""The rows of a customer on a shard: which tables they are in, and the SQL that reads, hashes, writes and deletes them.

One customer's rows are together. A table belongs to customers if it has a column customer_id, or an order_id: then
its rows are whose the order is. All other tables hold the same rows on every shard.

The server itself writes the literals that a copy is made of, and Python only hands them on: making objects of the
values and literals of those again would be most of the time.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from wavetank.errors import UsageError
from wavetank.servers.checksums import checksum, row_hash
from wavetank.servers.node import STATEMENT_BYTES, Parameters, Row, Server, StatementError, query_on

if TYPE_CHECKING:
    # It reads binary logs, for which a check of the shards need not wait.
    from wavetank.servers.binlog.values import Value

T = TypeVar("T")
CUSTOMER, ORDER, ORDERS = "customer_id", "order_id", "orders"
# Schema and table of what says in a transaction that it removes what a map has elsewhere.
REMOVALS = ("sharding", "removals")
# QUOTE() writes a NUL as \0, so that a literal never holds one.
_BETWEEN = "\0"
# What a chunk is as text, or the ids of all customers: far more than either has. Bounded by max_allowed_packet.
LONGEST_TEXT = 1 << 29
# How many seconds a chunk may take.
PATIENCE_S = 120
DUPLICATE_KEY = 1062
# A lock that took too long, and a deadlock.
IN_THE_WAY = (1205, 1213)
ATTEMPTS = 20
_BINARY = ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "bit", "geometry")
_INTEGERS = ("tinyint", "smallint", "mediumint", "int", "bigint")
_NUMBERS = (*_INTEGERS, "decimal", "year")
# A connection that copies takes values as they are, whatever a shard's own mode would say of them.
SESSION = (
    "SET SESSION foreign_key_checks = OFF, sql_mode = 'NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00', "
    f"group_concat_max_len = {LONGEST_TEXT}"
)

_COLUMNS = """
    SELECT c.TABLE_NAME AS `table`, c.COLUMN_NAME AS name, c.DATA_TYPE AS kind, c.IS_NULLABLE = 'YES' AS nullable,
           COALESCE(k.ORDINAL_POSITION, 0) AS place
      FROM information_schema.COLUMNS c
      JOIN information_schema.TABLES t ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME
      LEFT JOIN information_schema.KEY_COLUMN_USAGE k
        ON k.TABLE_SCHEMA = c.TABLE_SCHEMA AND k.TABLE_NAME = c.TABLE_NAME AND k.COLUMN_NAME = c.COLUMN_NAME
       AND k.CONSTRAINT_NAME = 'PRIMARY'
     WHERE t.TABLE_TYPE = 'BASE TABLE' AND c.TABLE_SCHEMA = %s AND c.GENERATION_EXPRESSION = ''
     ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION
"""


@dataclass(frozen=True)
class Column:
    """A column that is written: not one that the server generates."""

    name: str
    kind: str
    nullable: bool

    @property
    def quoted(self) -> str:
        """The name in backticks, of the table `t`."""
        return f"t.`{self.name}`"

    @property
    def literal(self) -> str:
        """The SQL that writes the value as a literal; QUOTE() and COALESCE() write a NULL."""
        if self.kind in _BINARY:
            return f"COALESCE(CONCAT('0x', NULLIF(HEX({self.quoted}), '')), IF({self.quoted} IS NULL, 'NULL', ''''''))"
        if self.kind in _NUMBERS:
            return f"COALESCE({self.quoted}, 'NULL')"
        return f"QUOTE({self.quoted})"


@dataclass(frozen=True)
class Table:
    """A table of a shard's schema; `key` is its primary key's columns in their order."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What its columns are called."""
        return tuple(column.name for column in self.columns)

    def value(self, name: str, text: "Value") -> str | bytes | int | None:
        """Return a value of the binary log as a statement's parameter; a JSON document is its text, as in a copy.

        An integer is one: the server compares it with a text as floating-point numbers, for which ids that lie close
        together are the same.
        """
        if text is None or isinstance(text, bytes):
            return text
        return int(str(text)) if self.kinds[name] in _INTEGERS else str(text)

    @functools.cached_property
    def kinds(self) -> Mapping[str, str]:
        """Of what type each column is."""
        return {column.name: column.kind for column in self.columns}

    @property
    def by_customer(self) -> bool:
        """Whether each row says itself whose it is."""
        return CUSTOMER in self.names

    @property
    def by_order(self) -> bool:
        """Whether each row is whose its order is."""
        return ORDER in self.names and not self.by_customer

    def of(self, customers: str) -> str:
        """Return FROM and WHERE that select the rows of `customers`, ids with commas between them."""
        if self.by_order:
            # The order in which to read is stated: customers are few, and statistics of a growing table are old.
            return (
                f"FROM {ORDERS} o STRAIGHT_JOIN `{self.name}` t ON t.{ORDER} = o.{ORDER} "
                f"WHERE o.{CUSTOMER} IN ({customers})"
            )
        return f"FROM `{self.name}` t WHERE t.{CUSTOMER} IN ({customers})"

    @property
    def owner(self) -> str:
        """The SQL for the customer of a row that of() selects."""
        return f"o.{CUSTOMER}" if self.by_order else f"t.{CUSTOMER}"

    @property
    def checksum(self) -> str:
        """The SQL for the number that stands for all rows of a group."""
        return checksum(row_hash(self.columns))

    @property
    def into(self) -> str:
        """The beginning of a statement that adds rows; one that is there already is refused, whosever it is."""
        return f"INSERT INTO `{self.name}` ({', '.join(f'`{name}`' for name in self.names)}) VALUES "


def tables_of(server: Server, schema: str) -> dict[str, Table]:
    """Return the tables of a shard's schema by name."""
    columns: dict[str, list[Row]] = {}
    for row in server.query(_COLUMNS, [schema], account="admin"):
        columns.setdefault(row["table"], []).append(row)
    return {
        name: Table(
            name,
            tuple(Column(row["name"], _text(row["kind"]), bool(row["nullable"])) for row in rows),
            tuple(row["name"] for row in sorted(rows, key=lambda row: row["place"]) if row["place"]),
        )
        for name, rows in columns.items()
    }


def customers_tables(tables: Mapping[str, Table]) -> list[Table]:
    """Return the tables that follow a customer: those first that say themselves whose a row is.

    What is deleted goes the other way: a row that finds its customer by its order needs that order.
    """
    return sorted(
        (table for table in tables.values() if table.by_customer or table.by_order), key=lambda table: table.by_order
    )


def listed(customers: Iterable[int]) -> str:
    """Return ids with commas between them."""
    return ",".join(map(str, customers))


class Session:
    """A connection of our own to one shard, its schema chosen."""

    def __init__(self, server: Server, schema: str, patience_s: int = PATIENCE_S) -> None:
        """Connect; a statement may take `patience_s` seconds.

        Raises:
            UnreachableError: the server does not answer.
        """
        self.name = server.name
        self._connection = server.connect("admin", patience_s)
        self.run(SESSION)
        self.run(f"USE `{schema}`")

    def run(self, statement: str, parameters: Parameters = ()) -> list[Row]:
        """Run one statement; see Server.query for what it raises."""
        return query_on(self._connection, statement, parameters, node=self.name)

    def transaction(self, work: Callable[[], T]) -> T:
        """Do some work in one transaction, which is begun anew where others' locks were in its way.

        Others write to a target, too: who follows another shard, and applications where it has customers already.
        READ COMMITTED locks no gaps, in which they meet most.
        """
        for left in reversed(range(ATTEMPTS)):
            try:
                self.run("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
                self.run("START TRANSACTION")
                done = work()
                self.run("COMMIT")
            except StatementError as error:
                self.run("ROLLBACK")
                if error.errno not in IN_THE_WAY or not left:
                    raise
            else:
                return done
        raise AssertionError  # the last attempt returns or raises

    def close(self) -> None:
        """Close the connection: what was not committed is rolled back."""
        self._connection.close()


def read_literals(session: Session, table: Table, rows: str) -> list[str]:
    """Return the rows that `rows` (FROM and WHERE) selects, each as VALUES takes it."""
    literal = f"CONCAT('(', CONCAT_WS(',', {', '.join(column.literal for column in table.columns)}), ')')"
    found = session.run(f"SELECT GROUP_CONCAT({literal} SEPARATOR '{_BETWEEN}') AS literals {rows}")[0]["literals"]
    return found.split(_BETWEEN) if found else []


def statements(table: Table, literals: Sequence[str]) -> Iterator[str]:
    """Yield statements of STATEMENT_BYTES at most (a longer row is one by itself) that write all rows."""
    begin, length = 0, 0
    for at, literal in enumerate(literals):
        if at > begin and len(table.into) + length + len(literal) > STATEMENT_BYTES:
            yield table.into + ",".join(literals[begin:at])
            begin, length = at, 0
        length += len(literal) + 1
    if literals:
        yield table.into + ",".join(literals[begin:])


def delete(session: Session, tables: Sequence[Table], customers: Sequence[int]) -> int:
    """Delete the rows of customers; return how many they were."""
    ids = listed(customers)
    deleted = 0
    for table in reversed(tables):
        deleted += int(session.run(f"SELECT COUNT(*) AS n {table.of(ids)}")[0]["n"])
        session.run(f"DELETE t {table.of(ids)}")
    return deleted


def clash(error: StatementError, source_shard: int, target: str) -> UsageError:
    """Return what to say where a row that moves has a key that another row has which was there before."""
    if error.errno != DUPLICATE_KEY:
        raise error
    return UsageError(
        f"a row of shard {source_shard} cannot come to {target}, where another one has its key ({error.msg}): "
        "make reshard-abort, and make the keys unique across shards"
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
