"""Is every channel set up as declared: its source, auto-position, TLS with a verified identity?"""

from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding, NotAsked, Seen
from wavetank.servers.node import Servers
from wavetank.servers.replication import channel_deviations, channels_of
from wavetank.topology.model import Node, Topology

QUESTION = "Is every channel set up as declared: its source, auto-position, TLS with a verified identity?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask the replicas."""
    return topology.replicas


def examine(node: Node, servers: Servers) -> Iterator[Seen]:
    """Compare what the server says of each declared channel with the inventory."""
    found = channels_of(servers[node.name])
    for channel in node.channels:
        if channel.name not in found:
            yield NotAsked(f"there is no {channel.title}, which replication_threads reports")
            continue
        for name, (expected, actual) in channel_deviations(found[channel.name], channel).items():
            yield Finding(node.name, f"{name} {expected} of {channel.title}", str(actual), "make topology-up")
