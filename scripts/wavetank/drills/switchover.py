"""A planned change of the source, as for maintenance."""

from wavetank.drills import Drill, Options, Say
from wavetank.drills.source_killed import concerns
from wavetank.node import Servers
from wavetank.promotion import Step
from wavetank.switchover import switch_over
from wavetank.traffic.drill import OutageDrill
from wavetank.traffic.promises import Promises

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
