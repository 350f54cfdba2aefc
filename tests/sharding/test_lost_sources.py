"""A source dies in the cut-over, and a replica that was down takes its place: everything is there once in the end.

What can be between any two transactions is tried in tests/unit/test_lost_sources.py; here are real servers.
"""

from collections.abc import Callable

import pytest
from commands import own, wavetank
from sharding.moving import assert_in_order, contents, damaged_at, killed_at, reshard, servers_of
from sharding.rows import names
from wavetank.machine import containers
from wavetank.sharding.catalogue import LEFT_OUT, Catalogue
from wavetank.sharding.gates import highest_gate


@pytest.fixture(scope="module")
def instance(bring_up: Callable[..., str]) -> str:
    """Three shards with asynchronous replicas: what a source was told last, its replica may never hear."""
    return bring_up(own("lost"), TOPOLOGY="four-shard", SHARDS=3, REPLICAS=1)


def names_of(instance: str, shard: int) -> tuple[str, str]:
    """Return a shard's source and its replica."""
    with servers_of(instance) as servers:
        found = servers.topology.shard(shard)
        return found.source.name, found.replicas[0].name


def replaced(instance: str, shard: int) -> str:
    """Let the replica, which was down, take the place of its source, which is from now on; return who that was."""
    old, new = names_of(instance, shard)
    with servers_of(instance) as servers:
        topology = servers.topology
        there, spare = (topology.container(topology.node(name)) for name in (old, new))
        if containers.is_running(there):
            containers.kill(there)
        containers.start(spare)
    # So soon after the one before, it needs the word.
    done = wavetank("failover", INSTANCE=instance, NODE=old, FORCE=1)
    assert done.returncode == 0, done.stderr
    assert names_of(instance, shard)[0] == new
    return old


def mended(instance: str, node: str) -> None:
    # One check sees that the resharding is stalled.
    done = wavetank("up", INSTANCE=instance, REBUILD=node)
    assert done.returncode in (0, 1), done.stdout + done.stderr


def test_a_replica_that_dies_in_the_cut_over_stops_it_and_its_source_may_die_then(instance: str) -> None:
    before = contents(instance)
    _, replica = names_of(instance, 1)
    refused = damaged_at(instance, 2, f"closed:{replica}")
    assert refused.returncode == 1
    assert f"last seen: {replica} not answering" in refused.stderr
    with servers_of(instance) as servers:
        assert len(Catalogue(servers).read().map.shards) == 3
        assert highest_gate(servers) <= Catalogue(servers).read().version
    mended(instance, replaced(instance, 1))
    reshard(instance, 2)
    assert_in_order(instance, 2)
    assert contents(instance) == before


def test_a_map_that_was_lost_with_the_catalogue_is_published_again(instance: str) -> None:
    before = contents(instance)
    source, replica = names_of(instance, 1)
    killed_at(instance, 3, f"ready:{replica}", f"published:{source}", "published")
    with servers_of(instance) as servers:
        there = servers[servers.topology.shard(3).source.name]
        # What a client writes by the map that is about to be lost.
        moved = int(there.value("SELECT MIN(customer_id) FROM shop_3.customers", account="admin"))
        name = there.value(f"SELECT name FROM shop_3.customers WHERE customer_id = {moved}", account="admin")
        there.execute(f"UPDATE shop_3.customers SET name = 'acknowledged' WHERE customer_id = {moved}")
    old = replaced(instance, 1)
    refused = wavetank("reshard", INSTANCE=instance, TO=3)
    assert refused.returncode == 2
    assert f"of shard 1 no replica answers ({old})" in refused.stderr
    assert "map version" in refused.stdout
    with servers_of(instance) as servers:
        assert Catalogue(servers).read().pending is None
    mended(instance, old)
    reshard(instance, 3)
    with servers_of(instance) as servers:
        assert Catalogue(servers).read().version >= LEFT_OUT
        assert names(servers, moved) == {3: "acknowledged"}
        there = servers[servers.topology.shard(3).source.name]
        with there.connection("admin") as connection, connection.cursor() as cursor:
            cursor.execute("UPDATE shop_3.customers SET name = %s WHERE customer_id = %s", (name, moved))
    assert_in_order(instance, 3)
    assert contents(instance) == before


def test_a_target_that_dies_with_its_newest_rows_has_all_that_moved(instance: str) -> None:
    before = contents(instance)
    source, replica = names_of(instance, 2)
    killed_at(instance, 2, f"ready:{replica}", f"published:{source}", "published")
    mended(instance, replaced(instance, 2))
    reshard(instance, 2)
    assert_in_order(instance, 2)
    assert contents(instance) == before
