"""Is a row that is written to the source readable on every replica? The one check that writes."""

import secrets
import time
from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding, NotAsked, Seen
from wavetank.errors import UnreachableError, UsageError
from wavetank.servers.node import Server, Servers, StatementError
from wavetank.servers.replication import channels_of, replicates
from wavetank.topology.model import Node, Topology
from wavetank.waiting import wait_until

WRITE = """
    INSERT INTO wavetank.canary VALUES (@@server_id, %s) AS new ON DUPLICATE KEY UPDATE token = new.token
"""
READ = "SELECT 1 FROM wavetank.canary WHERE token = %s"
# ER_OPTION_PREVENTS_STATEMENT: read_only.
CLOSED = 1290

QUESTION = "Is a row written to the source readable on every replica behind it?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask the sources."""
    return topology.sources


def examine(node: Node, servers: Servers) -> Iterator[Seen]:
    """Write a random token to the source and look for it on each replica, within the lag bound.

    One cause is one finding: a closed source, a replica that does not answer and one that does not
    replicate are other checks' findings; nothing is asked of them here, nor of what is behind them.
    """
    token = secrets.token_bytes(16)
    try:
        servers[node.name].query(WRITE, [token])
    except StatementError as error:
        if error.errno == CLOSED:
            yield NotAsked("the source takes no writes, which writable reports")
        else:
            yield Finding(node.name, "a source that takes a write", str(error), "make topology-up")
        return
    written = time.monotonic()
    cut: set[str] = set()
    for replica in list(servers.topology.tree(node))[1:]:
        budget_s = max(0.0, servers.topology.lag_bound_s - (time.monotonic() - written))
        if all(channel.source in cut for channel in replica.channels) or not _replicates(servers[replica.name]):
            cut.add(replica.name)
            yield NotAsked(f"{replica.name} does not replicate, or does not answer, or is behind such a one")
            continue
        try:
            arrived = _arrives(servers[replica.name], token, budget_s)
        except UnreachableError as error:
            yield NotAsked(str(error))
            continue
        if not arrived:
            yield Finding(
                replica.name,
                f"a row of {node.name} within {servers.topology.lag_bound_s:g} s",
                "no such row",
                "make status",
            )


def _replicates(replica: Server) -> bool:
    try:
        channels = channels_of(replica).values()
    except UnreachableError:
        return False
    return bool(channels) and all(replicates(row) for row in channels)


def _arrives(replica: Server, token: bytes, budget_s: float) -> bool:
    try:
        wait_until("the canary", lambda: replica.value(READ, [token]), timeout_s=budget_s, interval_s=0.005)
    except UsageError:
        return False
    return True
