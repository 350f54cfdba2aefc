"""Is no resharding stalled? One that is may keep customers from writing."""

from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding, NotAsked, Seen
from wavetank.servers.node import Servers
from wavetank.sharding.map_state import map_state_for_check, why_unsettled
from wavetank.sharding.reshard.stalled import find_stalled
from wavetank.topology.model import Node, Topology

QUESTION = "Is somebody at work on the resharding that is under way?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask once, where the shard map is: on the first shard's source."""
    return (shard.source for shard in topology.shards[:1])


def examine(node: Node, servers: Servers) -> Iterator[Seen]:
    """Look for what a resharding has left that nobody goes on with: who does holds a lock."""
    map_state = map_state_for_check(servers, servers.topology.shards)
    if not map_state:
        yield NotAsked(why_unsettled(map_state))
        return
    stalled = find_stalled(servers)
    if stalled:
        yield Finding(node.name, "a resharding to be at work, or none to be under way", stalled.what, stalled.step)
