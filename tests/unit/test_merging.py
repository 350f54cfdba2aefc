"""Merges of groups against SQLite, which is asked the whole: rows on any shards add up to what one server says."""

import sqlite3
from collections.abc import Sequence
from typing import Any

import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot.errors import ErrorLevel
from wavetank.sharding.maps import make_map
from wavetank.sharding.query.compiling import draft_of
from wavetank.sharding.query.ground import Ground
from wavetank.sharding.query.plan import PARTIALS, ColumnType, Plan, Way
from wavetank.sharding.query.tables import Schema

SCHEMA = Schema({"orders": ("order_id", "customer_id", "ordered_at", "status", "total")}, {})
SHARDS = (1, 2, 3)
GROUND = Ground(1, make_map("ring", SHARDS), moving=False)
# What no row has an equal of, and what many share; either may be missing. A shard may have no row at all.
ROWS = st.lists(
    st.tuples(
        st.sampled_from(SHARDS),
        st.none() | st.sampled_from(["new", "paid", "sent"]),
        st.none() | st.integers(-3, 6),
        st.integers(1, 3),
    ),
    max_size=12,
)
TERMS = ("status", "total % 2", "ordered_at")
CALLS = (
    "COUNT(*)", "COUNT(total)", "SUM(total)", "MIN(total)", "MAX(total)", "AVG(total)", "COUNT(DISTINCT status)",
    "COUNT(DISTINCT total)", "SUM(DISTINCT total)", "AVG(DISTINCT total)", "MIN(DISTINCT total)",
    "SUM(total) + COUNT(*)",
    "MAX(total) - MIN(total)", "SUM(total * 2)", "COALESCE(SUM(total), 0)", "AVG(total) + 1", "MIN(status)",
    "CASE WHEN COUNT(*) > 2 THEN MAX(total) ELSE 0 END",
)  # fmt: skip
HAVING = ("COUNT(*) > 1", "SUM(total) >= 2", "AVG(total) < 3", "MAX(total) IS NULL", "COUNT(DISTINCT status) = 1")
WHERE = ("total > 0", "status IS NULL", "total IN (1, 2, 3) OR status = 'new'")


@st.composite
def queries(draw: st.DrawFn) -> str:
    """Draw a SELECT that groups, or not, and orders by all that it returns, so that LIMIT leaves no choice."""
    terms = draw(st.lists(st.sampled_from(TERMS), unique=True, max_size=2))
    calls = draw(st.lists(st.sampled_from(CALLS), unique=True, min_size=0 if terms else 1, max_size=3))
    having, where, limit = draw(st.tuples(*(st.none() | st.sampled_from(parts) for parts in (HAVING, WHERE, (1, 2)))))
    items = [f"{item} AS c{at}" for at, item in enumerate([*terms, *calls])]
    downs = draw(st.lists(st.sampled_from(["ASC", "DESC"]), min_size=len(items), max_size=len(items)))
    return (
        f"SELECT {', '.join(items)} FROM orders"
        + (f" WHERE {where}" if where else "")
        + (f" GROUP BY {', '.join(terms)}" if terms else "")
        + (f" HAVING {having}" if having else "")
        + f" ORDER BY {', '.join(f'c{at} {down}' for at, down in enumerate(downs))}"
        + (f" LIMIT {limit} OFFSET 1" if limit else "")
    )


def asked(database: sqlite3.Connection, statement: str) -> list[tuple[Any, ...]]:
    """Ask SQLite what is written for MySQL."""
    (translated,) = sqlglot.transpile(statement, read="mysql", write="sqlite", unsupported_level=ErrorLevel.IGNORE)
    return [
        tuple(round(value, 6) if isinstance(value, float) else value for value in row)
        for row in database.execute(translated)
    ]


def server(rows: Sequence[tuple[Any, ...]]) -> sqlite3.Connection:
    """Return a server that holds these orders."""
    database = sqlite3.connect(":memory:")
    # TRUNCATE(…, 9), of which the translation keeps one argument: SQLite's numbers are not exact to nine places.
    database.create_function("TRUNC", 1, lambda value: None if value is None else round(value, 6))
    database.execute("CREATE TABLE orders (order_id, customer_id, ordered_at, status, total)")
    orders = [(at, at, day, status, total) for at, (_, status, total, day) in enumerate(rows)]
    database.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", orders)
    return database


def plan_of(sql: str) -> Plan:
    """Return the plan of a query, its types being those that MySQL would give the columns."""
    draft = draft_of(sql, SCHEMA, GROUND)
    sent = sqlglot.parse_one(draft.probe, read="mysql")
    kinds = {
        item.alias: ColumnType("varchar(9)", "utf8mb4_0900_ai_ci")
        if "status" in item.this.sql()
        else ColumnType("bigint")
        for item in sent.expressions
    }
    kinds |= {
        item.alias: ColumnType("decimal(34,4)")
        for check in draft.checks
        for item in sqlglot.parse_one(check, read="mysql").expressions
    }
    return draft.plan(kinds)


def merged(sql: str, rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Ask each shard what the plan sends, and one server to merge what they said."""
    plan = plan_of(sql)
    assert plan.shards == SHARDS
    assert plan.way is Way.GROUPS
    merging = server(())
    names = [item.alias for item in sqlglot.parse_one(plan.sent, read="mysql").expressions]
    merging.execute(f"CREATE TABLE {PARTIALS} ({', '.join(names)})")
    for number in SHARDS:
        partial = asked(server([row for row in rows if row[0] == number]), plan.sent)
        merging.executemany(f"INSERT INTO {PARTIALS} VALUES ({', '.join('?' * len(names))})", partial)
    return asked(merging, plan.merge)


@given(queries(), ROWS)
@settings(max_examples=100)
def test_groups_over_shards_are_what_one_server_says(sql: str, rows: list[tuple[Any, ...]]) -> None:
    assert merged(sql, rows) == asked(server(rows), sql)


@pytest.mark.parametrize("items", ["status", "status, total", "total % 2"])
@given(rows=ROWS)
@settings(max_examples=30)
def test_distinct_rows_over_shards_are_those_of_one_server(items: str, rows: list[tuple[Any, ...]]) -> None:
    sql = f"SELECT DISTINCT {items} FROM orders ORDER BY {items}"
    assert merged(sql, rows) == asked(server(rows), sql)
