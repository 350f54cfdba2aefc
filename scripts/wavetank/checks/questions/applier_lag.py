"""Is what the applier does within the lag bound, counted from its own source?"""

from collections.abc import Iterable, Iterator
from operator import attrgetter

from wavetank.checks.finding import Seen
from wavetank.checks.lateness import late_channels
from wavetank.servers.node import Servers
from wavetank.topology.model import Node, Topology

QUESTION = "Is the applier's lag behind its source, by performance_schema, within its bound?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask the replicas."""
    return topology.replicas


def examine(node: Node, servers: Servers) -> Iterator[Seen]:
    """Compare each channel's applier lag with the topology's bound."""
    next_step = "make status, then performance_schema.replication_applier_status_by_worker"
    return late_channels(node, servers, node.channels, attrgetter("hop_us"), "behind", next_step)
