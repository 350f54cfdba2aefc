"""Queries over shards without any: what is refused, where a key goes, how rows are put in order."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wavetank.sharding.maps.factory import make_map
from wavetank.sharding.maps.shape import ShardMap
from wavetank.sharding.query import averages
from wavetank.sharding.query.analytics import Sales
from wavetank.sharding.query.compiling import draft_of
from wavetank.sharding.query.groups import Groups
from wavetank.sharding.query.map_snapshot import MapSnapshot
from wavetank.sharding.query.ordering import cut, merged
from wavetank.sharding.query.partials import STATEMENT_CHARACTERS, inserts
from wavetank.sharding.query.plan import ColumnType, MergeStrategy, Plan
from wavetank.sharding.query.printing import text_lines
from wavetank.sharding.query.reading import Refusal
from wavetank.sharding.query.scatter_gather import Answer
from wavetank.sharding.query.tables import Schema

SCHEMA = Schema(
    {
        "customers": ("customer_id", "name", "email", "country", "region", "created_at"),
        "orders": ("order_id", "customer_id", "ordered_at", "status", "total"),
        "order_items": ("order_id", "line", "product_id", "quantity", "price"),
        "products": ("product_id", "sku", "name", "category", "price"),
        "load_state": ("id", "seed", "orders"),
    },
    {
        "monthly_sales": "select `s`.`orders`.`status` AS `month`,sum(`s`.`orders`.`total`) AS `sum` "
                         "from `s`.`orders` group by 1",
    },
)  # fmt: skip
RING = make_map("ring", (1, 2, 3, 4))
MONEY = ColumnType("decimal(34,2)")


def draft(sql: str, shard_map: ShardMap = RING, *, moving: bool = False) -> Any:  # noqa: ANN401 - one of three
    return draft_of(sql, SCHEMA, MapSnapshot(1, shard_map, moving))


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("SELECT RANK() OVER (ORDER BY total) FROM orders", "a window function"),
        ("SELECT GROUP_CONCAT(status) FROM orders", "GROUP_CONCAT"),
        ("SELECT STDDEV(total) FROM orders", "STDDEV"),
        ("SELECT VAR_SAMP(total) FROM orders", "VAR"),
        ("SELECT BIT_OR(order_id) FROM orders", "BIT_OR"),
        ("SELECT ST_COLLECT(total) FROM orders", "ST_COLLECT"),
        ("SELECT JSON_ARRAYAGG(total) FROM orders", "JSON_ARRAYAGG"),
        ("SELECT ANY_VALUE(total) FROM orders", "ANY_VALUE"),
        ("SELECT status FROM orders GROUP BY status WITH ROLLUP", "WITH ROLLUP"),
        ("SELECT AVG(total) / 7 FROM orders", "AVG"),
        ("SELECT CONCAT(AVG(total), '') FROM orders", "AVG"),
        ("SELECT SUM(AVG(total)) FROM orders", "aggregates an aggregate"),
        ("SELECT 1 UNION SELECT 2", "UNION"),
        ("WITH t AS (SELECT 1) SELECT * FROM t", "WITH is"),
        ("SELECT * FROM orders WHERE total > (SELECT AVG(total) FROM orders)", "a subquery"),
        ("SELECT (SELECT MAX(price) FROM products) FROM orders", "a subquery"),
        ("SELECT * FROM orders WHERE order_id IN (SELECT product_id FROM products LIMIT 1)", "LIMIT"),
        ("SELECT * FROM (SELECT * FROM orders) AS t", "a derived table"),
        ("SELECT STDDEV(n) FROM (SELECT COUNT(*) AS n FROM orders GROUP BY status) AS t", "STDDEV"),
        ("SELECT * FROM orders FOR UPDATE", "FOR UPDATE"),
        ("SELECT * FROM orders LOCK IN SHARE MODE", "FOR UPDATE and FOR SHARE"),
        ("SELECT @x FROM orders", "a user variable"),
        ("SELECT @@server_id FROM orders", "a system variable"),
        ("SELECT RAND() FROM orders", "RAND"),
        ("SELECT UUID() FROM orders", "UUID"),
        ("SELECT SYSDATE() FROM orders", "SYSDATE"),
        ("SELECT CURRENT_USER FROM orders", "CURRENT_USER"),
        ("SELECT SLEEP(1) FROM orders", "SLEEP"),
        ("SELECT taxes(total) FROM orders", "taxes"),
        ("SELECT SQL_CALC_FOUND_ROWS total FROM orders", "SQL_CALC_FOUND_ROWS"),
        ("SELECT total FROM orders /*! LIMIT 1 */", "plain read"),
        ("SELECT * FROM orders o JOIN customers c ON c.name = o.status", "orders and customers are not joined by"),
        ("SELECT * FROM customers, orders", "are not joined by customer_id"),
        ("SELECT * FROM customers c LEFT JOIN orders o ON 1 WHERE o.customer_id <> c.customer_id", "not joined by"),
        ("SELECT * FROM products LEFT JOIN order_items USING (product_id)", "LEFT JOIN order_items"),
        ("SELECT * FROM orders o RIGHT JOIN customers c ON c.customer_id = o.customer_id", "RIGHT JOIN"),
        ("SELECT * FROM orders NATURAL JOIN customers", "NATURAL JOIN"),
        ("SELECT m.month FROM monthly_sales m JOIN orders o ON 1", "monthly_sales"),
        ("SELECT * FROM load_state", "load_state"),
        ("SELECT user FROM mysql.user", "mysql.user"),
        ("SELECT customer_id FROM orders JOIN customers ON orders.customer_id = customers.customer_id", "write which"),
        ("SELECT SUM(total) AS total FROM orders HAVING total > 1", "total is a column and another item's name"),
        ("SELECT DISTINCT status FROM orders ORDER BY total", "not among what is DISTINCT"),
        ("SELECT status FROM orders ORDER BY 3", "no item 3"),
        ("SELECT status FROM orders LIMIT ?", "LIMIT"),
        ("DELETE FROM orders", "only SELECT"),
        ("SELECT 1; SELECT 2", "one statement"),
        ("", "no statement"),
        ("SELECT * FROM", "cannot be read"),
        ("SELECT " + "1 + " * 10_000 + "1", "characters"),
    ],
)  # fmt: skip
def test_what_cannot_be_merged_is_refused_by_name_in_one_line(sql: str, named: str) -> None:
    with pytest.raises(Refusal) as refused:
        draft(sql).plan({})

    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "call",
    str.split(
        "avg bit_and bit_or bit_xor count group_concat json_arrayagg json_objectagg max min std stddev stddev_pop "
        "stddev_samp sum var_pop var_samp variance"
    ),
)
def test_no_aggregate_is_taken_for_a_rows_own_value(call: str) -> None:
    arguments = "total, total" if call == "json_objectagg" else "total"
    try:
        found = draft(f"SELECT {call}({arguments}) FROM orders")
    except Refusal:
        return
    assert isinstance(found, Groups)


@pytest.mark.parametrize("kind", ["double", "float", "varchar(20)"])
def test_sums_that_depend_on_the_order_are_refused(kind: str) -> None:
    with pytest.raises(Refusal, match=r"SUM\(.*CAST them AS DECIMAL|does not travel|do not travel"):
        draft("SELECT SUM(total) FROM orders").plan({"wt_p0": ColumnType(kind)})


def test_an_average_is_sent_as_a_sum_and_a_count() -> None:
    plan = draft("SELECT AVG(total) FROM orders").plan({"wt_p0": MONEY, "wt_p1": ColumnType("bigint")})

    assert plan.sent == "SELECT SUM(`orders`.`total`) AS `wt_p0`, COUNT(`orders`.`total`) AS `wt_p1` FROM `orders`"
    assert "SUM(`wt_partials`.`wt_p0`) / SUM(`wt_partials`.`wt_p1`)" in plan.merge


def test_a_limit_is_pushed_down_with_the_offset() -> None:
    plan = draft("SELECT order_id FROM orders ORDER BY order_id DESC LIMIT 5, 10").plan({"wt_k0": ColumnType("bigint")})

    assert plan.sent.endswith("ORDER BY `orders`.`order_id` DESC LIMIT 15")
    assert (plan.keys, plan.limit, plan.offset) == ((True,), 10, 5)


def test_texts_are_ordered_by_their_weights() -> None:
    by_name = draft("SELECT email FROM customers ORDER BY name, region")
    plan = by_name.plan(
        {
            "wt_k0": ColumnType("varchar(80)", "utf8mb4_0900_ai_ci"),
            "wt_k1": ColumnType("enum('a')", "utf8mb4_0900_ai_ci"),
        }
    )

    assert "WEIGHT_STRING(`customers`.`name`) AS `wt_k0`" in plan.sent
    assert "(`customers`.`region`) + 0 AS `wt_k1`" in plan.sent


def test_a_collation_that_pads_is_refused() -> None:
    with pytest.raises(Refusal, match="utf8mb4_general_ci"):
        draft("SELECT email FROM customers ORDER BY name").plan({"wt_k0": ColumnType("char(2)", "utf8mb4_general_ci")})


def test_groups_that_are_whole_on_their_shards_are_not_taken_apart() -> None:
    plan = draft("SELECT customer_id, AVG(total) FROM orders GROUP BY customer_id HAVING COUNT(*) > 3").plan({})

    assert plan.strategy is MergeStrategy.ROWS
    assert "AVG(`orders`.`total`)" in plan.sent
    assert "HAVING COUNT(*) > 3" in plan.sent


def test_a_limit_without_order_is_noted() -> None:
    assert "any" in draft("SELECT order_id FROM orders LIMIT 3").plan({}).notes[0]


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=5))
def test_keys_go_to_their_shards(keys: list[int]) -> None:
    shards = {RING.shard_of(key) for key in keys}
    listed = ", ".join(map(str, keys))

    assert set(draft(f"SELECT * FROM orders WHERE customer_id IN ({listed}) AND total > 1").shards) == shards
    assert draft(f"SELECT * FROM orders WHERE {keys[0]} = customer_id").shards == (RING.shard_of(keys[0]),)
    by_join = f"SELECT 1 FROM customers c JOIN orders o USING (customer_id) WHERE (o.customer_id = {keys[0]})"
    assert draft(by_join).shards == (RING.shard_of(keys[0]),)


@pytest.mark.parametrize(
    "where",
    [
        "customer_id = 5 OR total > 1", "customer_id <> 5", "customer_id = '5'", "customer_id = 5.5",
        "customer_id IN (5, total)", "NOT customer_id = 5", "order_id = 5", "customer_id = 99999999999999999999",
        "customer_id = -5",
    ],
)  # fmt: skip
def test_what_names_no_key_goes_to_all(where: str) -> None:
    assert draft(f"SELECT order_id FROM orders WHERE {where}").shards == RING.shards


def test_a_map_by_something_else_is_not_pruned_by_customer() -> None:
    assert draft("SELECT 1 FROM orders WHERE customer_id = 5", make_map("region", (1, 2))).shards == (1, 2)


def test_one_shard_gets_the_statement_as_it_is() -> None:
    sql = "SELECT total, RANK() OVER (ORDER BY total) FROM orders WHERE customer_id = 5"

    assert draft(f"{sql} ; ").plan({}).sent == sql


def test_reference_tables_are_read_on_one_shard() -> None:
    assert draft("SELECT STDDEV(price) FROM products").shards == (1,)


def test_rows_that_move_are_asked_for_where_they_belong() -> None:
    snapshot = MapSnapshot(1, make_map("hash", (1, 2)), moving=True)
    plan = draft_of("SELECT COUNT(*) FROM order_items", SCHEMA, snapshot).plan({"wt_p0": ColumnType("bigint")})
    sent = snapshot.statement(plan.sent, 2)

    assert "WT_OWN_ROW" in plan.sent
    assert "WT_OWN_ROW" not in sent
    assert "SHA2(`orders`.`customer_id`" in sent
    assert sent.rstrip(")").endswith("= 2")


@pytest.mark.parametrize("kind", ["region", "date"])
def test_rows_that_move_by_a_customers_column_are_found_through_the_customer(kind: str) -> None:
    moving = draft("SELECT COUNT(*) FROM order_items", make_map(kind, (1, 2)), moving=True)

    assert "JOIN `customers` USING (`customer_id`)" in moving.probe


def test_while_rows_move_by_directory_nothing_is_merged() -> None:
    with pytest.raises(Refusal, match="directory"):
        draft("SELECT COUNT(*) FROM orders", make_map("directory", (1, 2)), moving=True)


ROWS = st.lists(st.tuples(st.integers(), st.none() | st.integers(-3, 3), st.none() | st.sampled_from("abc")))


@given(
    st.lists(ROWS, max_size=4),
    st.tuples(st.booleans(), st.booleans()),
    st.none() | st.integers(0, 9),
    st.integers(0, 5),
)
def test_streams_in_order_become_one_in_order(
    streams: list[list[tuple[Any, ...]]], down: tuple[bool, bool], limit: int | None, offset: int
) -> None:
    def in_order(rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Sort as MySQL does, from the last key to the first: NULL comes before everything."""
        for at in (1, 0):
            key = at + 1
            rows = sorted(rows, key=lambda row: (row[key] is not None, row[key]), reverse=down[at])
        return list(rows)

    found = list(cut(merged([in_order(rows) for rows in streams], down), limit, offset))
    all_rows = in_order([row for rows in streams for row in rows])
    expected = all_rows[offset:] if limit is None else all_rows[offset : offset + limit]

    assert len(found) == len(expected)
    assert all(len(row) == 1 for row in found)
    # Which of equals comes first is nobody's promise; the keys are compared by the sorted whole.
    keys = {row[0]: row[1:] for row in all_rows}
    if len(keys) == len(all_rows):
        assert [keys[row[0]] for row in found] == [row[1:] for row in expected]


def test_values_reach_the_merging_server_as_they_were() -> None:
    types = {"a": ColumnType("varchar(9)", "utf8mb4_0900_ai_ci"), "b": ColumnType("varbinary(9)"), "c": MONEY}

    statement, rows = next(inserts([(b"O'Hara\\", b"\x00'\xff", b"1.50"), (None, None, None)], types))

    assert statement == r"INSERT INTO wt_partials VALUES ('O''Hara\\',X'0027ff','1.50'),(NULL,NULL,NULL)"
    assert rows == 2


def test_inserts_stay_within_their_length() -> None:
    statements = list(inserts([(b"x" * 100,)] * 1000, {"a": ColumnType("varchar(100)", "utf8mb4_0900_ai_ci")}))

    assert sum(rows for _, rows in statements) == 1000
    assert max(len(statement) for statement, _ in statements) < STATEMENT_CHARACTERS + 100


@pytest.mark.parametrize(("kind", "digits"), [("decimal(32,0)", 9), ("decimal(34,2)", 9), ("decimal(40,6)", 18)])
def test_an_average_has_as_many_digits_as_mysql_divides_to(kind: str, digits: int) -> None:
    assert averages.digits(ColumnType(kind)) == digits


def test_sales_add_up_and_averages_do_not() -> None:
    both = Sales(1, Decimal("10.00")) + Sales(3, Decimal("10.00"))

    assert both.average == Decimal("5.000000")
    assert Sales(0, Decimal(0)).average is None


def test_rows_are_aligned_and_those_after_the_first_still_come() -> None:
    rows = [(at, None, "x") for at in range(1000)]
    answer = Answer(Plan(MergeStrategy.ROWS, (1,), ""), ("n", "nothing", "text"), iter(rows), {})

    lines = list(text_lines(answer))

    assert len(lines) == 1001
    assert lines[0] == "  n  nothing  text"
    assert lines[5] == "  4     NULL  x"
