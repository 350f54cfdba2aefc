"""Is replication semi-synchronous where it was asked for, and has it not fallen back?"""

from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding
from wavetank.servers.node import Servers
from wavetank.topology.model import Node, Topology

QUESTION = "Is replication semi-synchronous as asked, without having fallen back?"
STATUS = """
    SELECT VARIABLE_NAME AS name, VARIABLE_VALUE AS value FROM performance_schema.global_status
     WHERE VARIABLE_NAME LIKE 'Rpl\\_semi\\_sync\\_%'
"""


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask every node of a semi-synchronous topology."""
    return topology.nodes if topology.semi_sync else ()


def examine(node: Node, servers: Servers) -> Iterator[Finding]:
    """Ask who has replicas for its status and clients, and a replica for its status."""
    server = servers[node.name]
    status = {row["name"]: row["value"] for row in server.query(STATUS)}
    wanted = len(servers.topology.replicas_of(node))
    if not wanted and server.value("SELECT @@GLOBAL.rpl_semi_sync_source_enabled"):
        yield Finding(node.name, "no wait for acknowledgements, which nobody sends", "semi-sync ON", "make topology-up")
    if wanted:
        clients = int(status.get("Rpl_semi_sync_source_clients", 0))
        if clients < wanted:
            yield Finding(node.name, f"{wanted} semi-sync replicas", str(clients), "make topology-up")
        if status.get("Rpl_semi_sync_source_status") != "ON":
            yield Finding(node.name, "semi-sync ON", "fallen back to asynchronous", "make status, then its replicas")
    if node.channels and status.get("Rpl_semi_sync_replica_status") != "ON":
        yield Finding(node.name, "semi-sync ON", "OFF", "STOP REPLICA; START REPLICA takes it up again")
