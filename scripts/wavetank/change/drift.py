"""What the servers are beside what the inventory says they should be: what topology-up has to mend."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from wavetank.errors import UnreachableError, UsageError
from wavetank.machine.containers import refuse_if_dead
from wavetank.servers.accounts import ACCOUNTS
from wavetank.servers.effective import deviating_settings
from wavetank.servers.gtid import is_hole
from wavetank.servers.lag import BEAT
from wavetank.servers.node import Server, Servers, StatementError
from wavetank.servers.replication import (
    ACCOUNT,
    channels_of,
    forget_statements,
    looped,
    mending_statements,
    restart_statements,
    run_statements,
)
from wavetank.threads import side_by_side
from wavetank.topology.model import Node
from wavetank.waiting import wait_until

START_TIMEOUT_S = 90.0
SETTLE_TIMEOUT_S = 30.0
CATCH_UP_S = 20


@dataclass
class Drift:
    """What one node needs: a restart for these reasons, then these statements. Empty means: nothing."""

    node: str
    port: int
    restart: list[str] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)

    @property
    def groups(self) -> list[str]:
        """The Ansible groups that topology-up puts the node into: one for each kind of mending."""
        # What a server needs after a restart is only known after it.
        return ["needs_restart"] if self.restart else ["needs_statements"] if self.statements else []


def wait_for_servers(servers: Servers) -> None:
    """Wait until every server accepts a verified TLS connection of the account admin.

    Raises:
        UsageError: a container has exited, or a server did not answer in time; it says which and why.
    """
    topology = servers.topology

    def wait_for(node: Node) -> None:
        container = topology.container(node)
        wait_until(
            f"{node.name} to accept connections",
            lambda: servers[node.name].greets() or refuse_if_dead(node.name, container),
            timeout_s=START_TIMEOUT_S,
            interval_s=0.1,
            hint=f"docker logs {container}",
        )
        servers[node.name].query("SELECT 1", account="admin")

    side_by_side(wait_for, topology.nodes)


def find_drift(servers: Servers) -> list[Drift]:
    """Return what every node needs, in the inventory's order."""
    return side_by_side(lambda node: _drift_of(node, servers), servers.topology.nodes)


def mend(servers: Servers, statements: Mapping[str, Sequence[str]]) -> None:
    """Run what each server needs, by the servers' names; all side by side, and each one's statements in their order.

    Raises:
        UsageError: a server refuses a statement; what other servers need has been run all the same.
        UnreachableError: a server does not answer.
    """
    password = servers.instance.password(ACCOUNT)

    def run(name: str) -> None:
        try:
            run_statements(servers[name], statements[name], password)
        except StatementError as error:
            raise UsageError(f"{name} refuses what it needs: {error.msg}") from error

    side_by_side(run, list(statements))


def _drift_of(node: Node, servers: Servers) -> Drift:
    server = servers[node.name]
    drift = Drift(node.name, node.port)
    for deviation in deviating_settings(server):
        if deviation.by_hand:
            drift.statements.append(deviation.statement)
        else:
            drift.restart.append(deviation.name)
    # The server states every account anew when it starts.
    drift.restart += [f"account {account}" for account in ACCOUNTS if server.refusal(account)]
    declared = {channel.name: channel for channel in node.channels}
    mending = list(mending_statements(channels_of(server), declared))
    # A replica under its source's id has left out what the source sent meanwhile.
    renumbered = any(statement.startswith("SET GLOBAL server_id") for statement in drift.statements)
    loops = looped(server) if node.peer else {}
    for channel in node.channels if not mending else ():
        if channel.name in loops:
            mending += forget_statements(channel)
        elif renumbered or _has_hole(server, servers[channel.source]):
            mending += restart_statements(channel)
    drift.statements += mending
    drift.statements += semi_sync_statements(node, servers)
    state = server.query("SELECT @@GLOBAL.read_only AS closed, @@GLOBAL.super_read_only AS closed_to_all")[0]
    # Turning read_only off turns super_read_only off with it; turning super_read_only on turns both on.
    if node.is_source and state["closed"]:
        drift.statements.append("SET GLOBAL read_only = OFF")
        # Its event beats once a second; the checks would wait for that. Nobody is waited for who is to acknowledge it.
        if not servers.topology.semi_sync:
            drift.statements.append(BEAT)
    if not node.is_source and not state["closed_to_all"]:
        drift.statements.append("SET GLOBAL super_read_only = ON")
    return drift


def semi_sync_statements(node: Node, servers: Servers) -> list[str]:
    """Return what makes a server wait for acknowledgements exactly where there are replicas to give them."""
    if not servers.topology.semi_sync:
        return []
    found = bool(servers[node.name].value("SELECT @@GLOBAL.rpl_semi_sync_source_enabled"))
    wanted = bool(servers.topology.replicas_of(node))
    if found == wanted:
        return []
    if not wanted:
        return ["SET GLOBAL rpl_semi_sync_source_enabled = OFF"]
    # Peers send no acknowledgement for what they have had already: while it catches up, a server must not wait for any.
    theirs = [servers[channel.source].value("SELECT @@GLOBAL.gtid_executed") for channel in node.channels]
    behind = ",".join(filter(None, theirs)).replace("\n", "")
    catch_up = [f"DO WAIT_FOR_EXECUTED_GTID_SET('{behind}', {CATCH_UP_S})"] if behind else []
    return [*catch_up, "SET GLOBAL rpl_semi_sync_source_enabled = ON"]


def _has_hole(replica: Server, source: Server) -> bool:
    executed = replica.value("SELECT @@GLOBAL.gtid_executed")
    theirs = source.value("SELECT @@GLOBAL.gtid_executed")
    missing: str = replica.value("SELECT GTID_SUBTRACT(%s, %s)", [theirs, executed])
    return is_hole(missing, executed)


def wait_for_replication(servers: Servers) -> None:
    """Give every channel the time to connect and to apply what its source has; verification judges then."""

    def settled(node: Node) -> bool:
        server = servers[node.name]
        channels = channels_of(server)
        for channel in node.channels:
            row = channels.get(channel.name)
            if row is None or row["receiver"] == "OFF" or row["applier"] == "OFF":
                return True  # nothing to wait for: it is broken, and the checks will say how
            executed = servers[channel.source].value("SELECT @@GLOBAL.gtid_executed")
            if row["receiver"] != "ON" or not server.value(
                "SELECT GTID_SUBSET(%s, @@GLOBAL.gtid_executed)", [executed]
            ):
                return False
        return True

    def wait_for(node: Node) -> None:
        with contextlib.suppress(UsageError, UnreachableError):
            wait_until(f"{node.name} to catch up", lambda: settled(node), timeout_s=SETTLE_TIMEOUT_S, interval_s=0.02)

    side_by_side(wait_for, servers.topology.replicas)
