"""Is no order on two shards?"""

from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding, NotAsked, Seen
from wavetank.servers.node import Servers
from wavetank.sharding.map_state import map_state_for_check, why_unsettled
from wavetank.sharding.side_by_side import on_each, shards_of
from wavetank.sharding.wrong_places import misplaced, on_two_shards
from wavetank.topology.model import Node, Topology

QUESTION = "Is no order on two shards?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask once, for all shards together."""
    return (shard.source for shard in topology.shards[:1])


def examine(node: Node, servers: Servers) -> Iterator[Seen]:
    """Compare the ids that the shards hold; while rows move, they are on two, and must be.

    A customer on two shards is on a wrong one, which is the finding of shard_placement, with all its orders.
    """
    map_state = map_state_for_check(servers, servers.topology.shards)
    if not map_state or map_state.under_way:
        yield NotAsked(why_unsettled(map_state))
        return
    shards = shards_of(servers.topology, map_state.newest.map)
    twice = on_two_shards(servers, shards)
    if not twice:
        return
    if any(on_each(servers, shards, lambda shard, _: misplaced(servers, shard, map_state)).values()):
        yield NotAsked("customers with orders are on wrong shards, which shard_placement reports")
        return
    order, there = next(iter(twice.items()))
    names = ", ".join(servers.topology.shard(number).source.name for number in there)
    yield Finding(
        node.name, "each order on one shard", f"order {order} on {names}, and {len(twice) - 1} more",
        f"delete order {order} where it is not wanted",
    )  # fmt: skip
