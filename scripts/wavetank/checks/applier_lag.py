"""Is what the applier does within the lag bound?"""

import contextlib
from collections.abc import Iterable, Iterator

from wavetank.checks import Finding
from wavetank.errors import UsageError
from wavetank.lag import HEARTBEAT_PERIOD_S, applier_lag_us
from wavetank.node import Servers
from wavetank.topology import Channel, Node, Topology
from wavetank.waiting import wait_until

QUESTION = "Is the applier's lag, by performance_schema, within its bound?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask the replicas."""
    return topology.replicas


def examine(node: Node, servers: Servers) -> Iterator[Finding]:
    """Compare each channel's applier lag with the topology's bound."""
    bound_us = int(servers.topology.lag_bound_s * 1e6)
    for channel in node.channels:
        lag_us = _settled_lag_us(node, channel, servers, bound_us)
        if lag_us > bound_us:
            yield Finding(
                node.name,
                f"at most {bound_us} us behind {channel.source}",
                f"{lag_us} us",
                "make status, then performance_schema.replication_applier_status_by_worker",
            )


def _settled_lag_us(node: Node, channel: Channel, servers: Servers, bound_us: int) -> int:
    """Return the lag, after the next heartbeat where it is too long.

    What was applied last on a replica that has just caught up was late; the next transaction is not.
    """
    lag_us = 0

    def within_bound() -> bool:
        nonlocal lag_us
        lag_us = applier_lag_us(servers[node.name], channel) or 0
        return lag_us <= bound_us

    with contextlib.suppress(UsageError):
        wait_until("the next heartbeat", within_bound, timeout_s=2 * HEARTBEAT_PERIOD_S, interval_s=0.05)
    return lag_us
