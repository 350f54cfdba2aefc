"""Do both threads run on every declared channel, and on no other?"""

from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding
from wavetank.servers.node import Row, Servers
from wavetank.servers.replication import ROW_ERRORS, applier_error, channels_of
from wavetank.topology.model import Channel, Node, Topology, channel_title

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
        stray = f"{channel_title(name)} from {found[name]['HOST']}"
        yield Finding(node.name, "no channel but the declared", stray, "make topology-up")
    for name, channel in declared.items():
        if name in found:
            yield from _threads(node, channel, found[name], servers)
        else:
            yield Finding(node.name, f"{channel.title} from {channel.source}", "no such channel", "make topology-up")


def _threads(node: Node, channel: Channel, row: Row, servers: Servers) -> Iterator[Finding]:
    if row["receiver"] != "ON":
        found = f"{row['receiver']} {row['receiver_errno']} {row['receiver_error']}".replace(" 0 ", "").strip()
        stopped = row["receiver"] == "OFF"
        step = "make topology-up starts it" if stopped else f"make status: does {channel.source} answer?"
        yield Finding(node.name, f"a running receiver on {channel.title}", found, step)
    if row["applier"] != "ON":
        error = applier_error(servers[node.name], channel.name)
        found = (
            f"OFF, error {error['errno']}: {error['message']}{_row(node, channel, error, servers)}" if error else "OFF"
        )
        step = _next_step(node, error) if error else "make topology-up starts it"
        yield Finding(node.name, f"a running applier on {channel.title}", found, step)


def _row(node: Node, channel: Channel, error: Row, servers: Servers) -> str:
    """Return the row that the applier could not take, as it ends the sentence; '' where it is about none."""
    if error["errno"] not in ROW_ERRORS:
        return ""
    # Reading a binary log takes a library that a healthy instance need not wait for.
    from wavetank.servers.binlog.stopped import stopping_row  # noqa: PLC0415

    row = stopping_row(servers[node.name], servers[channel.source], error["message"])
    return f"; the row: {row}" if row else ""


def _next_step(node: Node, error: Row) -> str:
    if node.peer and error["errno"] in ROW_ERRORS:
        return "make conflicts says what each side did, make resolve decides"
    return f"make topology-up REBUILD={node.name}"
