"""The source is cut from replicas and proxies, and clients still reach it: who does not fence it has two sources."""

from functools import partial

from wavetank.change.failover.detection import ask_replicas
from wavetank.change.timeline import Step, Timeline
from wavetank.drills.drill import Drill, Options, Say
from wavetank.drills.outage import DETECT_S, OutageDrill, failover_of, replace_source
from wavetank.drills.storms.source_killed import concerns
from wavetank.drills.traffic.client_route import DIRECT
from wavetank.drills.traffic.promises import Promises
from wavetank.machine import network
from wavetank.servers.node import Servers
from wavetank.waiting import wait_until

__all__ = ["MENDED_BY", "PROMISES", "STORM", "concerns", "prepare"]

STORM = (
    "The source is cut from replicas and proxies while some clients still reach it; it is fenced, and the best replica "
    "takes over."
)
# The source is given up with what its replicas have not received.
PROMISES = Promises(may_lose=True)
MENDED_BY = "failover"


def prepare(servers: Servers, options: Options, say: Say) -> Drill:
    """Cut the source from every other container; the network is healed however it ends.

    Half of the clients come directly, so that there are some who reach the source whatever the others come by.
    """
    return OutageDrill(
        servers,
        options,
        say,
        storm=cut_source_off,
        cure=replace_unheard_source,
        promises=PROMISES,
        undo=partial(heal, servers),
        command=[*failover_of(servers), "--force"],
        beside=[DIRECT],
    )


def cut_source_off(servers: Servers) -> None:
    """Let no packet pass between the source and the others, proxies too; published ports stay reachable."""
    topology = servers.topology
    source, *_ = topology.sources
    for member in topology.members:
        if member != source:
            network.cut(topology.container(source), topology.container(member))


def replace_unheard_source(servers: Servers) -> tuple[Step, ...]:
    """Replace the source by force, as it answers us, once none of its replicas hears from it; then heal the network."""
    source, *_ = servers.topology.sources
    timeline = Timeline()

    def unheard() -> bool:
        return not any(replica.hears for replica in ask_replicas(servers, source))

    wait_until(f"the replicas to hear nothing from {source.name}", unheard, timeout_s=DETECT_S, interval_s=0.05)
    timeline.add(f"no replica hears from {source.name}")
    (waited,) = timeline.steps
    replaced = replace_source(servers, force=True)
    return (waited, *(Step(step.what, round(waited.at_s + step.at_s, 3)) for step in replaced))


def heal(servers: Servers) -> None:
    """Take all cuts back."""
    network.heal(servers.topology.container(member) for member in servers.topology.members)
