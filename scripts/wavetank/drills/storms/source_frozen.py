"""The source freezes: it keeps its connections and answers none, which looks like a slow one for a while."""

from wavetank.drills.drill import Drill, Options, Say
from wavetank.drills.outage import OutageDrill, failover_of, replace_source
from wavetank.drills.storms.source_killed import concerns
from wavetank.drills.traffic.promises import Promises
from wavetank.machine import containers
from wavetank.servers.node import Servers

__all__ = ["MENDED_BY", "PROMISES", "STORM", "concerns", "prepare"]

STORM = "The source freezes under load: connections hang instead of being refused. The best replica takes its place."
# The source is given up with what its replicas have not received.
PROMISES = Promises(may_lose=True)
MENDED_BY = "failover"


def prepare(servers: Servers, options: Options, say: Say) -> Drill:
    """Pause the source's container; the failover kills it before another one opens."""
    return OutageDrill(
        servers,
        options,
        say,
        storm=freeze_source,
        cure=replace_source,
        promises=PROMISES,
        command=failover_of(servers),
    )


def freeze_source(servers: Servers) -> None:
    """Freeze it."""
    containers.pause(servers.topology.container(servers.topology.sources[0]))
