"""Has a replica executed transactions that its source has not?"""

from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding
from wavetank.servers.gtid import union, without_server
from wavetank.servers.node import Servers
from wavetank.servers.replication import known_transactions
from wavetank.topology.model import Node, Topology

QUESTION = "Has the replica executed a transaction that its source never saw?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask the replicas."""
    return topology.replicas


def examine(node: Node, servers: Servers) -> Iterator[Finding]:
    """Let the replica subtract the GTID sets of all its sources from its own."""
    server = servers[node.name]
    # A peer writes itself; what it wrote is on its way to the others, and errant nowhere.
    own = server.value("SELECT @@GLOBAL.server_uuid") if node.peer else ""
    # The replica is asked first: what it has by then, a healthy source has had before, or is committing.
    mine = server.value("SELECT @@GLOBAL.gtid_executed")
    sources = [channel.source for channel in node.channels]
    theirs = [gtids for source in sources for gtids in known_transactions(servers[source])]
    errant = server.value("SELECT GTID_SUBTRACT(%s, %s)", [without_server(mine, own), union(*theirs)])
    if errant:
        yield Finding(
            node.name,
            f"no transaction beyond those of {', '.join(sources)}",
            f"errant {errant}",
            f"mysqlbinlog --include-gtids shows them; make topology-up REBUILD={node.name} drops them",
        )
