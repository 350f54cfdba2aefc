"""The sample data on a running instance."""

import contextlib

import pytest
from wavetank.errors import UsageError
from wavetank.sample import generated, shop
from wavetank.sample.shop import Loaded
from wavetank.servers.equality import differences
from wavetank.servers.node import Server, Servers, StatementError

pytestmark = pytest.mark.disturbs

ORDERS = 2_000
CATCH_UP_S = 30
# MySQL's error numbers for a statement that is refused.
DENIED, READ_ONLY = 1142, 1290


class Interrupted(Exception):  # noqa: N818
    pass


def _interrupt(_: str, done: int, orders: int) -> None:
    if 0 < done < orders:
        raise Interrupted


@pytest.fixture(scope="module")
def source(servers: Servers) -> Server:
    """Return the first source of the instance."""
    return servers[servers.topology.sources[0].name]


@pytest.fixture(scope="module")
def loaded(servers: Servers, source: Server) -> Loaded:
    """Load, interrupted once, then done again; an instance that holds more keeps what it holds."""
    found = shop.find_shop(source) or shop.Found()
    orders, seed = max(ORDERS, found.orders), 1 if found.seed is None else found.seed
    with contextlib.suppress(Interrupted):
        shop.load_shop(servers, orders, seed, _interrupt)
    return shop.load_shop(servers, orders, seed)


def _executed(server: Server) -> str:
    return str(server.value("SELECT @@GLOBAL.gtid_executed"))


def test_the_source_holds_the_orders_that_were_asked_for(source: Server, loaded: Loaded) -> None:
    rows = source.query("SELECT * FROM shop.orders WHERE order_id <= %s ORDER BY order_id", [ORDERS], account="app_ro")

    assert [tuple(row.values()) for row in rows] == [
        tuple(generated.order(loaded.seed, number)[0]) for number in range(1, ORDERS + 1)
    ]
    assert source.value("SELECT COUNT(*) FROM shop.customers", account="app_ro") >= loaded.customers


def _writes(server: Server) -> int:
    """Return how often the server has written to a table of the shop or made one since it started."""
    rows = server.value(
        "SELECT SUM(COUNT_WRITE) FROM performance_schema.table_io_waits_summary_by_table WHERE OBJECT_SCHEMA = 'shop'"
    )
    made = server.query("SHOW GLOBAL STATUS WHERE Variable_name IN ('Com_create_table', 'Com_create_view')")
    return int(rows) + sum(int(row["Value"]) for row in made)


def test_loading_again_changes_nothing(servers: Servers, source: Server, loaded: Loaded) -> None:
    before = _writes(source)

    again = shop.load_shop(servers, loaded.orders, loaded.seed)

    assert not again.changed
    assert _writes(source) == before > loaded.orders


def test_fewer_orders_or_another_seed_are_refused(servers: Servers, loaded: Loaded) -> None:
    with pytest.raises(UsageError, match=f"load {loaded.orders} or more"):
        shop.load_shop(servers, loaded.orders - 1, loaded.seed)
    with pytest.raises(UsageError, match=f"seed {loaded.seed}"):
        shop.load_shop(servers, loaded.orders, loaded.seed + 1)


@pytest.mark.usefixtures("loaded")
def test_every_server_holds_what_its_source_holds(servers: Servers) -> None:
    for source in servers.topology.sources:
        executed = _executed(servers[source.name])
        for node in servers.topology.tree(source):
            if node.name != source.name:
                replica = servers[node.name]
                wait = "SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, %s)"
                assert replica.value(wait, [executed, CATCH_UP_S], account="admin") == 0
                assert list(differences(servers[source.name], replica)) == []


@pytest.mark.usefixtures("loaded")
def test_the_monthly_sales_add_up_to_the_orders(source: Server) -> None:
    monthly = source.query("SELECT * FROM shop.monthly_sales", account="app_ro")
    sums = source.query("SELECT COUNT(*) AS orders, SUM(total) AS revenue FROM shop.orders", account="app_ro")[0]

    assert sum(row["orders"] for row in monthly) == sums["orders"]
    assert sum(row["revenue"] for row in monthly) == sums["revenue"]
    assert [row["month"] for row in monthly] == sorted(row["month"] for row in monthly)
    assert monthly[0]["average_order"] == round(monthly[0]["revenue"] / monthly[0]["orders"], 2)


@pytest.mark.usefixtures("loaded")
def test_no_row_points_into_the_void(source: Server) -> None:
    # The loader writes with the foreign keys' own checks off.
    assert not source.value(
        "SELECT COUNT(*) FROM shop.orders LEFT JOIN shop.customers USING (customer_id) WHERE email IS NULL",
        account="app_ro",
    )
    assert not source.value(
        "SELECT COUNT(*) FROM shop.order_items LEFT JOIN shop.orders USING (order_id) "
        "LEFT JOIN shop.products USING (product_id) WHERE total IS NULL OR sku IS NULL",
        account="app_ro",
    )


@pytest.mark.usefixtures("loaded")
def test_the_read_only_account_reads_and_does_not_write(source: Server) -> None:
    assert source.value("SELECT COUNT(*) FROM shop.order_items", account="app_ro") > ORDERS
    with pytest.raises(StatementError) as refusal:
        source.execute("UPDATE shop.orders SET status = 'paid' WHERE order_id = 1", account="app_ro")
    assert refusal.value.errno == DENIED


@pytest.mark.usefixtures("loaded")
def test_an_application_cannot_write_to_a_replica(servers: Servers) -> None:
    for node in (node for node in servers.topology.nodes if not node.is_source):
        with pytest.raises(StatementError) as refusal:
            servers[node.name].execute("DELETE FROM shop.orders WHERE order_id = 1", account="app_rw")
        assert refusal.value.errno == READ_ONLY
