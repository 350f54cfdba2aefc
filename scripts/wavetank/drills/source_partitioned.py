"""The source is cut from its replicas, and clients still reach it: who does not fence it has two sources."""

from functools import partial

from wavetank import network
from wavetank.drills import Drill, Options, Say
from wavetank.drills.source_killed import concerns
from wavetank.failover import ask_witnesses
from wavetank.node import Servers
from wavetank.promotion import Step
from wavetank.traffic.drill import DETECT_S, OutageDrill, replace_source
from wavetank.waiting import wait_until

__all__ = ["STORM", "concerns", "prepare"]

STORM = (
    "The source is cut from its replicas while clients still reach it; it is fenced, and the best replica takes over."
)


def prepare(servers: Servers, options: Options, say: Say) -> Drill:
    """Cut the source from every other server; the network is healed however it ends."""
    return OutageDrill(
        servers, options, say, storm=cut_source_off, cure=replace_unheard_source, undo=partial(heal, servers)
    )


def cut_source_off(servers: Servers) -> None:
    """Let no packet pass between the source and the other servers; published ports stay reachable."""
    topology = servers.topology
    source, *_ = topology.sources
    for node in topology.nodes:
        if node != source:
            network.cut(topology.container(source), topology.container(node))


def replace_unheard_source(servers: Servers) -> tuple[Step, ...]:
    """Replace the source by force, as it answers us, once none of its replicas hears from it; then heal the network."""
    source, *_ = servers.topology.sources

    def unheard() -> bool:
        return not any(witness.hears for witness in ask_witnesses(servers, source))

    wait_until(f"the replicas to hear nothing from {source.name}", unheard, timeout_s=DETECT_S, interval_s=0.05)
    return replace_source(servers, force=True)


def heal(servers: Servers) -> None:
    """Take all cuts back."""
    network.heal(servers.topology.container(node) for node in servers.topology.nodes)
