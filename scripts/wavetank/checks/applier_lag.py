"""Is what the applier does within the lag bound, counted from its own source?"""

from collections.abc import Iterable, Iterator
from operator import attrgetter

from wavetank.checks import Finding
from wavetank.lag import lag_beyond_us
from wavetank.node import Servers
from wavetank.topology import Node, Topology

QUESTION = "Is the applier's lag behind its source, by performance_schema, within its bound?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask the replicas."""
    return topology.replicas


def examine(node: Node, servers: Servers) -> Iterator[Finding]:
    """Compare each channel's applier lag with the topology's bound."""
    bound_us = int(servers.topology.lag_bound_s * 1e6)
    for channel in node.channels:
        if found := lag_beyond_us(bound_us, attrgetter("hop_us"), servers[node.name], channel):
            yield Finding(
                node.name,
                f"at most {bound_us} us behind {channel.source}",
                found,
                "make status, then performance_schema.replication_applier_status_by_worker",
            )
