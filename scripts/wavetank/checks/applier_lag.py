"""Is what the applier does within the lag bound?"""

from collections.abc import Iterable, Iterator

from wavetank.checks import Finding
from wavetank.lag import applier_lag_us
from wavetank.node import Servers
from wavetank.topology import Node, Topology

QUESTION = "Is the applier's lag, by performance_schema, within its bound?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask the replicas."""
    return topology.replicas


def examine(node: Node, servers: Servers) -> Iterator[Finding]:
    """Compare each channel's applier lag with the topology's bound."""
    bound_us = int(servers.topology.lag_bound_s * 1e6)
    for channel in node.channels:
        lag_us = applier_lag_us(servers[node.name], channel)
        if lag_us is not None and lag_us > bound_us:
            yield Finding(
                node.name,
                f"at most {bound_us} us behind {channel.source}",
                f"{lag_us} us",
                "make status, then its workers",
            )
