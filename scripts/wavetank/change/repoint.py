"""Move a replica behind another source by GTID auto-position, with nothing lost and nothing applied twice."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from wavetank.change.change_lock import only_change
from wavetank.change.change_plan import Plan
from wavetank.change.drift import semi_sync_statements
from wavetank.change.failover_log import FailoverLog
from wavetank.errors import UnreachableError, UsageError
from wavetank.servers.gtid import union
from wavetank.servers.node import Server, Servers
from wavetank.servers.replication import channels_of, is_replicating, lacking, mend_channels, wait_for_transactions
from wavetank.topology.model import Node, Topology
from wavetank.waiting import wait_until

CATCH_UP_S = 30.0


@dataclass(frozen=True)
class Moved:
    """What became of one replica: `lacked` is how many transactions of the new source it had yet to apply."""

    node: str
    source: str
    before: str
    lacked: int
    seconds: float

    @property
    def line(self) -> str:
        """The sentence that a person reads."""
        if self.before == self.source:
            return f"{self.node} replicates from {self.source} already"
        return (
            f"{self.node} replicates from {self.source} instead of {self.before}: "
            f"{self.lacked} transactions behind, caught up in {self.seconds:.1f} s"
        )


def read_names(node: str, to: str) -> tuple[list[str], str]:
    """Return the replicas that `node` names, separated by commas, and their new source.

    Raises:
        UsageError: one of the two is not given.
    """
    names = [name.strip() for name in node.split(",") if name.strip()]
    if not names or not to:
        raise UsageError("say which replica, and behind which source: make repoint NODE=db3 TO=db1")
    return list(dict.fromkeys(names)), to


def repoint(servers: Servers, names: Sequence[str], to: str) -> list[Moved]:
    """Let the replicas `names` replicate from the server `to`; the instance remembers it.

    Their old source need not be alive. Everything is looked at before anything is changed, and recorded before
    it is done: where this is interrupted, it can be run again, and topology-up goes on with it.

    Raises:
        UsageError: one of them cannot be moved there without losing something; the message says why.
        UnreachableError: one of the servers concerned does not answer.
    """
    with only_change(servers):
        return _repoint(servers, names, to)


def _repoint(servers: Servers, names: Sequence[str], to: str) -> list[Moved]:
    after = _planned(servers.topology, names, to)
    nodes = [servers.topology.node(name) for name in names]
    for node in nodes:
        _refuse_loss(servers[node.name], servers[to])
    servers.instance.remember(after)
    servers.topology = after
    _await_acknowledgements_where_there_are_replicas(
        servers, {channel.source for node in nodes for channel in node.channels}
    )
    FailoverLog(servers.instance).follow(names)
    moved = [_move(node, servers, to) for node in nodes]
    _await_acknowledgements_where_there_are_replicas(servers, {to})
    return moved


def plan_repoint(servers: Servers, names: Sequence[str], to: str) -> Plan:
    """Return what repoint() would do, or why it would refuse; nothing is changed."""
    try:
        _planned(servers.topology, names, to)
        steps = [_would_move(servers, name, to) for name in names]
    except (UsageError, UnreachableError) as refusal:
        return Plan(new=to, refused=str(refusal))
    return Plan(new=to, steps=tuple(steps))


def _would_move(servers: Servers, name: str, to: str) -> str:
    replica, source = servers[name], servers[to]
    _refuse_loss(replica, source)
    before = next((row["HOST"] for row in channels_of(replica).values()), "nobody")
    if before == to:
        return f"{name} replicates from {to} already"
    lacked = lacking(replica, source.value("SELECT @@GLOBAL.gtid_executed"))
    return f"{name} would replicate from {to} instead of {before}: {lacked} transactions behind"


def _planned(topology: Topology, names: Sequence[str], to: str) -> Topology:
    """Return the topology after the move, if there can be one."""
    target = topology.node(to)
    for node in (topology.node(name) for name in names):
        if len(node.channels) != 1 or node.peer:
            reason = "takes writes" if node.is_source else f"has {len(node.channels)} sources"
            raise UsageError(f"{node.name} {reason}: only a replica of one source can be moved")
        if target in topology.tree(node):
            circle = "is the same server" if target == node else f"replicates from {node.name}"
            raise UsageError(f"{node.name} cannot replicate from {to}, which {circle}")
    after = topology.repointed(dict.fromkeys(names, to))
    for node in after.nodes:
        if 0 < (there := len(after.replicas_of(node))) < after.semi_sync:
            raise UsageError(f"{node.name} would have {there} replicas and its commits wait for {after.semi_sync}")
    return after


def _refuse_loss(replica: Server, source: Server) -> None:
    """Refuse where the new source never had what the replica has, or no longer has what it lacks."""
    # What it has received and not applied is discarded with its old channel.
    received = (row["received"] for row in channels_of(replica).values())
    wait_for_transactions(
        source,
        union(replica.value("SELECT @@GLOBAL.gtid_executed"), *received),
        f"{source.name} to have all that {replica.name} has",
        timeout_s=CATCH_UP_S,
        hint="nothing has been changed; make status shows who is behind",
    )
    purged = source.value("SELECT @@GLOBAL.gtid_purged")
    if gone := lacking(replica, purged):
        raise UsageError(
            f"{source.name} has purged binary logs that {replica.name} still needs: {gone} "
            f"transactions; make topology-up REBUILD={replica.name} copies it anew"
        )


def _move(node: Node, servers: Servers, to: str) -> Moved:
    started = time.monotonic()
    replica, source = servers[node.name], servers[to]
    before = next((row["HOST"] for row in channels_of(replica).values()), "nobody")
    theirs = source.value("SELECT @@GLOBAL.gtid_executed")
    lacked = lacking(replica, theirs)
    mend_channels(replica, servers.topology.node(node.name).channels, servers.instance.password("replication"))

    def caught_up() -> bool:
        return is_replicating(replica) and not lacking(replica, theirs)

    wait_until(f"{node.name} to catch up with {to}", caught_up, timeout_s=CATCH_UP_S, hint="make status")
    return Moved(node.name, to, before, lacked, round(time.monotonic() - started, 3))


def _await_acknowledgements_where_there_are_replicas(servers: Servers, names: set[str]) -> None:
    """Turn semi-sync on or off on these servers; one that is dead will be told when it is up again."""
    for name in names:
        try:
            servers[name].execute(*semi_sync_statements(servers.topology.node(name), servers))
        except UnreachableError:
            continue
