"""The sample data: what is generated, and what is refused."""

import re
import zlib
from collections import Counter
from collections.abc import Callable
from decimal import Decimal

import pytest
from wavetank.errors import UsageError
from wavetank.sample import filling, generated, shop
from wavetank.sample.generated import Item, Order
from wavetank.sample.shop import Found, Loaded, entry_points, refuse_unfit
from wavetank.sample.writing import batch, inserts
from wavetank.servers.node import STATEMENT_BYTES, Servers
from wavetank.sharding.schema import made_by, shop_statements
from wavetank.topology.model import Channel, Node, Sizing, Topology

ORDERS = 2_000


def _rows(seed: int = 1, orders: int = ORDERS) -> list[tuple[Order, list[Item]]]:
    return [generated.order(seed, number) for number in range(1, orders + 1)]


def _values(*statements: str) -> list[str]:
    return [row for statement in statements for row in re.findall(r"\([^()]*\)", statement.split("VALUES")[1])]


def _topology(**sources_by_name: list[str]) -> Topology:
    nodes = tuple(
        Node(name, number, 20_000 + number, tuple(Channel(source, source) for source in sources))
        for number, (name, sources) in enumerate(sources_by_name.items(), 1)
    )
    return Topology("test", "test", nodes, "image", Sizing(2**29, 2**27))


def test_a_seed_always_means_the_same_bytes() -> None:
    rows = _values(*batch(1, 0, 1_000))

    # Fixed here, so that a change that makes other rows of the same seed is seen.
    assert zlib.crc32("".join(rows).encode()) == 673555959


def test_the_rows_of_a_seed_are_not_those_of_another() -> None:
    assert _rows(seed=1) != _rows(seed=2)
    assert generated.customer(1, 7) != generated.customer(2, 7)


def test_a_load_in_two_steps_is_the_load_in_one() -> None:
    stepwise = _values(*batch(3, 0, 700), *batch(3, 700, 701), *batch(3, 701, 1_000))

    assert Counter(stepwise) == Counter(_values(*batch(3, 0, 1_000)))


def test_every_order_is_bought_by_a_customer_who_is_there_by_then() -> None:
    assert all(1 <= bought.customer_id <= generated.customers_of(bought.order_id) for bought, _ in _rows())


def test_a_fifth_as_many_customers_as_orders_rounded_up() -> None:
    assert [generated.customers_of(orders) for orders in (1, 5, 6, 1_000)] == [1, 1, 2, 200]


def test_a_total_is_what_the_items_cost() -> None:
    for bought, items in _rows():
        assert bought.total == sum(item.quantity * item.price for item in items)
        assert [item.line for item in items] == list(range(1, len(items) + 1))
        assert 1 <= len(items) <= 4


def test_items_are_sold_at_the_price_of_a_product_that_exists() -> None:
    prices = {number: generated.product(1, number).price for number in range(1, generated.PRODUCTS + 1)}

    assert all(item.price == prices[item.product_id] for _, items in _rows() for item in items)
    assert all(price > 0 and price == round(price, 2) for price in prices.values())


def test_orders_spread_over_two_years_and_grow() -> None:
    months = Counter(f"{bought.ordered_at:%Y-%m}" for bought, _ in _rows())

    assert sorted(months) == [f"{year}-{month:02}" for year in (2024, 2025) for month in range(1, 13)]
    assert sum(months[month] for month in months if month < "2025") < ORDERS * 0.45


def test_customers_sign_up_before_the_first_sale() -> None:
    assert all(generated.customer(1, number).created_at < generated.FIRST_SALE for number in range(1, 1_000))


@pytest.mark.parametrize(
    "unique",
    [
        lambda number: generated.customer(1, number).email,
        lambda number: generated.product(1, number).sku,
        lambda number: generated.product(1, number).name,
    ],
)
def test_what_is_unique_in_the_schema_is_unique(unique: Callable[[int], str]) -> None:
    assert len({unique(number) for number in range(1, generated.PRODUCTS + 1)}) == generated.PRODUCTS


def test_a_statement_names_the_columns_of_its_table() -> None:
    bought, items = generated.order(1, 1)

    assert next(inserts("order_items", items[:1])).startswith(
        "INSERT INTO shop.order_items (order_id, line, product_id, quantity, price) VALUES (1,1,"
    )
    assert next(inserts("orders", [bought])).endswith(f"'{bought.ordered_at}','{bought.status}',{bought.total})")


def test_no_statement_is_longer_than_one_tls_record() -> None:
    statements = batch(1, 9_000_000, 9_001_000)

    assert max(map(len, statements)) <= STATEMENT_BYTES
    assert len(statements) < 12


def test_no_rows_need_no_statement() -> None:
    assert list(inserts("customers", [])) == []


@pytest.mark.parametrize("name", ["O'Brien", "back\\slash"])
def test_text_that_would_need_escaping_is_not_let_through(name: str) -> None:
    with pytest.raises(ValueError, match="escaping"):
        list(inserts("customers", [generated.customer(1, 1)._replace(name=name)]))


def test_the_shop_falls_into_statements() -> None:
    statements = shop_statements()

    made = {
        f"shop.{name}" for name in ("customers", "products", "orders", "order_items", "load_state", "monthly_sales")
    }
    assert made == made_by(statements)
    assert len(statements) == 1 + len(made)
    assert all(re.search(r"^CREATE ", statement, re.MULTILINE) for statement in statements)


def test_a_shop_that_can_grow_is_not_refused() -> None:
    for found in (None, Found(), Found(1, 500), Found(1, 1_000), Found(1, 1_000, foreign_rows=3)):
        refuse_unfit("db1", found, 1_000, 1)


@pytest.mark.parametrize(
    ("found", "right"),
    [
        (Found(1, 2_000), "load 2000 or more, or DROP SCHEMA shop on db1"),
        (Found(2, 500), "seed 2: load with that one"),
        (Found(2, 0), "seed 2: load with that one"),
        (Found(1, 1_000, missing=1), "1 loaded rows are gone"),
        (Found(1, 500, foreign_rows=2), "stay at 500 orders"),
        (Found(None, 0, foreign_rows=2), "2 rows of others where new ones would go: DROP SCHEMA"),
    ],
)
def test_a_shop_that_adding_cannot_make_right_is_refused(found: Found, right: str) -> None:
    with pytest.raises(UsageError, match=re.escape(right)):
        refuse_unfit("db1", found, 1_000, 1)


@pytest.mark.parametrize(
    ("orders", "seed"), [(0, 1), (-5, 1), (filling.MOST_ORDERS + 1, 1), (10, -1), (10, filling.HIGHEST_SEED + 1)]
)
def test_numbers_out_of_range_are_refused_before_a_server_is_asked(orders: int, seed: int) -> None:
    with pytest.raises(UsageError, match="from"):
        shop.load_shop(Servers(_topology(a1=[])), orders, seed)


def test_every_source_is_loaded() -> None:
    topology = _topology(a1=[], a2=["a1"], b1=[], b2=["b1"])

    assert [node.name for node in entry_points(topology)] == ["a1", "b1"]


def test_a_replica_of_two_sources_would_get_every_row_twice() -> None:
    with pytest.raises(UsageError, match="c1 replicates from a1 and b1"):
        entry_points(_topology(a1=[], b1=[], c1=["a1", "b1"]))


def test_the_rows_of_a_ring_are_given_to_one_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = _topology(m1=["m2"], m2=["m1"])
    monkeypatch.setattr(Topology, "sources", property(lambda topology: topology.nodes))

    assert [node.name for node in entry_points(ring)] == ["m1"]


def test_the_report_says_what_is_new_and_what_was_there() -> None:
    loaded = Loaded(5_000, 1_000, 200, 1, {"a1": 4_000, "b1": 0}, 2.0)

    assert list(loaded.lines()) == [
        "a1 holds 5,000 orders of 1,000 customers, seed 1: 4,000 of them new, 2,000 a second",
        "b1 holds 5,000 orders of 1,000 customers, seed 1: unchanged",
    ]
    assert loaded.as_dict()["changed"]


def test_money_is_never_a_float() -> None:
    bought, items = generated.order(1, 1)

    assert all(isinstance(money, Decimal) for money in (bought.total, items[0].price))
