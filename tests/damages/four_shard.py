"""Three shards without replicas, by the ring: fewer would not let one hold more than twice its share."""

import itertools
import signal
import subprocess
import sys
from collections.abc import Mapping
from decimal import Decimal

from commands import HOME, wavetank
from wavetank.checks.asking import ask_all
from wavetank.machine import containers
from wavetank.sample import generated, writing
from wavetank.servers.node import Servers
from wavetank.sharding.catalogue import Catalogue
from wavetank.sharding.gates import highest_gate
from wavetank.sharding.maps.factory import make_map
from wavetank.sharding.rehoming import rehome
from wavetank.sharding.reshard.run import abort

from damages import Case, Damage, sql

OPTIONS = {"TOPOLOGY": "four-shard", "SHARDS": 3, "REPLICAS": 0}

RING = make_map("ring", (1, 2, 3))
LOADED = range(1, 1001)
# A customer of the first shard whom the loader has not made, and one of each shard whom it has.
MISPLACED_CUSTOMER = next(number for number in itertools.count(20_000_000) if RING.shard_of(number) == 1)
FIRST, SECOND = (next(number for number in LOADED if RING.shard_of(number) == shard) for shard in (1, 2))
# An order of the second shard.
ORDER = next(number for number in range(1, 5001) if RING.shard_of(generated.order(1, number)[0].customer_id) == 2)
MANY = 1_600
# Two products whose prices have as many digits, and the same one for the dimes, which is no 9: a CRC32 of their rows
# changes by the same bits where the dimes change alike, or where the prices change places.
DIME = Decimal("0.10")
PRICES = {number: generated.product(1, number).price for number in (2, 9)}


def customer(number: int) -> str:
    """Return what puts a customer on the second shard."""
    return (
        "INSERT INTO shop_2.customers (customer_id, name, email, country, region) "
        f"VALUES ({number}, 'Eve', 'eve{number}@example.com', 'FR', 'europe')"
    )


def order(number: int, of: int) -> str:
    """Return what puts an order on the second shard."""
    return f"INSERT INTO shop_2.orders VALUES ({number}, {of}, '2025-05-05', 'paid', 1.00)"


def rehomed(number: int) -> Damage:
    """Do what the finding says."""

    def do(servers: Servers) -> None:
        assert rehome(servers, str(number)).sources == (2,)
        assert rehome(servers, str(number)).sources == ()

    return do


def priced(shard: int, prices: Mapping[int, Decimal]) -> Damage:
    """Set the prices of products on one shard."""
    return sql(
        f"s{shard}",
        *(f"UPDATE shop_{shard}.products SET price = {price} WHERE product_id = {number}"
          for number, price in prices.items()),
    )  # fmt: skip


def restored(number: int) -> Damage:
    """Put an order of the loader back with its items."""
    row, items = generated.order(1, number)
    return sql("s2", *writing.inserts("orders", [row], "shop_2"), *writing.inserts("order_items", items, "shop_2"))


def crowd(servers: Servers) -> None:
    """Let many customers sign up, all of the second shard."""
    theirs = itertools.islice((each for each in itertools.count(30_000_000) if RING.shard_of(each) == 2), MANY)
    rows = [generated.customer(1, number) for number in theirs]
    servers["s2"].execute(*writing.inserts("customers", rows, "shop_2"))


def killed_while_closed(servers: Servers) -> None:
    """Let a resharding be killed while customers who move cannot write."""
    command = [sys.executable, str(HOME / "tests" / "sharding" / "killed.py"), servers.topology.instance, "2", "closed"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr


def taken_back(servers: Servers) -> None:
    """Let topology-up open what is closed, which is not the end of the resharding, and take that back."""
    assert highest_gate(servers) > Catalogue(servers).read().version
    assert wavetank("up", INSTANCE=servers.topology.instance).returncode == 1
    assert highest_gate(servers) == Catalogue(servers).read().version
    (stalled,) = ask_all(servers).red
    assert stalled.check == "shard_resharding"
    abort(servers)


def orders_of(number: int) -> list[tuple[generated.Order, list[generated.Item]]]:
    """Return the loaded orders of a customer, with their items."""
    orders = (generated.order(1, each) for each in range(1, 5001))
    return [each for each in orders if each[0].customer_id == number]


CASES = {
    "a map of a kind that nobody knows": Case(
        "shard_map", "s1",
        sql("s1", """INSERT INTO sharding.maps (version, document) VALUES (9999, '{"format": 1}')"""),
        undo=sql("s1", "DELETE FROM sharding.maps WHERE version = 9999"),
    ),
    "a gate that is gone": Case("shard_gates", "s2", sql("s2", "DELETE FROM sharding.gates WHERE gate = 'move'")),
    "a gate that nobody can pass": Case(
        "shard_gates", "s1", sql("s1", "UPDATE sharding.gates SET least = 99 WHERE gate = 'stay'")
    ),
    "a gate that everybody can pass": Case("shard_gates", "s3", sql("s3", "UPDATE sharding.gates SET least = 0")),
    "a customer on the wrong shard": Case(
        "shard_placement", "s2", sql("s2", customer(MISPLACED_CUSTOMER), order(99_000_000, MISPLACED_CUSTOMER)),
        undo=rehomed(MISPLACED_CUSTOMER),
    ),
    "a customer on two shards": Case(
        # Its orders are on two shards as well, which is not said twice.
        "shard_placement", "s2",
        lambda servers: servers["s2"].execute(
            *writing.inserts("customers", [generated.customer(1, FIRST)], "shop_2"),
            *writing.inserts("orders", [each for each, _ in orders_of(FIRST)], "shop_2"),
            *writing.inserts("order_items", [item for _, items in orders_of(FIRST) for item in items], "shop_2"),
        ),
        undo=rehomed(FIRST),
    ),
    "an order away from its customer": Case(
        "shard_relations", "s2", sql("s2", order(99_000_001, FIRST)), undo=rehomed(FIRST),
    ),
    "items without their order": Case(
        "shard_relations", "s2", sql("s2", "INSERT INTO shop_2.order_items VALUES (99000063, 1, 1, 1, 1.00)"),
        undo=sql("s2", "DELETE FROM shop_2.order_items WHERE order_id = 99000063"),
    ),
    "an order on two shards": Case(
        "shard_overlap", "s1",
        lambda servers: servers["s2"].execute(order(orders_of(FIRST)[0][0].order_id, SECOND)),
        undo=lambda servers: servers["s2"].execute(
            f"DELETE FROM shop_2.orders WHERE order_id = {orders_of(FIRST)[0][0].order_id}"
        ),
    ),
    "an order on no shard": Case(
        "shard_rows", "s1",
        sql("s2", *(f"DELETE FROM shop_2.{table} WHERE order_id = {ORDER}" for table in ("order_items", "orders"))),
        undo=restored(ORDER),
    ),
    "a table without one of its keys": Case(
        "shard_schema", "s2", sql("s2", "ALTER TABLE shop_2.orders DROP KEY ordered_at"),
        undo=sql("s2", "ALTER TABLE shop_2.orders ADD KEY ordered_at (ordered_at)"),
    ),
    "a table that is gone": Case("shard_schema", "s3", sql("s3", "DROP TABLE shop_3.customer_analytics")),
    "a routine that is gone": Case("shard_schema", "s1", sql("s1", "DROP PROCEDURE sharding.AssignCustomerToShard")),
    "a table that only one has": Case(
        "shard_schema", "s2", sql("s2", "CREATE TABLE shop_2.extra (id INT PRIMARY KEY)"),
        undo=sql("s2", "DROP TABLE shop_2.extra"),
    ),
    "another price on one shard": Case(
        "shard_reference", "s2", sql("s2", "UPDATE shop_2.products SET price = 0.01 WHERE product_id = 1"),
        undo=sql("s2", f"UPDATE shop_2.products SET price = {generated.product(1, 1).price} WHERE product_id = 1"),
    ),
    "the same change in two prices": Case(
        "shard_reference", "s2", priced(2, {number: price + DIME for number, price in PRICES.items()}),
        undo=priced(2, PRICES),
    ),
    "two prices exchanged": Case(
        "shard_reference", "s3", priced(3, dict(zip(PRICES, reversed(PRICES.values()), strict=True))),
        undo=priced(3, PRICES),
    ),
    "a shard with most customers": Case(
        "shard_skew", "s2", crowd, undo=sql("s2", "DELETE FROM shop_2.customers WHERE customer_id >= 30000000"),
    ),
    "a resharding that was killed": Case("shard_resharding", "s1", killed_while_closed, undo=taken_back),
    "a shard that is gone": Case(
        # Nothing that compares shards can be asked.
        "reachable", "s3", lambda s: containers.kill(s.topology.container(s.topology.node("s3"))),
    ),
}  # fmt: skip

AT_ONCE = (
    (
        "a gate that is gone", "a gate that nobody can pass", "a gate that everybody can pass", "a table that is gone",
        "a routine that is gone", "a shard that is gone",
    ),
)  # fmt: skip
