"""Is every row that the loader wrote still on some shard?"""

from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding, NotAsked, Seen
from wavetank.sample.generated import customers_of
from wavetank.sample.sharded_shop import states_of
from wavetank.servers.node import Servers
from wavetank.sharding.counting import loaded_rows
from wavetank.sharding.map_state import MOVING, MapState, map_state_for_check, why_unsettled
from wavetank.sharding.side_by_side import shards_of
from wavetank.topology.model import Node, Topology

QUESTION = "Is every customer and order that was loaded on some shard?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask once, for all shards together."""
    return (shard.source for shard in topology.shards[:1])


def examine(node: Node, servers: Servers) -> Iterator[Seen]:
    """Count the loaded rows where the map puts them; while a load or a cut-over passes, there is nothing to count."""
    map_state = map_state_for_check(servers, servers.topology.shards)
    if not map_state:
        yield NotAsked(why_unsettled(map_state))
        return
    states = set(states_of(servers, shards_of(servers.topology, map_state.newest.map)).values())
    orders = max(state.orders for state in states)
    if len(states) > 1:
        yield NotAsked("some shards are loaded further than others: make load again goes on")
        return
    found = loaded_rows(servers, map_state, customers_of(orders), orders)
    if found is None or not _unchanged(servers, map_state):
        yield NotAsked(MOVING)
        return
    for table, count, expected in zip(("customers", "orders"), found, (customers_of(orders), orders), strict=True):
        if count < expected:
            yield Finding(
                node.name, f"all {expected} loaded {table} on the shards", f"{count}",
                f"restore them from a copy; or DROP SCHEMA of the shard that lost them, make topology-up, "
                f"make load ROWS={orders}",
            )  # fmt: skip


def _unchanged(servers: Servers, before: MapState) -> bool:
    after = map_state_for_check(servers, [])
    return after is not None and after.newest.version == before.newest.version and after.under_way == before.under_way
