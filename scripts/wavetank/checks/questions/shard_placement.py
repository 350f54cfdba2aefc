"""Does every customer lie on the shard that the map names?"""

from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding, NotAsked, Seen
from wavetank.servers.node import Servers
from wavetank.sharding.map_state import MOVING, map_state_for_check, why_unsettled
from wavetank.sharding.wrong_places import misplaced
from wavetank.topology.model import Node, Topology

QUESTION = "Does every customer lie on the shard that the map names?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask the sources of all shards, also of those outside the map, which must be empty."""
    return (shard.source for shard in topology.shards)


def examine(node: Node, servers: Servers) -> Iterator[Seen]:
    """Let the server compute the map for all its customers; while rows move, two maps are right."""
    shard = servers.topology.shard(node.shard)
    map_state = map_state_for_check(servers, [shard])
    if not map_state:
        yield NotAsked(why_unsettled(map_state))
        return
    if map_state.without_trace:
        yield NotAsked(f"{MOVING}, and the directory does not know any more whence")
        return
    wrong = misplaced(servers, shard, map_state)
    if wrong:
        some = ", ".join(
            f"customer {customer} ({f'of shard {owner}' if owner else 'not in the directory'})"
            for customer, owner in wrong.examples
        )
        more = f" and {wrong.count - len(wrong.examples)} more" if wrong.count > len(wrong.examples) else ""
        yield Finding(
            node.name,
            f"only customers of shard {shard.number}, by map {map_state.newest.version} ({map_state.newest.map.kind})",
            some + more,
            f"wavetank shard rehome {wrong.examples[0][0]} moves it there with its orders",
        )
