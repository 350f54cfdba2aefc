"""Is what the applier does within the lag bound, counted from its own source?"""

from collections.abc import Iterable, Iterator
from functools import partial

from wavetank.checks import Finding
from wavetank.lag import applier_lag, settled_us
from wavetank.node import Server, Servers
from wavetank.topology import Channel, Node, Topology

QUESTION = "Is the applier's lag behind its source, by performance_schema, within its bound?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask the replicas."""
    return topology.replicas


def examine(node: Node, servers: Servers) -> Iterator[Finding]:
    """Compare each channel's applier lag with the topology's bound."""
    bound_us = int(servers.topology.lag_bound_s * 1e6)
    for channel in node.channels:
        lag_us = settled_us(partial(_lag_us, servers[node.name], channel), bound_us)
        if lag_us is None or lag_us > bound_us:
            yield Finding(
                node.name,
                f"at most {bound_us} us behind {channel.source}",
                f"{lag_us} us",
                "make status, then performance_schema.replication_applier_status_by_worker",
            )


def _lag_us(server: Server, channel: Channel) -> int:
    """Return the channel's lag; one that has applied nothing yet is not late."""
    lag = applier_lag(server, channel)
    return lag.hop_us if lag else 0
