"""Every server is restarted, one after the other, as for an upgrade."""

from wavetank.change.switchover import switch_over
from wavetank.change.timeline import Step, Timeline
from wavetank.drills.drill import Drill, Options, Say
from wavetank.drills.outage import OutageDrill
from wavetank.drills.storms.source_killed import concerns
from wavetank.drills.traffic.promises import Promises
from wavetank.errors import UnreachableError
from wavetank.machine import containers
from wavetank.servers.node import Server, Servers
from wavetank.servers.replication import is_replicating
from wavetank.topology.model import Node
from wavetank.waiting import wait_until

__all__ = ["MENDED_BY", "PROMISES", "STORM", "concerns", "prepare"]

STORM = (
    "Every server is restarted under load, replicas first; a replica takes the source's place before its turn comes."
)
PROMISES = Promises()
MENDED_BY = "up"
START_S = 60


def prepare(servers: Servers, options: Options, say: Say) -> Drill:
    """Restart all of them; nothing breaks before."""
    return OutageDrill(servers, options, say, storm=lambda _: None, cure=restart_all, promises=PROMISES)


def restart_all(servers: Servers) -> tuple[Step, ...]:
    """Restart the replicas, switch over, restart what was the source."""
    timeline = Timeline()
    source, *_ = servers.topology.sources
    for node in servers.topology.replicas:
        _restart(servers, node, timeline)
    change = switch_over(servers, servers.topology.replicas_of(source)[0].name)
    timeline.add(f"{change.new} is the source instead of {change.old}")
    _restart(servers, servers.topology.node(source.name), timeline)
    return tuple(timeline.steps)


def _restart(servers: Servers, node: Node, timeline: Timeline) -> None:
    containers.restart(servers.topology.container(node))
    wait_until(
        f"{node.name} to replicate again", lambda: _is_back(servers[node.name]), timeout_s=START_S, interval_s=0.1
    )
    timeline.add(f"{node.name} restarted")


def _is_back(server: Server) -> bool:
    try:
        return is_replicating(server)
    except UnreachableError:
        return False
