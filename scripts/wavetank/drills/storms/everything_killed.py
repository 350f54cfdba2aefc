"""The power fails: every server and proxy is gone at once, and what was acknowledged must be on the disks."""

from wavetank.change.timeline import Step, Timeline
from wavetank.drills.drill import Drill, Options, Say
from wavetank.drills.outage import OutageDrill, bring_up
from wavetank.drills.traffic.promises import Promises
from wavetank.errors import UsageError
from wavetank.machine import containers
from wavetank.servers.node import Servers
from wavetank.threads import side_by_side
from wavetank.topology.model import Topology

STORM = "All servers and proxies are killed (SIGKILL) at once under load, as by a power failure, and started again."
PROMISES = Promises()
MENDED_BY = "up"


def concerns(topology: Topology) -> bool:
    """Say whether one server takes the writes, so that there is one answer to what must be there."""
    return len(topology.sources) == 1


def prepare(servers: Servers, options: Options, say: Say) -> Drill:
    """Kill every container."""
    return OutageDrill(servers, options, say, storm=kill_all, cure=start_all, promises=PROMISES, command=["up"])


def kill_all(servers: Servers) -> None:
    """Kill them side by side."""
    side_by_side(containers.kill, [servers.topology.container(member) for member in servers.topology.members])


def start_all(servers: Servers) -> tuple[Step, ...]:
    """Bring the instance up, as a person would.

    Raises:
        UsageError: topology-up says that it has not.
    """
    timeline = Timeline()
    if complaint := bring_up(servers.topology.instance):
        raise UsageError(f"topology-up did not bring back what was killed: {complaint}")
    timeline.add("topology-up has ended with exit code 0")
    return tuple(timeline.steps)
