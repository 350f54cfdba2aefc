"""Is every row that the loader wrote still on some shard?"""

from collections.abc import Iterable, Iterator

from wavetank.checks import Finding
from wavetank.node import Servers
from wavetank.sharding.loading import states_of
from wavetank.sharding.placement import Moment, known_moment, loaded_rows, shards_of
from wavetank.shop import customers_of
from wavetank.topology import Node, Topology

QUESTION = "Is every customer and order that was loaded on some shard?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask once, for all shards together."""
    return (shard.source for shard in topology.shards[:1])


def examine(node: Node, servers: Servers) -> Iterator[Finding]:
    """Count the loaded rows where the map puts them; while a load or a cut-over passes, there is nothing to count."""
    moment = known_moment(servers, servers.topology.shards)
    if not moment:
        return
    states = set(states_of(servers, shards_of(servers.topology, moment.newest.map)).values())
    orders = max(state.orders for state in states)
    found = loaded_rows(servers, moment, customers_of(orders), orders) if len(states) == 1 else None
    if found is None or not _unchanged(servers, moment):
        return
    for table, count, expected in zip(("customers", "orders"), found, (customers_of(orders), orders), strict=True):
        if count < expected:
            yield Finding(
                node.name, f"all {expected} loaded {table} on the shards", f"{count}",
                f"restore them from a copy; or DROP SCHEMA of the shard that lost them, make topology-up, "
                f"make load ROWS={orders}",
            )  # fmt: skip


def _unchanged(servers: Servers, before: Moment) -> bool:
    after = known_moment(servers, [])
    return after is not None and after.newest.version == before.newest.version and after.under_way == before.under_way
