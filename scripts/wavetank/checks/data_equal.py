"""Do source and replica hold the same rows, by checksum?"""

from collections.abc import Iterable, Iterator

from wavetank.checks import Finding
from wavetank.equality import differences
from wavetank.node import Servers
from wavetank.topology import Node, Topology

QUESTION = "Does the replica hold the same rows as its source, by checksum?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask the replicas."""
    return topology.replicas


def examine(node: Node, servers: Servers) -> Iterator[Finding]:
    """Compare every table with that of each source."""
    for channel in node.channels:
        for difference in differences(servers[channel.source], servers[node.name]):
            yield Finding(
                node.name,
                f"as on {channel.source}: {difference.table}: {difference.expected}",
                difference.found,
                f"make topology-up REBUILD={node.name} copies it anew",
            )
