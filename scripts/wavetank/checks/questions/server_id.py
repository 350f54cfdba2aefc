"""Is the server's id the declared one, and are id and UUID nobody else's?"""

from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding, NotAsked, Seen
from wavetank.errors import UnreachableError
from wavetank.servers.node import Servers
from wavetank.topology.model import Node, Topology

QUESTION = "Is the server's id the declared one, and are id and UUID nobody else's?"
IDENTITY = "SELECT @@server_id AS server_id, @@server_uuid AS server_uuid"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask every node."""
    return topology.nodes


def examine(node: Node, servers: Servers) -> Iterator[Seen]:
    """Compare the server's id with the declared one, and id and UUID with those of the nodes before it."""
    mine = servers[node.name].query(IDENTITY)[0]
    if mine["server_id"] != node.server_id:
        yield Finding(node.name, f"server_id {node.server_id}", str(mine["server_id"]), "make topology-up")
    for other in servers.topology.nodes[: servers.topology.nodes.index(node)]:
        try:
            theirs = servers[other.name].query(IDENTITY)[0]
        except UnreachableError:
            yield NotAsked(f"{other.name}, which does not answer, may have the same")
            continue
        for name, value in mine.items():
            if theirs[name] == value:
                yield Finding(
                    node.name,
                    f"a {name} of its own",
                    f"{name} {value}, as on {other.name}",
                    "make topology-up",
                )
