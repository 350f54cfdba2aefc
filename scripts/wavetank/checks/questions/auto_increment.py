"""Do several sources draw their ids from sets that have none in common?"""

from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding
from wavetank.servers.node import Servers
from wavetank.topology.model import Node, Topology

QUESTION = "Do the sources that replicate from each other draw ids that no other can draw?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask the peers."""
    return topology.peers


def examine(node: Node, servers: Servers) -> Iterator[Finding]:
    """Compare increment and offset with the number of sources and the node's position among them.

    As each position is there once, no two are equal where none deviates.
    """
    increment, offset = servers.topology.auto_increment(node)
    found = servers[node.name].query("SELECT @@GLOBAL.auto_increment_increment, @@GLOBAL.auto_increment_offset")[0]
    expected = {"auto_increment_increment": increment, "auto_increment_offset": offset}
    for (name, wanted), actual in zip(expected.items(), found.values(), strict=True):
        if actual != wanted:
            yield Finding(
                node.name, f"{name} {wanted} with {increment} sources", str(actual), "make topology-up sets it back"
            )
