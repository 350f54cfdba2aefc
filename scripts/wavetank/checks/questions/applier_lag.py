"""Is what the applier does within the lag bound, counted from its own source?"""

from collections.abc import Iterable, Iterator
from operator import attrgetter

from wavetank.checks.finding import Finding, NotAsked, Seen, of_stopped
from wavetank.servers.lag import settled_lag_us
from wavetank.servers.node import Servers
from wavetank.servers.replication import channels_of, replicates
from wavetank.topology.model import Node, Topology

QUESTION = "Is the applier's lag behind its source, by performance_schema, within its bound?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask the replicas."""
    return topology.replicas


def examine(node: Node, servers: Servers) -> Iterator[Seen]:
    """Compare each channel's applier lag with the topology's bound."""
    bound_us = int(servers.topology.lag_bound_s * 1e6)
    found = channels_of(servers[node.name])
    for channel in node.channels:
        if not replicates(found.get(channel.name, {})):
            yield of_stopped(channel)
            continue
        lag_us = settled_lag_us(bound_us, attrgetter("hop_us"), servers[node.name], channel)
        if lag_us is None:
            # Who never wrote is late for nobody: a closed peer, for one.
            yield NotAsked(f"{channel.title} has applied nothing", moot=True)
        elif lag_us > bound_us:
            yield Finding(
                node.name,
                f"at most {bound_us} us behind {channel.source}",
                f"{lag_us} us",
                "make status, then performance_schema.replication_applier_status_by_worker",
            )
