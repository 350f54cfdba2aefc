"""Does every customer lie on the shard that the map names?"""

from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding, NotAsked, Seen
from wavetank.servers.node import Servers
from wavetank.sharding.moment import MOVING, known_moment, why_unsettled
from wavetank.sharding.wrong_places import misplaced
from wavetank.topology.model import Node, Topology

QUESTION = "Does every customer lie on the shard that the map names?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask the sources of all shards, also of those outside the map, which must be empty."""
    return (shard.source for shard in topology.shards)


def examine(node: Node, servers: Servers) -> Iterator[Seen]:
    """Let the server compute the map for all its customers; while rows move, two maps are right."""
    shard = servers.topology.shard(node.shard)
    moment = known_moment(servers, [shard])
    if not moment:
        yield NotAsked(why_unsettled(moment))
        return
    if moment.without_trace:
        yield NotAsked(f"{MOVING}, and the directory does not know any more whence")
        return
    wrong = misplaced(servers, shard, moment)
    if wrong:
        some = ", ".join(
            f"customer {customer} ({f'of shard {owner}' if owner else 'not in the directory'})"
            for customer, owner in wrong.examples
        )
        more = f" and {wrong.count - len(wrong.examples)} more" if wrong.count > len(wrong.examples) else ""
        yield Finding(
            node.name,
            f"only customers of shard {shard.number}, by map {moment.newest.version} ({moment.newest.map.kind})",
            some + more,
            f"wavetank shard rehome {wrong.examples[0][0]} brings it home with its orders",
        )
