"""Is a row that is written to the source readable on every replica? The one check that writes."""

import secrets
import time
from collections.abc import Iterable, Iterator

from wavetank.checks import Finding
from wavetank.errors import UsageError
from wavetank.node import Servers, StatementError
from wavetank.topology import Node, Topology
from wavetank.waiting import wait_until

QUESTION = "Is a row written to the source readable on every replica behind it?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask the sources."""
    return topology.sources


def examine(node: Node, servers: Servers) -> Iterator[Finding]:
    """Write a random token to the source and look for it on each replica, within the lag bound."""
    token = secrets.token_bytes(16)
    try:
        servers[node.name].query(
            "INSERT INTO wavetank.canary VALUES (@@server_id, %s) AS new ON DUPLICATE KEY UPDATE token = new.token", [token]
        )
    except StatementError as error:
        yield Finding(node.name, "a source that takes a write", str(error), "make topology-up")
        return
    written = time.monotonic()
    for replica in list(servers.topology.tree(node))[1:]:
        budget_s = max(0.0, servers.topology.lag_bound_s - (time.monotonic() - written))
        try:
            wait_until(
                "the canary",
                lambda replica=replica: servers[replica.name].value(  # type: ignore[misc]
                    "SELECT 1 FROM wavetank.canary WHERE token = %s", [token]
                ),
                timeout_s=budget_s,
                interval_s=0.005,
            )
        except UsageError:
            yield Finding(
                replica.name,
                f"a row of {node.name} within {servers.topology.lag_bound_s:g} s",
                "no such row",
                "make status",
            )
