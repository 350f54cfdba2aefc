"""Does the server answer, over TLS that proves who it is?"""

import contextlib
from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding
from wavetank.errors import UnreachableError
from wavetank.servers.node import Servers, query_on
from wavetank.topology.model import Node, Topology

QUESTION = "Does the server answer, over TLS that proves who it is?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask every node."""
    return topology.nodes


def examine(node: Node, servers: Servers) -> Iterator[Finding]:
    """Connect with verified TLS and ask the server what it is called."""
    try:
        # A connection of its own: one that was kept would wait long for a frozen server.
        with contextlib.closing(servers[node.name].connect("monitor")) as connection:
            found = query_on(connection, "SELECT @@report_host AS name", node=node.name)[0]["name"]
    except UnreachableError as error:
        container = servers.topology.container(node)
        yield Finding(
            node.name,
            "an answer over verified TLS",
            str(error),
            f"docker logs {container}, then make topology-up",
        )
        return
    if found != node.name:
        yield Finding(node.name, f"the server of {node.name}", f"the server of {found}", "make topology-up")
