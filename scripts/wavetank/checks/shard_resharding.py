"""Does no resharding stand still? One that does may keep customers from writing."""

from collections.abc import Iterable, Iterator

from wavetank.checks import Finding
from wavetank.node import Servers
from wavetank.sharding.placement import known_moment
from wavetank.sharding.reshard.standing import ask_standing
from wavetank.topology import Node, Topology

QUESTION = "Is somebody at work on the resharding that is under way?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask once, where the shard map is: on the first shard's source."""
    return (shard.source for shard in topology.shards[:1])


def examine(node: Node, servers: Servers) -> Iterator[Finding]:
    """Look for what a resharding has left that nobody goes on with: who does holds a lock."""
    if not known_moment(servers, servers.topology.shards):
        return
    standing = ask_standing(servers)
    if standing:
        yield Finding(node.name, "a resharding to be at work, or none to be under way", standing.what, standing.step)
