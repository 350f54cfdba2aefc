"""Peers of which one takes the writes: the others are closed, and what they wrote arrives, before it is opened."""

from wavetank.change.role_transition import close
from wavetank.servers.node import Servers
from wavetank.servers.replication import mend_channels, wait_for_transactions
from wavetank.topology.model import Node

CATCH_UP_S = 30.0
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


def _catch_up(active: Node, passive: list[Node], servers: Servers) -> None:
    server = servers[active.name]
    mend_channels(server, active.channels, servers.instance.password("replication"))
    executed = ",".join(servers[node.name].value("SELECT @@GLOBAL.gtid_executed") for node in passive)
    wait_for_transactions(
        server,
        executed,
        f"{active.name} to catch up with {', '.join(node.name for node in passive)}",
        timeout_s=CATCH_UP_S,
        hint=f"{active.name} stays closed; ACTIVE={passive[0].name} opens that one again",
    )
