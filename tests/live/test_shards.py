"""Shards: rows are where the map puts them, and the servers compute the same map."""

import contextlib
import json
import random
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from commands import wavetank
from wavetank.errors import UsageError
from wavetank.sample import generated
from wavetank.sample.sharded_shop import LoadedShards, load_shards, states_of
from wavetank.servers.node import Servers, StatementError, query_on
from wavetank.sharding import gates
from wavetank.sharding.catalogue import Catalogue
from wavetank.sharding.errors import FutureMapError, OutdatedMapError
from wavetank.sharding.maps.factory import make_map
from wavetank.sharding.maps.keys import COUNTRY, CUSTOMER
from wavetank.sharding.side_by_side import on_each

ORDERS = 25_000
KEYS = 4_000
DENIED, READ_ONLY = 1142, 1290


# --- Python and SQL


def keys_of(column: str) -> list[Any]:
    draw = random.Random(7)  # noqa: S311 - data, not secrets
    if column == CUSTOMER:
        return [*range(KEYS // 2), *(draw.randrange(2**64) for _ in range(KEYS // 2)), 2**63, 2**64 - 1]
    if column == COUNTRY:
        return [chr(65 + number // 26) + chr(65 + number % 26) for number in range(26 * 26)]
    bounds = getattr(make_map("date", (1, 2, 3, 5, 8)), "bounds", ())
    near = [bound + timedelta(seconds=by) for bound in bounds for by in (-1, 0, 1)]
    return [*near, *(datetime(2022, 1, 1) + timedelta(seconds=draw.randrange(10**8)) for _ in range(KEYS))]  # noqa: DTZ001


@pytest.mark.parametrize("kind", ["ring", "hash", "region", "date"])
def test_a_server_and_python_agree_on_every_key(kind: str, sharded: Servers) -> None:
    shard_map = make_map(kind, (1, 2, 3, 5, 8))
    keys = keys_of(shard_map.column)
    columns = {CUSTOMER: "BIGINT UNSIGNED", COUNTRY: "CHAR(2)"}
    with sharded["s1"].connection("admin") as connection:

        def run(statement: str, *parameters: Any) -> list[dict[str, Any]]:  # noqa: ANN401
            return query_on(connection, statement, parameters, node="s1")

        run("DROP TEMPORARY TABLE IF EXISTS wavetank.some_keys")
        run(f"CREATE TEMPORARY TABLE wavetank.some_keys (k {columns.get(shard_map.column, 'DATETIME')})")
        for at in range(0, len(keys), 500):
            some = keys[at : at + 500]
            run(f"INSERT INTO wavetank.some_keys VALUES {','.join(['(%s)'] * len(some))}", *some)
        rows = run(f"SELECT k, {shard_map.sql_shard('k')} AS shard FROM wavetank.some_keys")
        run("DROP TEMPORARY TABLE wavetank.some_keys")

    assert len(rows) == len(keys)
    assert [row for row in rows if row["shard"] != shard_map.shard_of(row["k"])] == []
    assert len({row["shard"] for row in rows}) == len(shard_map.shards)


# --- the catalogue


def test_several_readers_read_the_same_map(sharded: Servers) -> None:
    found = [Catalogue(sharded, account).read() for account in ("admin", "app_rw", "app_ro", "monitor")]

    assert len({each.version for each in found}) == 1
    assert all(each.map == found[0].map for each in found)
    assert found[0].map.shards == tuple(shard.number for shard in sharded.topology.shards)


def test_a_version_from_the_future_is_refused_in_one_line(sharded: Servers) -> None:
    catalogue = Catalogue(sharded)
    newest = catalogue.read().version

    catalogue.refuse_future(newest)
    with pytest.raises(FutureMapError, match=f"map version {newest + 1} is from the future: .* has {newest}"):
        catalogue.refuse_future(newest + 1)
    with pytest.raises(UsageError, match=r"waited 0\.2 s for shard map"):
        catalogue.wait_for(newest + 1, timeout_s=0.2)


def test_only_one_of_two_publishers_is_next(sharded: Servers) -> None:
    catalogue = Catalogue(sharded)
    newest = catalogue.read()

    with pytest.raises(OutdatedMapError, match=f"map version {newest.version} has been published since"):
        catalogue.publish(newest.map, after=newest.version - 1)
    assert catalogue.read() == newest


# --- rows


class Interrupted(Exception):  # noqa: N818
    pass


def _interrupt(_: str, done: int, orders: int) -> None:
    if 0 < done < orders:
        raise Interrupted


@pytest.fixture(scope="module")
def loaded(sharded: Servers) -> LoadedShards:
    """Load, interrupted once, then done again."""
    with contextlib.suppress(Interrupted):
        load_shards(sharded, ORDERS, 1, _interrupt)
    return load_shards(sharded, ORDERS)


disturbs = pytest.mark.disturbs


@disturbs
def test_every_row_is_on_the_shard_of_its_customer(sharded: Servers, loaded: LoadedShards) -> None:
    shard_map = Catalogue(sharded).read().map
    found = on_each(
        sharded,
        sharded.topology.shards,
        lambda shard, server: (
            server.query(
                f"SELECT * FROM {shard.schema}.orders WHERE order_id <= {ORDERS} ORDER BY 1", account="app_ro"
            ),
            server.query(f"SELECT customer_id FROM {shard.schema}.customers", account="app_ro"),
        ),
    )
    rows = {row["order_id"]: (number, tuple(row.values())) for number, (orders, _) in found.items() for row in orders}

    assert loaded.orders == ORDERS
    assert len(rows) == sum(len(orders) for orders, _ in found.values()) == ORDERS
    for number in range(1, ORDERS + 1, 7):
        order, _ = generated.order(1, number)
        assert rows[number] == (shard_map.shard_of(order.customer_id), tuple(order))
    for number, (_, customers) in found.items():
        assert {shard_map.shard_of(row["customer_id"]) for row in customers} == {number}


def _writes(servers: Servers) -> dict[int, int]:
    """Return how often each shard has written to a table of the shop since its source started."""
    return on_each(
        servers,
        servers.topology.shards,
        lambda shard, server: int(server.value(
            "SELECT SUM(COUNT_WRITE) FROM performance_schema.table_io_waits_summary_by_table WHERE OBJECT_SCHEMA = %s",
            [shard.schema],
        )),
    )  # fmt: skip


@disturbs
def test_loading_again_changes_nothing_and_other_loads_are_refused(sharded: Servers, loaded: LoadedShards) -> None:
    before = _writes(sharded)

    assert not load_shards(sharded, ORDERS).changed
    with pytest.raises(UsageError, match=f"loaded to {ORDERS} orders and nothing is deleted"):
        load_shards(sharded, ORDERS - 1)
    with pytest.raises(UsageError, match="seed 1: load with that one"):
        load_shards(sharded, ORDERS, 2)
    assert loaded.orders == ORDERS
    assert _writes(sharded) == before
    assert {state.orders for state in states_of(sharded, sharded.topology.shards).values()} == {ORDERS}


@disturbs
def test_a_load_under_an_old_map_stops_before_it_writes(sharded: Servers, loaded: LoadedShards) -> None:
    shard = sharded.topology.shards[1]
    server = sharded[shard.source.name]
    least = gates.read_gates(server)["stay"]
    gates.set_gate(server, "stay", loaded.version + 1)
    count = f"SELECT COUNT(*) FROM {shard.schema}.orders"
    before = server.value(count, account="app_ro")
    try:
        with pytest.raises(OutdatedMapError, match="load again, which goes on"):
            load_shards(sharded, ORDERS + 100)
        assert server.value(count, account="app_ro") == before
    finally:
        gates.set_gate(server, "stay", least)
    # The other shard may have been faster: the same load goes on where each is.
    assert load_shards(sharded, ORDERS + 100).changed
    assert sum(_counts(sharded)) == ORDERS + 100


def _counts(servers: Servers) -> Iterator[int]:
    yield from on_each(
        servers,
        servers.topology.shards,
        lambda shard, server: int(server.value(f"SELECT COUNT(*) FROM {shard.schema}.orders", account="app_ro")),
    ).values()


@disturbs
@pytest.mark.usefixtures("loaded")
def test_the_analytics_of_a_shard_are_those_of_its_orders(sharded: Servers) -> None:
    as_of = datetime(2026, 1, 1)  # noqa: DTZ001
    for shard in sharded.topology.shards:
        server = sharded[shard.source.name]
        server.query(f"CALL {shard.schema}.RefreshCustomerAnalytics(%s)", [as_of], account="app_rw")
        analytics = server.query(f"SELECT * FROM {shard.schema}.customer_analytics", account="app_ro")
        customer = analytics[0]
        orders = server.query(
            f"SELECT ordered_at, total FROM {shard.schema}.orders WHERE customer_id = %s",
            [customer["customer_id"]], account="app_ro",
        )  # fmt: skip

        assert customer["frequency"] == len(orders)
        assert customer["monetary"] == sum(order["total"] for order in orders)
        assert customer["recency_days"] == (as_of - max(order["ordered_at"] for order in orders)).days
        sales = server.query(f"SELECT SUM(orders) AS n, SUM(revenue) AS sum FROM {shard.schema}.monthly_sales",
                             account="app_ro")[0]  # fmt: skip
        assert sum(row["frequency"] for row in analytics) == sales["n"]
        assert sum(row["monetary"] for row in analytics) == sales["sum"]


@disturbs
@pytest.mark.usefixtures("loaded")
def test_a_question_about_a_month_reads_its_partition_alone(sharded: Servers) -> None:
    plan = sharded["s1"].query(
        "EXPLAIN FORMAT=TRADITIONAL SELECT SUM(total) FROM shop_1.orders "
        "WHERE ordered_at >= '2025-03-01' AND ordered_at < '2025-04-01'",
        account="admin",
    )

    assert plan[0]["partitions"] == "p202503"


@disturbs
@pytest.mark.usefixtures("loaded")
def test_the_accounts_of_applications_come_no_further_than_they_need(sharded: Servers) -> None:
    with pytest.raises(StatementError) as refusal:
        sharded["s1"].query("UPDATE shop_1.orders SET total = 0", account="app_ro")
    assert refusal.value.errno == DENIED
    with pytest.raises(StatementError) as refusal:
        sharded["s1"].query("UPDATE sharding.gates SET least = 0", account="app_rw")
    assert refusal.value.errno == DENIED
    for node in sharded.topology.replicas:
        with pytest.raises(StatementError) as refusal:
            sharded[node.name].query(f"DELETE FROM shop_{node.shard}.orders", account="app_rw")
        assert refusal.value.errno == READ_ONLY


# --- the command line


def _shard(servers: Servers, *arguments: str) -> subprocess.CompletedProcess[str]:
    return wavetank("shard", *arguments, INSTANCE=servers.topology.instance)


def test_a_customer_is_located(sharded: Servers) -> None:
    shard = Catalogue(sharded).read().map.shard_of(123)
    said, plain = _shard(sharded, "locate", "123"), _shard(sharded, "locate", "123", "--json")

    assert said.returncode == plain.returncode == 0, said.stderr
    assert said.stdout.startswith(f"customer 123: shard {shard} on s{shard} (127.0.0.1:")
    assert json.loads(plain.stdout)["found_on"] == [shard]


@pytest.mark.parametrize(
    ("customer", "code", "line"),
    [
        ("nobody", 2, "wavetank: 'nobody' is no key of this map: customer_id is a whole number from 0 to"),
        ("99999999", 1, ""),
    ],
)
def test_a_customer_who_is_none_is_said_to_be(customer: str, code: int, line: str, sharded: Servers) -> None:
    said = _shard(sharded, "locate", customer)

    assert said.returncode == code
    assert said.stderr.startswith(line)
    assert len(said.stderr.splitlines()) == (code == 2)


def test_the_map_is_described(sharded: Servers) -> None:
    report = json.loads(_shard(sharded, "map", "--json").stdout)

    assert report["version"] == Catalogue(sharded).read().version
    assert [each["state"] for each in report["shards"]] == ["in the map"] * len(sharded.topology.shards)
    assert report["skew"] < 1.2
    assert "of the ring in" in _shard(sharded, "map").stdout


def test_the_picture_shows_the_map(sharded: Servers) -> None:
    picture = json.loads(wavetank("status", "--json", INSTANCE=sharded.topology.instance).stdout)

    assert picture["as_declared"]
    assert picture["shard_map"]["kind"] == "ring"
    assert [node["shard"] for node in picture["nodes"]] == [node.shard for node in sharded.topology.nodes]
