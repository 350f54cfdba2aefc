"""What servers are to each other: their roles, and what one has executed that another has not."""

import contextlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace

from wavetank.errors import UnreachableError
from wavetank.servers.gtid import count_transactions, union, without_server
from wavetank.servers.node import Server, StatementError
from wavetank.servers.replication import known_transactions, lacking
from wavetank.status.facts import UNKNOWN, ChannelStatus, NodeStatus

RELAY = "relay"


def with_roles(nodes: tuple[NodeStatus, ...]) -> tuple[NodeStatus, ...]:
    """Return `nodes` with their roles, and with a lag from end to end only where it goes over a relay."""
    upstream = {node.name: node.sources for node in nodes}
    feeds = {source for sources in upstream.values() for source in sources}
    roles = {
        node.name: UNKNOWN if node.unanswered else _role(node.name, upstream, feeds=node.name in feeds)
        for node in nodes
    }

    def over_relays(channel: ChannelStatus) -> ChannelStatus:
        return channel if roles.get(channel.source) == RELAY else replace(channel, end_to_end_lag_us=None)

    return tuple(
        replace(node, role=roles[node.name], channels=tuple(over_relays(channel) for channel in node.channels))
        for node in nodes
    )


def _role(name: str, upstream: Mapping[str, Sequence[str]], *, feeds: bool) -> str:
    if not upstream[name]:
        return "source" if feeds else "standalone"
    if not feeds:
        return "replica"
    above: set[str] = set()
    fresh = set(upstream[name])
    while fresh:
        above |= fresh
        fresh = {further for source in fresh for further in upstream.get(source, ())} - above
    return "peer" if name in above else RELAY


def compare(nodes: tuple[NodeStatus, ...], servers: Mapping[str, Server], pool: Executor) -> tuple[NodeStatus, ...]:
    """Compare the GTID sets of every replica with those of its sources.

    The order of the three looks makes both figures sound: what a replica had before its source was asked,
    and the source neither has nor is committing, is errant; what the source had before the replica is asked
    again, and the replica has not, is the gap.
    """
    wanted = [node.name for node in nodes if not node.unanswered and any(node.name in other.sources for other in nodes)]
    executed = dict(zip(wanted, pool.map(lambda name: _executed(servers[name]), wanted), strict=True))
    known = {name: found for name, found in executed.items() if found is not None}
    return tuple(pool.map(lambda node: _compared(node, servers[node.name], known), nodes))


def _executed(server: Server) -> tuple[str, str] | None:
    """Return what a server is committing and what it has executed, None where it cannot be asked."""
    with contextlib.suppress(UnreachableError, StatementError):
        return known_transactions(server)
    return None


def _compared(node: NodeStatus, server: Server, known: Mapping[str, tuple[str, str]]) -> NodeStatus:
    """Return `node` with gap and errant counted, as far as its sources could be asked."""
    if not node.channels:
        return node

    def gap(source: str) -> int | None:
        return lacking(server, known[source][1]) if source in known else None

    with contextlib.suppress(UnreachableError, StatementError):
        channels = tuple(replace(channel, gap=gap(channel.source)) for channel in node.channels)
        errant = None
        if all(channel.source in known for channel in channels):
            theirs = union(*(gtids for channel in channels for gtids in known[channel.source]))
            mine = without_server(node.gtid_executed, node.server_uuid if node.role == "peer" else "")
            errant = count_transactions(server.value("SELECT GTID_SUBTRACT(%s, %s)", [mine, theirs]))
        return replace(node, channels=channels, errant=errant)
    return node
