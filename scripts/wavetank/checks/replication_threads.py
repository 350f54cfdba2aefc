"""Do both threads run on every declared channel, and on no other?"""

from collections.abc import Iterable, Iterator

from wavetank.checks import Finding
from wavetank.node import Row, Server, Servers
from wavetank.replication import channels_of
from wavetank.topology import Node, Topology

QUESTION = "Do receiver and applier run on the channels that the inventory declares?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask every node: a source must not replicate from anybody."""
    return topology.nodes


def examine(node: Node, servers: Servers) -> Iterator[Finding]:
    """Compare the server's channels with the declared ones, then look at their threads."""
    server = servers[node.name]
    found = channels_of(server)
    declared = {channel.name: channel for channel in node.channels}
    for name in found.keys() - declared.keys():
        yield Finding(
            node.name,
            "no channel but the declared",
            f"{_title(name)} from {found[name]['HOST']}",
            "make topology-up",
        )
    for name, channel in declared.items():
        if name not in found:
            yield Finding(node.name, f"{_title(name)} from {channel.source}", "no such channel", "make topology-up")
            continue
        yield from _threads(node, name, found[name], server)


def _threads(node: Node, name: str, row: Row, server: Server) -> Iterator[Finding]:
    if row["receiver"] != "ON":
        found = f"{row['receiver']} {row['receiver_errno']} {row['receiver_error']}".replace(" 0 ", "").strip()
        yield Finding(node.name, f"a running receiver on {_title(name)}", found, "make topology-up starts it")
    if row["applier"] != "ON":
        error = server.query(APPLIER_ERROR, [name])
        found = f"OFF, error {error[0]['errno']}: {error[0]['message']}" if error else "OFF"
        step = "make topology-up REBUILD=" + node.name if error else "make topology-up starts it"
        yield Finding(node.name, f"a running applier on {_title(name)}", found, step)


def _title(channel: str) -> str:
    return f"channel {channel!r}" if channel else "the default channel"


APPLIER_ERROR = """
    SELECT LAST_ERROR_NUMBER AS errno, LAST_ERROR_MESSAGE AS message
      FROM performance_schema.replication_applier_status_by_worker
     WHERE CHANNEL_NAME = %s AND LAST_ERROR_NUMBER <> 0
     ORDER BY LAST_ERROR_TIMESTAMP DESC LIMIT 1
"""
