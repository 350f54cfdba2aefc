"""One of several ProxySQL dies: whoever came through it comes back through another one."""

from wavetank.drills.drill import Drill, Options, Say
from wavetank.drills.outage import OutageDrill
from wavetank.drills.storms.replica_killed import leave_it_dead
from wavetank.drills.traffic.promises import Promises
from wavetank.machine import containers
from wavetank.servers.node import Servers
from wavetank.topology.model import Topology
from wavetank.topology.proxies import proxysqls

STORM = "One of two ProxySQL (PROXIES=2 at topology-up) is killed (SIGKILL) under load; clients reconnect to the other."
PROMISES = Promises()
MENDED_BY = "up"


def concerns(topology: Topology) -> bool:
    """Say whether there is another one to come back through, and one server that takes the writes."""
    return len(proxysqls(topology.proxies)) > 1 and len(topology.sources) == 1


def prepare(servers: Servers, options: Options, say: Say) -> Drill:
    """Kill the first proxy; topology-up starts it again when the traffic is over."""
    return OutageDrill(servers, options, say, storm=kill_proxy, cure=leave_it_dead, promises=PROMISES)


def kill_proxy(servers: Servers) -> None:
    """Kill it."""
    containers.kill(servers.topology.container(proxysqls(servers.topology.proxies)[0]))
