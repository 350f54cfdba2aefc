"""Do the gates of each shard let through who knows the map, and nobody else?"""

from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding, NotAsked, Seen
from wavetank.servers.node import Servers
from wavetank.sharding.gates import bounds, read_gates
from wavetank.sharding.map_state import last_prepared, map_state_for_check, why_unsettled
from wavetank.topology.model import Node, Topology

QUESTION = "Do the shard's gates agree with the version of the map?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask the sources of all shards."""
    return (shard.source for shard in topology.shards)


def examine(node: Node, servers: Servers) -> Iterator[Seen]:
    """Compare each gate with what the catalogue allows; a shard outside the map has none to guard."""
    shard = servers.topology.shard(node.shard)
    map_state = map_state_for_check(servers, [shard])
    if not map_state:
        yield NotAsked(why_unsettled(map_state))
        return
    if shard.number not in map_state.newest.map.shards:
        yield NotAsked(f"shard {shard.number} is not in the map", moot=True)
        return
    found = read_gates(servers[node.name])
    allowed = bounds(map_state.newest.version, last_prepared(servers), under_way=map_state.under_way)
    for gate, (low, high) in allowed.items():
        least = found.get(gate)
        if least is None or not low <= least <= high:
            yield Finding(
                node.name,
                f"gate {gate} between {low} and {high} (the map is version {map_state.newest.version})",
                "no such gate" if least is None else f"{least}",
                "make topology-up sets it",
            )
