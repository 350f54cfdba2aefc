"""Does exactly the source take writes, and is every replica super_read_only?"""

from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding
from wavetank.servers.node import Servers
from wavetank.topology.model import Node, Topology

QUESTION = "Does exactly the source take writes?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask every node."""
    return topology.nodes


def examine(node: Node, servers: Servers) -> Iterator[Finding]:
    """Ask the server whether it is closed, and to whom."""
    found = servers[node.name].query("SELECT @@GLOBAL.read_only AS ro, @@GLOBAL.super_read_only AS super_ro")[0]
    state = f"read_only={found['ro']}, super_read_only={found['super_ro']}"
    if node.is_source and found["ro"]:
        yield Finding(node.name, "an open source (read_only=0)", state, "make topology-up opens it")
    if not node.is_source and not found["super_ro"]:
        yield Finding(
            node.name,
            "a closed replica (super_read_only=1)",
            state,
            "make topology-up closes it; look for errant writes",
        )
