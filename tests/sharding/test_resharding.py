"""Rows move between shards while customers order; whoever is killed meanwhile, nothing is lost."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from commands import own, wavetank
from sharding.moving import assert_in_order, contents, killed_at, reshard, servers_of
from wavetank.client.shards import connect
from wavetank.drills.storms.reshard import held_by
from wavetank.drills.traffic.shop import ShopTraffic
from wavetank.drills.traffic.shop_verdict import judge
from wavetank.machine import containers
from wavetank.sharding.catalogue import Catalogue

# Of all phases, and at those moments between which something could come undone.
MOMENTS = ("pending", "copy rows", "follow", "compare", "closed", "published", "remove rows")


@pytest.fixture(scope="module")
def instance(bring_up: Callable[..., str]) -> str:
    """Three shards, of which one is taken away and put back again and again; a replica has what a client was told."""
    return bring_up(own("reshard"), TOPOLOGY="four-shard", SHARDS=3, REPLICAS=1, SEMI_SYNC=1)


def shards_in_map(instance: str) -> int:
    with servers_of(instance) as servers:
        return len(Catalogue(servers).read().map.shards)


def other(instance: str) -> int:
    """Return to how many shards to go from here."""
    return 5 - shards_in_map(instance)


@contextmanager
def customers(instance: str, per_s: int = 60, *, across: bool = True) -> Iterator[None]:
    """Let customers order meanwhile, and judge what has become of it."""
    with connect(instance) as shards:
        traffic = ShopTraffic(shards, seed=7, customers=40, per_s=per_s, across=across)
        traffic.open()
        try:
            traffic.start()
            yield
        finally:
            traffic.stop()
            with servers_of(instance) as servers:
                held, counters = held_by(servers, [buyer.customer for buyer in traffic.buyers])
            traffic.close()
    verdict = judge(traffic.writes, traffic.reads, held, counters)
    assert verdict.failures() == []
    assert verdict.acknowledged
    assert verdict.reads


def test_a_shard_goes_and_comes_under_load(instance: str) -> None:
    assert shards_in_map(instance) == 3
    before = contents(instance)
    with customers(instance, per_s=100):
        gone = reshard(instance, 2)
        back = reshard(instance, 3)
    for report in (gone, back):
        assert min(report["rows"][phase] for phase in ("copy", "compare", "remove")) > 0
    assert_in_order(instance, 3)
    assert contents(instance) == before
    again = reshard(instance, 3)
    assert not again["changed"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_one_that_was_killed_goes_on(instance: str, moment: str) -> None:
    before, to = contents(instance), other(instance)
    with customers(instance):
        killed_at(instance, to, moment)
        reshard(instance, to)
    assert_in_order(instance, to)
    assert contents(instance) == before


def test_what_was_begun_is_aborted_without_a_trace(instance: str) -> None:
    if shards_in_map(instance) == 3:
        reshard(instance, 2)
    before = contents(instance)
    with customers(instance):
        killed_at(instance, 3, "compare")
        elsewhere = wavetank("reshard", INSTANCE=instance, TO=1)
        aborted = wavetank("reshard-abort", INSTANCE=instance)
    assert elsewhere.returncode == 2
    assert "is under way (compare): make reshard TO=3 goes on with it" in elsewhere.stderr
    assert elsewhere.stderr.count("\n") == 1
    assert aborted.returncode == 0, aborted.stderr
    assert_in_order(instance, 2)
    assert contents(instance) == before
    with servers_of(instance) as servers:
        spare = servers.topology.shard(3)
        for table in ("customers", "orders", "order_items", "products"):
            assert servers[spare.source.name].value(f"SELECT COUNT(*) FROM shop_3.{table}", account="admin") == 0
    assert "no resharding is under way" in wavetank("reshard-abort", INSTANCE=instance).stderr


def test_what_has_been_cut_over_is_not_aborted(instance: str) -> None:
    to = other(instance)
    killed_at(instance, to, "published")
    refused = wavetank("reshard-abort", INSTANCE=instance)
    assert refused.returncode == 2
    assert "has been cut over" in refused.stderr
    reshard(instance, to)
    assert_in_order(instance, to)


def test_a_copy_that_differs_is_a_finding(instance: str) -> None:
    to = other(instance)
    before = contents(instance)
    killed_at(instance, to, "compare")
    with servers_of(instance) as servers:
        new = Catalogue(servers).read().pending
        assert new
        old = Catalogue(servers).read().map
        # A row that somebody changes on the side to which it moves.
        shard = servers.topology.shard(min(set(new.shards) - set(old.shards), default=1))
        place = old.sql_shard("customer_id")
        server = servers[shard.source.name]
        server.execute(
            f"UPDATE {shard.schema}.orders SET total = total + 1 WHERE {place} <> {shard.number} "
            "ORDER BY order_id LIMIT 1"
        )
    found = wavetank("reshard", INSTANCE=instance, TO=to)
    assert found.returncode == 1
    assert "differ in the rows of 1 customers" in found.stderr
    assert wavetank("reshard-abort", INSTANCE=instance).returncode == 0
    assert_in_order(instance, 5 - to)
    assert contents(instance) == before


def test_a_row_is_never_written_over_that_of_another_customer(instance: str) -> None:
    if shards_in_map(instance) == 2:
        reshard(instance, 3)
    with servers_of(instance) as servers:
        here, there = (servers[servers.topology.shard(number).source.name] for number in (1, 3))
        new = Catalogue(servers).read().map.remove(3)
        ids = [row["customer_id"] for row in there.query("SELECT customer_id FROM shop_3.customers", account="admin")]
        moving = next(id_ for id_ in ids if new.shard_of(id_) == 1)
        email = there.value(f"SELECT email FROM shop_3.customers WHERE customer_id = {moving}", account="admin")
        native = here.value("SELECT MIN(customer_id) FROM shop_1.customers", account="admin")
        own_email = here.value(f"SELECT email FROM shop_1.customers WHERE customer_id = {native}", account="admin")
        here.execute(f"UPDATE shop_1.customers SET email = '{email}' WHERE customer_id = {native}")
        before = contents(instance)
        refused = wavetank("reshard", INSTANCE=instance, TO=2)
        aborted = wavetank("reshard-abort", INSTANCE=instance)
        assert contents(instance) == before
        here.execute(f"UPDATE shop_1.customers SET email = '{own_email}' WHERE customer_id = {native}")
    assert refused.returncode == 2
    assert "a row of shard 3 cannot come to s1, where another one has its key" in refused.stderr
    assert aborted.returncode == 0, aborted.stderr
    assert_in_order(instance, 3)


def test_a_source_that_dies_is_replaced_and_the_same_command_finishes(instance: str) -> None:
    to = other(instance)
    before = contents(instance)
    # A transaction across shards that is in doubt is decided by another command.
    with customers(instance, across=False):
        killed_at(instance, to, "copy rows")
        with servers_of(instance) as servers:
            topology = servers.topology
            source_shard = topology.shard(3 if to == 2 else 2)
            containers.kill(topology.container(source_shard.source))
        refused = wavetank("reshard", INSTANCE=instance, TO=to)
        assert refused.returncode == 2
        assert "does not answer" in refused.stderr
        replaced = wavetank("failover", INSTANCE=instance)
        assert replaced.returncode == 0, replaced.stderr
        alone = wavetank("reshard", INSTANCE=instance, TO=to)
        assert alone.returncode == 2
        assert f"no replica answers ({source_shard.source.name})" in alone.stderr
        mended = wavetank("up", INSTANCE=instance, REBUILD=source_shard.source.name)
        # One check sees that the resharding is stalled.
        assert mended.returncode == 1, mended.stdout + mended.stderr
        done = reshard(instance, to)
    # The new source may lack what nobody was told of, and so is copied anew.
    assert done["rows"]["copy"] > 0
    assert_in_order(instance, to)
    assert contents(instance) == before
