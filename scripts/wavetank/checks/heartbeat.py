"""Does the heartbeat of the source arrive, fresh enough?"""

from collections.abc import Iterable, Iterator

from wavetank.checks import Finding
from wavetank.errors import UsageError
from wavetank.lag import HEARTBEAT_PERIOD_S, heartbeat_age_us
from wavetank.node import Servers
from wavetank.topology import Node, Topology
from wavetank.waiting import wait_until

QUESTION = "Is the newest heartbeat on the server within the lag bound?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask every node: on a source it says whether the heart beats, on a replica whether it is heard."""
    return topology.nodes


def examine(node: Node, servers: Servers) -> Iterator[Finding]:
    """Compare the heartbeat's age with its period plus the topology's lag bound."""
    bound_us = int((servers.topology.lag_bound_s + HEARTBEAT_PERIOD_S) * 1e6)
    age_us = None

    def fresh() -> bool:
        nonlocal age_us
        age_us = heartbeat_age_us(servers[node.name])
        return age_us is not None and age_us <= bound_us

    try:
        # A source that was opened just now has until its next beat.
        wait_until("a heartbeat", fresh, timeout_s=2 * HEARTBEAT_PERIOD_S, interval_s=0.05)
    except UsageError:
        found = "none" if age_us is None else f"one {age_us} us old"
        step = "SHOW EVENTS FROM wavetank on the source" if node.is_source else "make status"
        yield Finding(node.name, f"a heartbeat of the last {bound_us} us", found, step)
