"""Does the heartbeat of the source arrive, fresh enough?"""

from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding
from wavetank.servers.lag import HEARTBEAT_PERIOD_S, heartbeat_age_us, settled_us
from wavetank.servers.node import Servers
from wavetank.topology.model import Node, Topology

QUESTION = "Is the newest heartbeat on the server within the lag bound?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask every node: on a source it says whether the heart beats, on a replica whether it is heard."""
    return topology.nodes


def examine(node: Node, servers: Servers) -> Iterator[Finding]:
    """Compare the heartbeat's age with its period plus the topology's lag bound."""
    bound_us = int((servers.topology.lag_bound_s + HEARTBEAT_PERIOD_S) * 1e6)
    age_us = settled_us(lambda: heartbeat_age_us(servers[node.name]), bound_us)
    if age_us is None or age_us > bound_us:
        found = "none" if age_us is None else f"one {age_us} us old"
        step = "SHOW EVENTS FROM wavetank on the source" if node.is_source else "make status"
        yield Finding(node.name, f"a heartbeat of the last {bound_us} us", found, step)
