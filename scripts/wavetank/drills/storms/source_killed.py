"""The source dies: its process is gone from one moment to the next, and connections to it are refused."""

from wavetank.drills.drill import Drill, Options, Say
from wavetank.drills.outage import OutageDrill, failover_of, replace_source
from wavetank.drills.traffic.promises import Promises
from wavetank.machine import containers
from wavetank.servers.node import Servers
from wavetank.topology.model import Topology

STORM = "The source is killed (SIGKILL) under load, and the best replica takes its place."
# The source is given up with what its replicas have not received.
PROMISES = Promises(may_lose=True)
MENDED_BY = "failover"


def concerns(topology: Topology) -> bool:
    """Say whether there is one source, and a replica that could take its place."""
    return len(topology.sources) == 1 and not topology.peers and bool(topology.replicas)


def prepare(servers: Servers, options: Options, say: Say) -> Drill:
    """Kill the source's container."""
    return OutageDrill(
        servers, options, say, storm=kill_source, cure=replace_source, promises=PROMISES, command=failover_of(servers)
    )


def kill_source(servers: Servers) -> None:
    """Kill it; what mends it does not wait for the engine either."""
    containers.kill_at_once(servers.topology.container(servers.topology.sources[0]))
