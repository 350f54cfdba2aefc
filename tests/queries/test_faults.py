"""What a query over shards does while servers are gone or late, rows move, and results are large."""

import dataclasses
import socket
from collections.abc import Iterator

import psutil
import pytest
from commands import wavetank
from small_shops import a_shop
from wavetank.errors import UsageError
from wavetank.servers.node import Server, Servers
from wavetank.sharding.maps.factory import make_map
from wavetank.sharding.query.connections import Part, ShardDownError
from wavetank.sharding.query.map_snapshot import MapSnapshot, ReadSnapshot
from wavetank.sharding.query.scatter_gather import ATTEMPTS, Gatherer
from whole import SCHEMA, Comparison, schema_of

pytestmark = pytest.mark.group("queries")
COUNT = "SELECT COUNT(*), SUM(total) FROM orders"
MANY_ROWS = 120_000
# Of as many rows that are held, each of three values, Python needs some 30 MiB.
MOST_GROWTH_MIB = 12


@pytest.fixture(scope="module")
def market(comparison: Comparison) -> Comparison:
    comparison.hold(a_shop())
    return comparison


def asking(
    comparison: Comparison, parts: list[Part] | None = None, read_snapshot: ReadSnapshot | None = None, **options: float
) -> Gatherer:
    return Gatherer(parts or comparison.parts, read_snapshot or (lambda: MapSnapshot(0, comparison.map)), **options)  # type: ignore[arg-type]


def dead(servers: Servers, name: str) -> Server:
    """Return what nobody answers for."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return Server(name, port, servers.instance)


def all_rows(gatherer: Gatherer, sql: str) -> list[tuple[object, ...]]:
    with gatherer, gatherer.ask(sql) as answer:
        return list(answer.rows)


def test_replicas_are_asked(market: Comparison) -> None:
    with asking(market) as gatherer, gatherer.ask(COUNT) as answer:
        assert set(answer.servers.values()) == {shard.replicas[0].name for shard in market.shards}


@pytest.mark.parametrize("options", [{"sources": True}, {"lag_bound_s": -1.0}], ids=["asked for", "replicas too late"])
def test_sources_are_asked(market: Comparison, options: dict[str, float]) -> None:
    with asking(market, **options) as gatherer, gatherer.ask(COUNT) as answer:
        assert set(answer.servers.values()) == {shard.source.name for shard in market.shards}
        assert list(answer.rows) == market.whole(COUNT)[1]


def test_a_replica_that_is_down_is_passed_over(market: Comparison, servers: Servers) -> None:
    parts = [dataclasses.replace(part, replicas=(dead(servers, "late"),)) for part in market.parts]

    assert all_rows(asking(market, parts), COUNT) == market.whole(COUNT)[1]


def test_a_shard_that_is_down_is_named(market: Comparison, servers: Servers) -> None:
    third = dataclasses.replace(market.parts[2], source=dead(servers, "s3"), replicas=(dead(servers, "s3r"),))
    parts = [*market.parts[:2], third, *market.parts[3:]]

    with pytest.raises(ShardDownError, match=r"^shard 3 is down: s3r and s3 do not answer[^\n]*$"):
        all_rows(asking(market, parts), COUNT)


def test_a_server_that_goes_away_while_rows_come_is_named(market: Comparison, servers: Servers) -> None:
    # More than fits into what lies between a server and its client.
    rows = f"SELECT REPEAT('x', 5000) FROM orders o, products p{''.join(f', products p{at}' for at in range(6))}"
    asked, schema = servers[market.shards[0].source.name], schema_of(market.shards[0].number)
    theirs = "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'app_ro' AND DB = %s"
    with asking(market, sources=True) as gatherer, gatherer.ask(rows) as answer:
        next(answer.rows)
        for row in asked.query(theirs, [schema], account="admin"):
            asked.execute(f"KILL {row['ID']}")
        with pytest.raises(ShardDownError, match="shard 1 went away"):
            list(answer.rows)


def test_a_refused_statement_leaves_connections_that_work(market: Comparison) -> None:
    with asking(market) as gatherer:
        with (
            pytest.raises(UsageError, match=r"shard 1 .* refuses it: Unknown column 'nothing'"),
            gatherer.ask("SELECT nothing FROM orders"),
        ):
            pass
        with gatherer.ask("SELECT order_id FROM orders ORDER BY order_id") as answer:
            next(answer.rows)
        with gatherer.ask(COUNT) as answer:
            assert list(answer.rows) == market.whole(COUNT)[1]


@pytest.fixture
def copied(market: Comparison) -> Iterator[Comparison]:
    """Shard 1 also holds the customers of shard 2, with all that is theirs, as while they move."""
    source = market.servers[market.shards[0].source.name]
    rows = [customer for customer in range(1, 61) if market.map.shard_of(customer) == 2]
    listed = ", ".join(map(str, rows))
    to = schema_of(1)
    belong = f"order_id IN (SELECT order_id FROM {{0}}.orders WHERE customer_id IN ({listed}))"
    source.execute(
        f"INSERT INTO {to}.customers SELECT * FROM {SCHEMA}.customers WHERE customer_id IN ({listed})",
        f"INSERT INTO {to}.order_items SELECT * FROM {SCHEMA}.order_items WHERE {belong.format(SCHEMA)}",
        f"INSERT INTO {to}.orders SELECT * FROM {SCHEMA}.orders WHERE customer_id IN ({listed})",
    )
    yield market
    source.execute(
        f"DELETE FROM {to}.order_items WHERE {belong.format(to)}",
        f"DELETE FROM {to}.orders WHERE customer_id IN ({listed})",
        f"DELETE FROM {to}.customers WHERE customer_id IN ({listed})",
    )


@pytest.mark.parametrize(
    "sql",
    [
        COUNT,
        "SELECT COUNT(*), SUM(quantity) FROM order_items",
        "SELECT customer_id, name FROM customers ORDER BY customer_id",
        "SELECT c.name, COUNT(o.order_id) FROM customers c LEFT JOIN orders o USING (customer_id) GROUP BY c.name",
        "SELECT * FROM monthly_sales",
    ],
)
def test_rows_that_move_are_counted_once(copied: Comparison, sql: str) -> None:
    moving = asking(copied, read_snapshot=lambda: MapSnapshot(1, copied.map, moving=True))

    once = sorted(map(str, copied.whole(sql)[1]))
    assert sorted(map(str, all_rows(moving, sql))) == once
    # Without knowing of it they are counted twice: this test sees what it is about.
    assert sorted(map(str, all_rows(asking(copied, sources=True), sql))) != once


def test_a_map_that_changes_while_a_query_begins_is_read_anew(market: Comparison) -> None:
    versions = iter([1, 2, 2, 2])

    assert (
        all_rows(asking(market, read_snapshot=lambda: MapSnapshot(next(versions), market.map)), COUNT)
        == market.whole(COUNT)[1]
    )


def test_a_map_that_never_rests_is_given_up_on(market: Comparison) -> None:
    versions = iter(range(100))

    with pytest.raises(UsageError, match=f"changed {ATTEMPTS} times"):
        all_rows(asking(market, read_snapshot=lambda: MapSnapshot(next(versions), market.map)), COUNT)


def test_a_map_of_other_shards_is_refused(market: Comparison) -> None:
    elsewhere = make_map("ring", (1, 2, 3, 99))

    with pytest.raises(UsageError, match="has shard 99, which this instance has not"):
        all_rows(asking(market, read_snapshot=lambda: MapSnapshot(0, elsewhere)), COUNT)


@pytest.mark.parametrize("order", ["", " ORDER BY o.order_id, p.name"], ids=["as they come", "ordered"])
def test_memory_does_not_grow_with_the_rows(market: Comparison, order: str) -> None:
    sql = (
        "SELECT o.order_id, p.name, q.price FROM orders o, products p, products q, products r, products s"
        f"{order} LIMIT {MANY_ROWS}"
    )
    process, seen = psutil.Process(), 0
    with asking(market) as gatherer:
        all_of_some = f"SELECT order_id FROM orders{order and ' ORDER BY order_id'}"
        with gatherer.ask(all_of_some) as answer:
            list(answer.rows)
        before = most = process.memory_info().rss
        with gatherer.ask(sql) as answer:
            for seen, _ in enumerate(answer.rows, 1):
                if seen % 10_000 == 0:
                    most = max(most, process.memory_info().rss)

    assert seen == MANY_ROWS
    assert (most - before) / 2**20 < MOST_GROWTH_MIB


def test_the_command_merges(servers: Servers) -> None:
    instance = servers.topology.instance
    done = wavetank("shard", "query", "SELECT COUNT(*) AS n FROM orders", INSTANCE=instance)
    figures = wavetank("shard", "analytics", "--from", "2024-01-01", "--to", "2025-12-31", INSTANCE=instance)
    counts = [
        servers[shard.source.name].value(f"SELECT COUNT(*) FROM {shard.schema}.orders", account="admin")
        for shard in servers.topology.shards
    ]

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["n", str(sum(counts))]
    assert figures.returncode == 0, figures.stderr
    assert [line.split()[:2] for line in figures.stdout.splitlines()[1:]] == [
        *([str(shard.number), f"{count:,}"] for shard, count in zip(servers.topology.shards, counts, strict=True)),
        ["all", f"{sum(counts):,}"],
    ]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["query", "SELECT STDDEV(total) FROM orders"], "STDDEV"),
        (["query", "DELETE FROM orders"], "only SELECT"),
        (["analytics", "--from", "2024-13-01", "--to", "2024-12-31"], "a day is written as"),
        (["analytics", "--from", "2025-01-01", "--to", "2024-12-31"], "is after"),
    ],
)
def test_the_command_refuses_in_one_line(servers: Servers, arguments: list[str], reason: str) -> None:
    done = wavetank("shard", *arguments, INSTANCE=servers.topology.instance)

    assert done.returncode == 2
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 1
