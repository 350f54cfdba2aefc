"""A replica dies: writes must not notice, and reads go elsewhere."""

from wavetank.change.timeline import Step
from wavetank.drills.drill import Drill, Options, Say
from wavetank.drills.outage import OutageDrill
from wavetank.drills.traffic.promises import Promises
from wavetank.machine import containers
from wavetank.servers.node import Servers
from wavetank.topology.model import Topology

STORM = "A replica is killed (SIGKILL) under load; its clients read from the others."
PROMISES = Promises()
MENDED_BY = "up"


def concerns(topology: Topology) -> bool:
    """Say whether there is a replica that is no source as well."""
    return any(not node.is_source for node in topology.replicas)


def prepare(servers: Servers, options: Options, say: Say) -> Drill:
    """Kill the first replica; nothing is done about it as long as the traffic lasts."""
    return OutageDrill(servers, options, say, storm=kill_replica, cure=leave_it_dead, promises=PROMISES)


def kill_replica(servers: Servers) -> None:
    """Kill it."""
    topology = servers.topology
    containers.kill(topology.container(next(node for node in topology.replicas if not node.is_source)))


def leave_it_dead(_: Servers) -> tuple[Step, ...]:
    """Do nothing: topology-up starts it when the traffic is over."""
    return ()
