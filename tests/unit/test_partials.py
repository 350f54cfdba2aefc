"""The table on the merging server: which statements make and fill it, in order, and what a server that goes away is."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mysql.connector.errors import OperationalError
from wavetank.errors import UnreachableError
from wavetank.sharding.query import partials
from wavetank.sharding.query.ordering import merged
from wavetank.sharding.query.partials import STATEMENT_CHARACTERS, inserts
from wavetank.sharding.query.plan import ColumnType

TEXT, BYTES = ColumnType("varchar(9)", "utf8mb4_0900_ai_ci"), ColumnType("varbinary(9)")
PROBE, CHECK = "SELECT 1 AS `a`, 'x' AS `b`", "SELECT 2 AS `c`"


class Connection:
    """A server that remembers what it was told; from the statement on that has `dies` in it, it is gone."""

    def __init__(self, dies: str = "") -> None:
        self.told: list[str] = []
        self._dies = dies
        self.description, self.lastrowid = True, 0

    @contextlib.contextmanager
    def cursor(self, **_: object) -> Iterator["Connection"]:
        yield self

    def execute(self, statement: str, _parameters: Sequence[Any] = ()) -> None:
        if self._dies and self._dies in statement:
            raise OperationalError(errno=2013, msg="Lost connection")
        self.told.append(statement)

    def fetchall(self) -> list[dict[str, Any]]:
        of = {
            "SHOW FULL COLUMNS FROM wt_partials": [
                {"Field": "a", "Type": "bigint", "Collation": None},
                {"Field": "b", "Type": "varchar(1)", "Collation": "utf8mb4_0900_ai_ci"},
            ],
            "SHOW FULL COLUMNS FROM wt_checked": [{"Field": "c", "Type": "decimal(9,2)", "Collation": None}],
        }
        return of.get(self.told[-1], [])


def test_the_table_is_made_of_what_the_probe_returns_and_the_checks_are_only_looked_at() -> None:
    connection: Any = Connection()
    types = partials.create(connection, PROBE, [CHECK, CHECK], node="db1")
    assert dict(types) == {
        "a": ColumnType("bigint"), "b": ColumnType("varchar(1)", "utf8mb4_0900_ai_ci"), "c": ColumnType("decimal(9,2)"),
    }  # fmt: skip
    looked = [
        f"CREATE TEMPORARY TABLE wt_checked AS {CHECK} LIMIT 0",
        "SHOW FULL COLUMNS FROM wt_checked",
        "DROP TEMPORARY TABLE wt_checked",
    ]
    assert connection.told == [
        "DROP TEMPORARY TABLE IF EXISTS wt_partials, wt_checked",
        f"CREATE TEMPORARY TABLE wt_partials AS {PROBE} LIMIT 0",
        "SHOW FULL COLUMNS FROM wt_partials",
        *looked,
        *looked,
    ]


def test_a_table_is_filled_in_one_transaction_and_its_rows_are_counted() -> None:
    connection: Any = Connection()
    rows = [(b"x" * 6000, b"\x00"), (b"y" * 6000, None), (b"z" * 6000, b"")]
    assert partials.fill(connection, rows, {"a": TEXT, "b": BYTES}, node="db1") == 3
    first, *inserted, last = connection.told
    assert (first, last) == ("START TRANSACTION", "COMMIT")
    assert [statement.count("(") for statement in inserted] == [2, 1]
    assert inserted[1] == f"INSERT INTO wt_partials VALUES ('{'z' * 6000}',X'')"


def test_no_rows_are_no_insert() -> None:
    connection: Any = Connection()
    assert partials.fill(connection, [], {"a": TEXT}, node="db1") == 0
    assert connection.told == ["START TRANSACTION", "COMMIT"]


@pytest.mark.parametrize(
    "dies", ["DROP", "wt_partials AS", "FROM wt_partials", "wt_checked AS", "FROM wt_checked", "TABLE wt_checked"]
)
def test_who_goes_away_while_the_table_is_made_is_named(dies: str) -> None:
    connection: Any = Connection("TEMPORARY TABLE IF" if dies == "DROP" else dies)
    with pytest.raises(UnreachableError, match=r"^db7 "):
        partials.create(connection, PROBE, [CHECK], node="db7")


@pytest.mark.parametrize("dies", ["START", "INSERT", "COMMIT"])
def test_who_goes_away_while_it_is_filled_is_named(dies: str) -> None:
    connection: Any = Connection(dies)
    with pytest.raises(UnreachableError, match=r"^db7 "):
        partials.fill(connection, [(b"x",)], {"a": TEXT}, node="db7")


def test_a_statement_is_as_long_as_may_be_and_no_longer() -> None:
    # '(…)' with quotes is four characters more than the value, and a comma stands between two.
    half = STATEMENT_CHARACTERS // 2
    fits = [(b"x" * (half - 5),), (b"x" * (STATEMENT_CHARACTERS - half - 4),)]
    assert [held for _, held in inserts(fits, {"a": TEXT})] == [2]
    one_more = [*fits[:1], (fits[1][0] + b"x",)]
    assert [held for _, held in inserts(one_more, {"a": TEXT})] == [1, 1]


@given(st.lists(st.binary(max_size=4000), max_size=12))
def test_every_value_is_inserted_once_and_in_order(values: list[bytes]) -> None:
    statements = list(inserts([(value,) for value in values], {"a": BYTES}))
    said = "".join(statement.removeprefix("INSERT INTO wt_partials VALUES ") + "," for statement, _ in statements)
    assert said == "".join(f"(X'{value.hex()}')," for value in values)
    assert sum(held for _, held in statements) == len(values)


def test_a_type_more_than_there_are_columns_is_of_what_was_checked() -> None:
    types = {"a": BYTES, "b": TEXT, "wt_t0": ColumnType("decimal(9,2)")}
    ((statement, _),) = inserts([(b"a", b"b")], types)
    assert statement.endswith("VALUES (X'61','b')")


def test_without_an_order_streams_follow_each_other() -> None:
    assert list(merged([[(1, "a")], [], [(2, "b"), (3, "c")]], ())) == [(1, "a"), (2, "b"), (3, "c")]


def test_equal_keys_are_compared_by_the_next_one_whichever_way_the_first_goes() -> None:
    one, other = [("a", 2, 1), ("b", 2, 3), ("c", 1, 2)], [("d", 2, 2), ("e", 1, 1), ("f", None, 1)]
    assert [name for (name,) in merged([one, other], (True, False))] == ["a", "d", "b", "e", "c", "f"]
