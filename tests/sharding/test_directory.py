"""The directory on real servers: who gets which shard, and what a change of the map makes of it."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from commands import own
from damages.shard_directory import LANE, OPTIONS
from wavetank.servers.node import Servers
from wavetank.sharding.catalogue import Catalogue, PublishedMap
from wavetank.sharding.directory import assign, assign_many, miscounted, plan_moves
from wavetank.sharding.errors import UnknownCustomerError
from wavetank.topology.instance import Instance

pytestmark = pytest.mark.group(LANE)
# Above those that the loader makes.
NEW = 50_000_000
CALLERS, CALLS = 8, 40


@pytest.fixture(scope="module")
def catalogue(bring_up: Callable[..., str]) -> Iterator[Catalogue]:
    """The catalogue of two shards whose rows a directory divides."""
    with Servers(Instance(bring_up(own(LANE), **OPTIONS)).topology()) as servers:
        yield Catalogue(servers)


def counted(catalogue: Catalogue) -> dict[int, int]:
    rows = catalogue.server.query("SELECT shard, customers FROM sharding.shard_directory", account="app_ro")
    return {row["shard"]: row["customers"] for row in rows}


def test_callers_at_once_get_one_shard_a_customer_and_the_emptiest(catalogue: Catalogue) -> None:
    before = counted(catalogue)
    # Each customer is asked for by two callers.
    wanted = [NEW + call // 2 for call in range(CALLERS * CALLS)]
    with ThreadPoolExecutor(CALLERS) as pool:
        given = list(zip(wanted, pool.map(lambda customer: assign(catalogue.server, customer), wanted), strict=True))

    assert len(set(given)) == len(set(wanted)), "a customer was given two shards"
    after = counted(catalogue)
    assert sum(after.values()) - sum(before.values()) == len(set(wanted))
    assert abs(after[1] - after[2]) <= 1
    assert miscounted(catalogue.server) == []
    assert all(catalogue.read().map.shard_of(customer) == shard for customer, shard in given)


def test_many_are_assigned_as_one_by_one(catalogue: Catalogue) -> None:
    customers = range(NEW + 1_000, NEW + 1_501)
    first = {customers[0]: assign(catalogue.server, customers[0])}
    found = assign_many(catalogue.server, customers)

    assert first.items() <= found.items()
    assert found == assign_many(catalogue.server, customers)
    assert abs(Counter(found.values())[1] - Counter(found.values())[2]) <= 1
    assert miscounted(catalogue.server) == []


def test_a_customer_whom_nobody_has_given_a_shard_has_none(catalogue: Catalogue) -> None:
    with pytest.raises(UnknownCustomerError, match="AssignCustomerToShard gives it a shard"):
        catalogue.read().map.shard_of(NEW * 2)


def leaving(catalogue: Catalogue) -> PublishedMap:
    """Publish that the second shard will leave, as a resharding does."""
    newest = catalogue.read()
    pending = newest.map.remove(2)
    theirs = counted(catalogue)[2]
    assert plan_moves(catalogue.server, pending.shards) == theirs
    assert plan_moves(catalogue.server, pending.shards) == theirs
    return catalogue.publish(newest.map, pending, after=newest.version)


def somebody_of(catalogue: Catalogue, shard: int) -> int:
    statement = "SELECT customer_id FROM sharding.customer_shard_mapping WHERE shard = %s LIMIT 1"
    return int(catalogue.server.value(statement, [shard], account="app_ro"))


def test_while_customers_move_both_their_shards_are_known_and_nobody_joins_them(catalogue: Catalogue) -> None:
    moves, stays = somebody_of(catalogue, 2), somebody_of(catalogue, 1)
    leaving(catalogue)
    found = catalogue.read()
    assert found.pending
    try:
        assert (found.map.shard_of(moves), found.pending.shard_of(moves)) == (2, 1)
        assert [found.gate_of(moves), found.gate_of(stays)] == ["move", "stay"]
        assert {assign(catalogue.server, NEW + 2_000 + number) for number in range(5)} == {1}
    finally:
        aborted = catalogue.publish(found.map, after=found.version)
    assert aborted.map.shard_of(moves) == 2
    assert not catalogue.server.value(
        "SELECT COUNT(*) FROM sharding.customer_shard_mapping WHERE next_shard > 0", account="app_ro"
    )
    # It is active again, and has fewer.
    assert assign(catalogue.server, NEW + 3_000) == 2


def test_at_the_cut_over_everybody_is_where_they_were_to_go(catalogue: Catalogue) -> None:
    moves = somebody_of(catalogue, 2)
    everybody = sum(counted(catalogue).values())
    prepared = leaving(catalogue)
    # Remembered under the map that is about to end.
    assert catalogue.read().map.shard_of(moves) == 2
    assert prepared.pending
    catalogue.publish(prepared.pending, after=prepared.version)

    found = catalogue.read()
    assert found.map.shards == (1,)
    assert found.pending is None
    assert found.map.shard_of(moves) == 1
    assert counted(catalogue) == {1: everybody}
