"""Behind a relay: is what the applier does within the lag bound, counted from where the change began?"""

from collections.abc import Iterable, Iterator
from operator import attrgetter

from wavetank.checks.finding import Seen
from wavetank.checks.lateness import late_channels
from wavetank.servers.node import Servers
from wavetank.topology.model import Channel, Node, Topology

QUESTION = "Behind a relay: is the lag from the first commit to here, over all hops, within its bound?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask the replicas of replicas; elsewhere there is but one hop."""
    return [node for node in topology.replicas if any(_is_relay(topology, channel) for channel in node.channels)]


def examine(node: Node, servers: Servers) -> Iterator[Seen]:
    """Compare the end-to-end lag of each channel behind a relay with the topology's bound."""
    behind_relays = [channel for channel in node.channels if _is_relay(servers.topology, channel)]
    since, next_step = "from the first commit, by way of", "make status shows the lag of each hop"
    return late_channels(node, servers, behind_relays, attrgetter("end_to_end_us"), since, next_step)


def _is_relay(topology: Topology, channel: Channel) -> bool:
    source = topology.node(channel.source)
    return bool(source.channels) and not source.peer
