"""Are the settings in force those of the rendered my.cnf?"""

from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding
from wavetank.servers.effective import deviating_settings
from wavetank.servers.node import Servers
from wavetank.topology.model import Node, Topology

QUESTION = "Are the settings in force those of the rendered my.cnf?"
# One cause is one finding.
ASKED_ELSEWHERE = ("server_id", "auto_increment_increment", "auto_increment_offset")


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask every node."""
    return topology.nodes


def examine(node: Node, servers: Servers) -> Iterator[Finding]:
    """Compare every rendered setting with the server's variable."""
    for deviation in deviating_settings(servers[node.name]):
        if deviation.name in ASKED_ELSEWHERE:
            continue
        yield Finding(
            node.name,
            f"{deviation.name} = {deviation.expected}",
            f"{deviation.name} = {deviation.found}",
            "make topology-up sets it back; to keep it, state it as my_cnf in the inventory",
        )
