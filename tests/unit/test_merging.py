"""Merges of groups against SQLite, which is asked the whole: rows on any shards add up to what one server says."""

import re
import sqlite3
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot.errors import ErrorLevel
from wavetank.sharding.maps.factory import make_map
from wavetank.sharding.query import averages
from wavetank.sharding.query.compiling import draft_of, owned
from wavetank.sharding.query.map_snapshot import MapSnapshot
from wavetank.sharding.query.plan import PARTIALS, ColumnType, MergeStrategy, Plan
from wavetank.sharding.query.reading import Refusal
from wavetank.sharding.query.tables import Schema

SCHEMA = Schema({"orders": ("order_id", "customer_id", "ordered_at", "status", "total")}, {})
SHARDS = (1, 2, 3)
GROUND = MapSnapshot(1, make_map("ring", SHARDS), moving=False)
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
    assert plan.strategy is MergeStrategy.GROUPS
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


# --- the statements themselves

MONEY, WHOLE = ColumnType("decimal(34,2)"), ColumnType("bigint")
KINDS = {"p": MONEY, "s": MONEY, "t": ColumnType("decimal(14,4)"), "k": WHOLE, "g": WHOLE}
SHOP = Schema(
    {
        "orders": ("order_id", "customer_id", "ordered_at", "status", "total"),
        "customers": ("customer_id", "name", "email", "country", "region", "created_at"),
    },
    {
        "monthly_sales": "select `s`.`orders`.`status` AS `month`,sum(`s`.`orders`.`total`) AS `sum` "
        "from `s`.`orders` group by 1"
    },
)
PLANS = tomllib.loads(Path(__file__).with_name("merge_plans.toml").read_text())["plan"]


@pytest.mark.parametrize("expected", PLANS, ids=lambda plan: plan["sql"])
def test_a_query_becomes_these_statements(expected: dict[str, Any]) -> None:
    draft = draft_of(expected["sql"], SHOP, MapSnapshot(1, make_map("ring", (1, 2, 3, 4)), moving=False))
    names = re.findall(r"AS `(wt_([a-z])\d+)`", " ".join([draft.probe, *draft.checks]))
    plan = draft.plan({name: KINDS[letter] for name, letter in names})
    found = {"sql": expected["sql"], "way": plan.strategy.name, "probe": draft.probe, "checks": list(draft.checks)}
    found |= {"sent": plan.sent, "merge": plan.merge}
    assert {name: value for name, value in found.items() if value} == expected
    assert plan.shards == draft.shards == ((1,) if plan.strategy is MergeStrategy.ONE else (1, 2, 3, 4))


@pytest.mark.parametrize(
    ("kind", "cast"),
    [
        ("bigint", "AS SIGNED"), ("int", "AS SIGNED"), ("bigint unsigned", "AS UNSIGNED"),
        ("int unsigned", "AS UNSIGNED"), ("decimal(9,1)", "AS DECIMAL(9, 1)"), ("double", ""), ("varchar(9)", ""),
    ],
)  # fmt: skip
def test_what_is_computed_from_an_average_has_the_type_of_the_original(kind: str, cast: str) -> None:
    draft = draft_of("SELECT AVG(total) + 1 AS a FROM orders", SHOP, GROUND)
    merge = draft.plan({"wt_p0": MONEY, "wt_p1": WHOLE, "wt_t0": ColumnType(kind)}).merge
    assert merge.count("CAST(") == bool(cast)
    assert (f"{cast}) AS `a`" if cast else "+ 1 AS `a`") in merge


@pytest.mark.parametrize(
    "around",
    [
        "IF(COUNT(*) > 1, AVG(total), 0)", "IF(COUNT(*) > 1, 0, AVG(total))", "COALESCE(AVG(total), 0)",
        "CASE WHEN COUNT(*) > 1 THEN AVG(total) ELSE 0 END", "CASE WHEN COUNT(*) > 1 THEN 0 ELSE AVG(total) END",
        "((AVG(total)))",
    ],
)  # fmt: skip
def test_an_average_that_is_chosen_is_shown_as_it_is(around: str) -> None:
    merge = draft_of(f"SELECT {around} AS a FROM orders", SHOP, GROUND).plan({"wt_p0": MONEY, "wt_p1": MONEY}).merge
    assert "TRUNCATE" not in merge
    assert re.search(r"\(SUM\(`wt_partials`.`wt_p\d`\) / SUM\(`wt_partials`.`wt_p\d`\)\)", merge)


def test_parentheses_do_not_keep_an_average_from_being_computed_with() -> None:
    assert (
        "TRUNCATE" in draft_of("SELECT ((AVG(total))) + 1 AS a FROM orders", SHOP, GROUND).plan({"wt_p0": MONEY}).merge
    )


@pytest.mark.parametrize(("kind", "places"), [("decimal(32,0)", 9), ("decimal(40,6)", 18), ("bigint", 9)])
def test_what_an_average_is_computed_with_has_the_digits_of_mysql(kind: str, places: int) -> None:
    draft = draft_of("SELECT AVG(total) + 1 AS a FROM orders", SHOP, GROUND)
    merge = draft.plan({"wt_p0": ColumnType(kind), "wt_p1": WHOLE, "wt_t0": MONEY}).merge
    assert f"* 1{'0' * places} " in merge
    assert f"* 0.{'0' * (places - 1)}1, {places})" in merge


@pytest.mark.parametrize(
    ("kind", "digits"),
    [("decimal(34,5)", 9), ("decimal(34,9)", 18), ("decimal(34,10)", 18), ("decimal(34,18)", 27), ("bigint", 9)],
)
def test_a_division_has_four_places_more_in_whole_words(kind: str, digits: int) -> None:
    assert averages.digits(ColumnType(kind)) == digits


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("SELECT COUNT(*), GROUP_CONCAT(total) FROM orders", "GROUP_CONCAT is not merged"),
        ("SELECT SUM(total), json_objectagg(status, total) FROM orders", "JSON_OBJECTAGG is not merged"),
        ("SELECT st_collect(total) FROM orders", "no function of MySQL's own"),
        ("SELECT MAX(AVG(total)) FROM orders", "MAX(AVG(orders.total)) aggregates an aggregate"),
        ("SELECT MAX(SUM(total)) FROM orders", "MAX(SUM(orders.total)) aggregates an aggregate"),
        ("SELECT COUNT(*) FROM orders GROUP BY status LIMIT 1 + 1", "cannot be passed on"),
        (
            "SELECT status FROM (SELECT COUNT(*), status FROM orders GROUP BY status) AS t",
            "COUNT(*) in a derived table",
        ),
        ("SELECT * FROM (SELECT 1 UNION SELECT 2) AS t", "UNION, INTERSECT and EXCEPT"),
        (
            "SELECT * FROM (SELECT status FROM orders) AS t",
            "a derived table is merged over shards only where it groups",
        ),
        (
            "SELECT n FROM (SELECT COUNT(*) AS n FROM orders) AS t WHERE n > (SELECT 1)",
            "a subquery is not merged over shards beside a derived table",
        ),
        ("SELECT BIT_OR(n) FROM (SELECT COUNT(*) AS n FROM orders GROUP BY status) AS t", "BIT_OR"),
        ("SELECT RANK() OVER () FROM orders", "a window function is not merged"),
        ("SELECT customer_id, RANK() OVER () FROM orders GROUP BY customer_id", "RANK OVER is not merged"),
        ("SELECT COUNT(*), SUM(total) OVER () FROM orders GROUP BY status", "a window function is not merged"),
        ("SELECT MOD(AVG(total), 2) FROM orders", "digits that it does not show"),
        ("SELECT COALESCE(AVG(total), 0) + 1 FROM orders", "digits that it does not show"),
        ("SELECT COALESCE(AVG(total) + 1, 0) FROM orders", "digits that it does not show"),
        ("SELECT CAST(AVG(total) AS CHAR) FROM orders", "digits that it does not show"),
        ("SELECT IF(AVG(total), 1, 2) FROM orders", "digits that it does not show"),
    ],
)
def test_what_has_no_exact_merge_is_refused(sql: str, named: str) -> None:
    with pytest.raises(Refusal) as refused:
        draft_of(sql, SHOP, GROUND).plan({})
    assert named.lower() in str(refused.value).replace("`", "").lower()
    # What is quoted from the statement is quoted as MySQL writes it.
    assert '"' not in str(refused.value)


@pytest.mark.parametrize("sql", ["SUM(total)", "SUM(DISTINCT total)", "AVG(total)", "AVG(DISTINCT total)", "SUM(sum)"])
def test_every_sum_must_be_exact(sql: str) -> None:
    draft = draft_of(f"SELECT {sql} FROM {'monthly_sales' if sql == 'SUM(sum)' else 'orders'}", SHOP, GROUND)
    kinds = {"wt_p0": MONEY, "wt_p1": WHOLE, "wt_g0": WHOLE, "wt_s0": MONEY}
    draft.plan(kinds)
    inexact = "wt_s0" if sql == "SUM(sum)" else "wt_p0"
    with pytest.raises(Refusal, match="their sum depends on the order"):
        draft.plan({**kinds, inexact: ColumnType("double")})
    # What is counted, or is a term, may be anything that travels.
    draft.plan({**kinds, "wt_g0": ColumnType("double")})
    with pytest.raises(Refusal, match="do not travel exactly"):
        draft.plan({**kinds, "wt_g0": ColumnType("float")})


def test_while_rows_move_each_shard_answers_for_its_own() -> None:
    moving = MapSnapshot(1, make_map("hash", SHARDS), moving=True)
    assert "WT_OWN_ROW" in draft_of("SELECT COUNT(*) FROM orders", SHOP, moving).probe
    assert "WT_OWN_ROW" in owned("SELECT COUNT(*) FROM shop.orders", SHOP, moving)
    assert "shop" not in owned("SELECT COUNT(*) FROM shop.orders", SHOP, moving)
    assert owned("SELECT COUNT(*) FROM shop.orders", SHOP, GROUND) == "SELECT COUNT(*) AS `COUNT(*)` FROM `orders`"
