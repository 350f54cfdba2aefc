"""The source freezes: it keeps its connections and answers none, which looks like a slow one for a while."""

from wavetank import containers
from wavetank.drills import Drill, Options, Say
from wavetank.drills.source_killed import concerns
from wavetank.node import Servers
from wavetank.traffic.drill import OutageDrill, replace_source

__all__ = ["STORM", "concerns", "prepare"]

STORM = "The source freezes under load: connections hang instead of being refused. The best replica takes its place."


def prepare(servers: Servers, options: Options, say: Say) -> Drill:
    """Pause the source's container; the failover kills it before another one opens."""
    return OutageDrill(servers, options, say, storm=freeze_source, cure=replace_source)


def freeze_source(servers: Servers) -> None:
    """Freeze it."""
    containers.pause(servers.topology.container(servers.topology.sources[0]))
