"""Behind a relay: is what the applier does within the lag bound, counted from where the change began?"""

from collections.abc import Iterable, Iterator
from operator import attrgetter

from wavetank.checks.finding import Finding, NotAsked, Seen, of_stopped
from wavetank.servers.lag import settled_lag_us
from wavetank.servers.node import Servers
from wavetank.servers.replication import channels_of, replicates
from wavetank.topology.model import Channel, Node, Topology

QUESTION = "Behind a relay: is the lag from the first commit to here, over all hops, within its bound?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask the replicas of replicas; elsewhere there is but one hop."""
    return [node for node in topology.replicas if any(_is_relay(topology, channel) for channel in node.channels)]


def examine(node: Node, servers: Servers) -> Iterator[Seen]:
    """Compare the end-to-end lag of each channel behind a relay with the topology's bound."""
    bound_us = int(servers.topology.lag_bound_s * 1e6)
    found = channels_of(servers[node.name])
    for channel in node.channels:
        if not _is_relay(servers.topology, channel):
            continue
        if not replicates(found.get(channel.name, {})):
            yield of_stopped(channel)
            continue
        lag_us = settled_lag_us(bound_us, attrgetter("end_to_end_us"), servers[node.name], channel)
        if lag_us is None:
            # Who never wrote is late for nobody: a closed peer, for one.
            yield NotAsked(f"{channel.title} has applied nothing", moot=True)
        elif lag_us > bound_us:
            yield Finding(
                node.name,
                f"at most {bound_us} us from the first commit, by way of {channel.source}",
                f"{lag_us} us",
                "make status shows the lag of each hop",
            )


def _is_relay(topology: Topology, channel: Channel) -> bool:
    source = topology.node(channel.source)
    return bool(source.channels) and not source.peer
