"""What the servers are beside what the inventory says they should be: what topology-up has to mend."""

import contextlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from wavetank import containers
from wavetank.accounts import ACCOUNTS
from wavetank.effective import deviating_settings
from wavetank.errors import UnreachableError, UsageError
from wavetank.node import Server, Servers
from wavetank.topology import Channel, Node
from wavetank.waiting import wait_until

START_TIMEOUT_S = 90.0
SETTLE_TIMEOUT_S = 30.0


@dataclass
class Drift:
    """What one node needs. Empty means: nothing."""

    node: str
    port: int
    restart: list[str] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    stop: list[str] = field(default_factory=list)
    forget: list[str] = field(default_factory=list)
    change: list[dict[str, str]] = field(default_factory=list)
    start: list[str] = field(default_factory=list)
    close: bool = False
    open: bool = False

    @property
    def groups(self) -> list[str]:
        """The Ansible groups that topology-up puts the node into: one for each kind of mending."""
        needs = {
            "needs_restart": self.restart,
            "needs_settings": self.settings,
            "needs_replication": self.stop or self.change or self.start,
            "needs_access": self.close or self.open,
        }
        return [group for group, needed in needs.items() if needed]


def wait_for_servers(servers: Servers) -> None:
    """Wait until every server accepts a verified TLS connection of the account admin.

    Raises:
        UsageError: a container has exited, or a server did not answer in time; it says which and why.
    """
    topology = servers.topology

    def wait_for(node: Node) -> None:
        wait_until(
            f"{node.name} to accept connections",
            lambda: _answers(servers[node.name], topology.container(node)),
            timeout_s=START_TIMEOUT_S,
            interval_s=0.05,
            hint=f"docker logs {topology.container(node)}",
        )

    with ThreadPoolExecutor(len(topology.nodes)) as pool:
        list(pool.map(wait_for, topology.nodes))


def _answers(server: Server, container: str) -> bool:
    try:
        return bool(server.value("SELECT 1", account="admin"))
    except UnreachableError:
        states = {state.name: state.status for state in containers.containers()}
        if states.get(container) != "running":
            why = containers.last_words(container) if container in states else "it has no container"
            raise UsageError(f"{server.name} is not running: {why}") from None
        return False


def find_drift(servers: Servers) -> list[Drift]:
    """Return what every node needs, in the inventory's order."""
    with ThreadPoolExecutor(len(servers.topology.nodes)) as pool:
        return list(pool.map(lambda node: _drift_of(node, servers), servers.topology.nodes))


def _drift_of(node: Node, servers: Servers) -> Drift:
    server = servers[node.name]
    drift = Drift(node.name, node.port)
    for deviation in deviating_settings(server):
        if deviation.by_hand:
            drift.settings[deviation.name] = deviation.expected
        else:
            drift.restart.append(deviation.name)
    drift.restart += [f"account {account}" for account in ACCOUNTS if server.refusal(account)]
    _compare_channels(node, server, drift)
    closed = bool(server.value("SELECT @@GLOBAL.super_read_only"))
    writable = not server.value("SELECT @@GLOBAL.read_only")
    drift.close = not node.is_source and not closed
    drift.open = node.is_source and not writable
    return drift


def _compare_channels(node: Node, server: Server, drift: Drift) -> None:
    found = {row["CHANNEL_NAME"]: row for row in server.query(CHANNELS)}
    declared = {channel.name: channel for channel in node.channels}
    for name, stray in found.items():
        if name not in declared and stray["HOST"]:
            drift.stop.append(name)
            drift.forget.append(name)
    for name, channel in declared.items():
        row = found.get(name)
        if row is None or _differs(row, channel):
            if row is not None and (row["receiver"] != "OFF" or row["applier"] != "OFF"):
                drift.stop.append(name)
            drift.change.append({"channel": name, "source": channel.source})
            drift.start.append(name)
        elif row["receiver"] == "OFF" or row["applier"] == "OFF":
            drift.start.append(name)


def wait_for_replication(servers: Servers) -> None:
    """Give every channel the time to connect and to apply what its source has; verification judges then."""

    def settled(node: Node) -> bool:
        server = servers[node.name]
        channels = {row["CHANNEL_NAME"]: row for row in server.query(CHANNELS)}
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
        with contextlib.suppress(UsageError):
            wait_until(f"{node.name} to catch up", lambda: settled(node), timeout_s=SETTLE_TIMEOUT_S, interval_s=0.02)

    with ThreadPoolExecutor(len(servers.topology.nodes)) as pool:
        list(pool.map(wait_for, servers.topology.replicas))


# The state of every channel, as the server's own performance_schema tells it.
CHANNELS = """
    SELECT c.CHANNEL_NAME, c.HOST, c.PORT, c.USER, c.AUTO_POSITION, c.SSL_ALLOWED,
           c.SSL_VERIFY_SERVER_CERTIFICATE, c.SSL_CA_FILE, c.CONNECTION_RETRY_INTERVAL,
           r.SERVICE_STATE AS receiver, a.SERVICE_STATE AS applier,
           r.LAST_ERROR_NUMBER AS receiver_errno, r.LAST_ERROR_MESSAGE AS receiver_error,
           ac.DESIRED_DELAY AS delay_s
      FROM performance_schema.replication_connection_configuration c
      JOIN performance_schema.replication_connection_status r USING (CHANNEL_NAME)
      JOIN performance_schema.replication_applier_status a USING (CHANNEL_NAME)
      JOIN performance_schema.replication_applier_configuration ac USING (CHANNEL_NAME)
     WHERE c.CHANNEL_NAME NOT LIKE 'group\\_replication\\_%'
"""


def channel_deviations(row: Mapping[str, Any], channel: Channel) -> dict[str, tuple[Any, Any]]:
    """Return what of a channel's configuration is not as the inventory says: name to (expected, found)."""
    expected = {
        "HOST": channel.source,
        "PORT": 3306,
        "USER": "replication",
        "AUTO_POSITION": "1",
        "SSL_ALLOWED": "YES",
        "SSL_VERIFY_SERVER_CERTIFICATE": "YES",
        "SSL_CA_FILE": "/etc/wavetank/ca.pem",
        "delay_s": 0,
    }
    return {name: (value, row[name]) for name, value in expected.items() if str(row[name]) != str(value)}


def _differs(row: Mapping[str, Any], channel: Channel) -> bool:
    return bool(channel_deviations(row, channel))
