"""Does a server get its own transactions back from those that replicate from it?"""

from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding
from wavetank.servers.node import Servers
from wavetank.servers.replication import looped
from wavetank.topology.model import Node, Topology, channel_title

QUESTION = "Does no transaction come back to the source that wrote it?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask the peers: elsewhere nothing flows back."""
    return topology.peers


def examine(node: Node, servers: Servers) -> Iterator[Finding]:
    """Look for the server's own transactions in what its receivers have taken."""
    for channel, own in looped(servers[node.name]).items():
        yield Finding(
            node.name,
            f"nothing of its own from {channel_title(channel)}",
            own,
            "make topology-up drops it; somebody has changed a server_id while the servers ran",
        )
