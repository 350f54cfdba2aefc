"""A planned change of the source, as for maintenance."""

from wavetank.change.switchover import switch_over
from wavetank.change.timeline import Step
from wavetank.drills.drill import Drill, Options, Say
from wavetank.drills.outage import OutageDrill
from wavetank.drills.storms.source_killed import concerns
from wavetank.drills.traffic.promises import Promises
from wavetank.servers.node import Servers

__all__ = ["MENDED_BY", "PROMISES", "STORM", "concerns", "prepare"]

STORM = "The first replica takes its source's place under load, in order."
PROMISES = Promises()
MENDED_BY = "switchover"


def prepare(servers: Servers, options: Options, say: Say) -> Drill:
    """Switch over; nothing breaks before."""
    topology = servers.topology
    first = topology.replicas_of(topology.sources[0])[0].name
    return OutageDrill(
        servers,
        options,
        say,
        storm=lambda _: None,
        cure=switch_to_first_replica,
        promises=PROMISES,
        command=["switchover", "--to", first, "--json"],
    )


def switch_to_first_replica(servers: Servers) -> tuple[Step, ...]:
    """Let the first replica of the source take its place."""
    (source,) = servers.topology.sources
    return switch_over(servers, servers.topology.replicas_of(source)[0].name).steps
