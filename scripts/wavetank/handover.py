"""Peers of which one takes the writes: the others are closed, and what they wrote arrives, before it is opened."""

from wavetank.errors import UsageError
from wavetank.gtid import count_transactions
from wavetank.node import Server, Servers, StatementError
from wavetank.replication import mend_channels
from wavetank.topology import Node
from wavetank.waiting import wait_until

CATCH_UP_S = 30.0
# A transaction that stays open keeps its server from being closed.
CLOSE_TIMEOUT_S = 10
_CLOSED = "SELECT @@GLOBAL.super_read_only"


def hand_over(servers: Servers, *, dry_run: bool = False) -> list[str]:
    """Close every passive peer that takes writes, and let the active one catch up before anybody opens it.

    It can be interrupted and run again: until it is through, nobody takes writes.

    Returns:
        The names of the peers that were open, and with `dry_run` still are.

    Raises:
        UsageError: one could not be closed or has transactions that do not arrive; the active one stays closed.
    """
    peers = servers.topology.peers
    passive = [node for node in peers if node.passive]
    open_ = [node.name for node in passive if not servers[node.name].value(_CLOSED)]
    if not dry_run:
        for name in open_:
            close(servers[name])
        for active in (node for node in peers if not node.passive):
            if servers[active.name].value(_CLOSED):
                _catch_up(active, passive, servers)
    return open_


def close(server: Server) -> None:
    """Make a server refuse every write but its appliers', once its open transactions have ended.

    Raises:
        UsageError: one of them did not end in time.
    """
    try:
        server.execute(f"SET SESSION lock_wait_timeout = {CLOSE_TIMEOUT_S}", "SET GLOBAL super_read_only = ON")
    except StatementError as error:
        raise UsageError(f"{server.name} could not be closed within {CLOSE_TIMEOUT_S} s: {error.msg}") from None


def _catch_up(active: Node, passive: list[Node], servers: Servers) -> None:
    server = servers[active.name]
    mend_channels(server, active.channels, servers.instance.password("replication"))
    executed = ",".join(servers[node.name].value("SELECT @@GLOBAL.gtid_executed") for node in passive)
    lacking = "SELECT GTID_SUBTRACT(%s, @@GLOBAL.gtid_executed)"
    wait_until(
        f"{active.name} to catch up with {', '.join(node.name for node in passive)}, of which it lacks transactions",
        lambda: count_transactions(server.value(lacking, [executed])),
        good=lambda missing: missing == 0,
        timeout_s=CATCH_UP_S,
        hint=f"{active.name} stays closed; ACTIVE={passive[0].name} opens that one again",
    )
