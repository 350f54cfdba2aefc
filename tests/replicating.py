"""Pretended MySQL servers that replicate: what each has of all transactions, and what it is told.

They know just the statements of a change of the source. Time stands still but for their being asked: before a server
answers, everything that can flow has flown. A fault can be put before any statement.
"""

import functools
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import pytest
from wavetank.change.failover.detection import ANSWER_TIMEOUT_S
from wavetank.change.failover_log import FailoverLog
from wavetank.errors import UnreachableError
from wavetank.machine.containers import ContainerState
from wavetank.servers.gtid import intervals
from wavetank.servers.replication import PASSWORD_NAME
from wavetank.topology.instance import Instance
from wavetank.topology.model import Topology

Transactions = set[tuple[str, int]]


def replicas_of_db1(count: int) -> dict[str, dict[str, Any]]:
    """Return the hosts of a topology: db1, and so many replicas of it, db2 and so on."""
    replicas = {f"db{number}": {"server_id": number, "replicates_from": "db1"} for number in range(2, count + 2)}
    return {"db1": {"server_id": 1}, **replicas}


class Killed(BaseException):
    """The process that changes the source was ended by SIGKILL."""


def read(gtids: str) -> Transactions:
    """Return a GTID set one transaction at a time."""
    return {
        (key, number)
        for key, ranges in intervals(gtids).items()
        for first, last in ranges
        for number in range(first, last + 1)
    }


def write(transactions: Iterable[tuple[str, int]]) -> str:
    """Return transactions as a GTID set."""
    return ",".join(f"{key}:{number}" for key, number in sorted(transactions))


def uuid_of(name: str) -> str:
    """Return the UUID of the server of that name, which ends in a digit."""
    return f"3ede0b4b-e4bb-11f1-bd5e-{int(name[-1]):012d}"


def committed(name: str, *numbers: int) -> Transactions:
    """Return transactions that the server of that name has committed first."""
    return {(uuid_of(name), number) for number in numbers}


FILE, AFTER_FILE = "a file is to be written", "a file was written"


@dataclass
class Fault:
    """What happens before the n-th statement or write to a file, n counted over all threads.

    Attributes:
        at: n.
        strike: what happens then.
        counts: whether it counts already; otherwise it begins after the first write to a file.
    """

    at: int
    strike: Callable[[], None]
    counts: bool = True
    happened: bool = False
    _seen: int = 0
    _killed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, name: str, _statement: str) -> None:
        """Count, and strike when it is time; nothing that was killed does anything any more."""
        with self._lock:
            if self._killed:
                raise Killed
            self.counts = self.counts or name == AFTER_FILE
            self._seen += self.counts
            if self._seen < self.at or self.happened:
                return
            self.happened = True
            try:
                self.strike()
            except Killed:
                self._killed = True
                raise


def kill_the_process() -> None:
    """End the process that changes the source."""
    raise Killed


def with_faults(write_it: Callable[..., object], harm: Fault) -> Callable[..., None]:
    """Return a write to a file before and after which a fault may happen."""

    def written(*arguments: object) -> None:
        harm(FILE, "")
        write_it(*arguments)
        harm(AFTER_FILE, "")

    return written


@dataclass
class PretendedChannel:
    """From whom a server replicates."""

    host: str
    receives: bool = True
    applies: bool = True
    delay_s: int = 0
    fails: bool = False
    # It applies, and nothing arrives: there is too much of it.
    is_slow: bool = False
    # Whether it has heard from its source since it was started.
    heard: bool = True
    received: Transactions = field(default_factory=set)
    # Transactions that its source has and will not be sent: the network is slow.
    held_back: Transactions = field(default_factory=set)


@dataclass
class PretendedServer:
    """One server."""

    name: str
    fleet: "PretendedFleet"
    executed: Transactions = field(default_factory=set)
    purged: Transactions = field(default_factory=set)
    channels: dict[str, PretendedChannel] = field(default_factory=dict)
    is_open: bool = False
    dead: bool = False
    # Whether it answers those who look; its replicas hear it all the same.
    unreachable: bool = False
    # Whether somebody who may change it has logged in before there was anything to tell it.
    greeted: bool = False

    @property
    def channel(self) -> PretendedChannel:
        """Its own channel, not one for fetching."""
        return self.channels[""]

    def attached_to(self, source: str) -> bool:
        """Return whether it receives what a source sends."""
        return not self.dead and any(each.host == source and each.receives for each in self.channels.values())

    def query(self, statement: str, parameters: Any = (), *, account: str = "monitor") -> list[dict[str, Any]]:  # noqa: ANN401
        """Answer as wavetank.servers.node.Server does; whoever monitors may only ask."""
        self.fleet.before(self.name, statement)
        if self.dead or self.unreachable:
            raise UnreachableError(self.name, "Can't connect to MySQL server")
        asks = statement.split(maxsplit=1)[0] in ("SELECT", "XA")
        assert account == "admin" or (account == "monitor" and asks), f"{account} may not {statement}"
        self.greeted = self.greeted or (account, statement) == ("admin", "SELECT 1")
        self.fleet.flow()
        rows = self._answer(" ".join(statement.split()), parameters)
        self.fleet.flow()
        return rows

    def value(self, statement: str, parameters: Any = (), *, account: str = "monitor") -> Any:  # noqa: ANN401
        """Return the first column of the first row."""
        rows = self.query(statement, parameters, account=account)
        return next(iter(rows[0].values())) if rows else None

    def execute(self, *statements: str, account: str = "admin") -> None:
        """Run statements one after the other."""
        for statement in statements:
            self.query(statement, account=account)

    def _answer(self, statement: str, parameters: Any) -> list[dict[str, Any]]:  # noqa: ANN401, C901, PLR0911, PLR0912
        channel = (re.findall(r"FOR CHANNEL '(.*)'", statement) or [""])[0]
        if "SOURCE_UUID AS source_uuid" in statement:
            return list(self._witness())
        if "replication_connection_configuration" in statement:
            return list(self._channel_rows())
        if "XA RECOVER" in statement:
            return []
        if "WAIT_FOR_EXECUTED_GTID_SET" in statement:
            wanted = parameters[0] if parameters else re.findall(r"SET\('([^']*)'", statement)[0]
            return [{"late": 0 if read(wanted) <= self.executed else 1}]
        if "GTID_SUBTRACT(%s" in statement:
            return [{"missing": write(read(parameters[0]) - self.executed)}]
        if "Rpl_semi_sync_source_clients" in statement:
            return [{"attached": str(sum(each.attached_to(self.name) for each in self.fleet.servers.values()))}]
        if "gtid_owned" in statement:
            return [{"gtids": ""}]
        if "gtid_executed" in statement:
            return [{"gtids": write(self.executed)}]
        if "gtid_purged" in statement:
            return [{"gtids": write(self.purged)}]
        if "super_read_only = ON" in statement:
            self.is_open = False
        elif "read_only = OFF" in statement:
            self.is_open = True
        elif statement.startswith("RESET REPLICA ALL"):
            self._discard(channel)
        elif statement.startswith("STOP REPLICA SQL_THREAD"):
            self.channels[channel].applies = False
        elif statement.startswith("STOP REPLICA"):
            self.channels[channel].applies = self.channels[channel].receives = False
        elif "SOURCE_HOST" in statement:
            assert channel not in self.channels or not self.channels[channel].receives, "it still runs"
            assert parameters == {PASSWORD_NAME: "secret"}
            self._discard(channel)
            host = re.findall(r"SOURCE_HOST = '(.*?)'", statement)[0]
            self.channels[channel] = PretendedChannel(host, receives=False, applies=False)
        elif "SOURCE_DELAY" in statement:
            assert not self.channels[channel].applies, "it still applies"
            self.channels[channel].delay_s = int(re.findall(r"SOURCE_DELAY = (\d+)", statement)[0])
        elif statement.startswith("START REPLICA SQL_THREAD"):
            self.channels[channel].applies = True
        elif statement.startswith("START REPLICA"):
            self.channels[channel].applies = self.channels[channel].receives = True
        else:
            assert statement.startswith(("SELECT 1", "SET ", "INSERT INTO wavetank.heartbeat ")), (
                f"nobody taught this server {statement}"
            )
        return [{"one": 1}]

    def _discard(self, channel: str) -> None:
        """Lose a relay log, as RESET REPLICA ALL and another SOURCE_HOST do."""
        if channel in self.channels:
            self.fleet.discarded |= self.channels.pop(channel).received - self.executed

    def _state(self, channel: PretendedChannel) -> str:
        if not channel.receives:
            return "OFF"
        return "CONNECTING" if self.fleet[channel.host].dead else "ON"

    def _witness(self) -> Iterator[dict[str, Any]]:
        me = {"executed": write(self.executed), "purged": write(self.purged)}
        nothing = dict.fromkeys(("channel", "host", "receiver", "applier", "delay_s", "received", "source_uuid"))
        if not self.channels:
            yield me | nothing | {"silent_s": None, "applier_errors": 0}
        for name, channel in self.channels.items():
            yield me | {
                "channel": name, "host": channel.host, "receiver": self._state(channel),
                "applier": "ON" if channel.applies and not channel.fails else "OFF", "delay_s": channel.delay_s,
                "received": write(channel.received), "source_uuid": uuid_of(channel.host),
                "applier_errors": int(channel.fails), "silent_s": self._silent_s(channel),
            }  # fmt: skip

    def _silent_s(self, channel: PretendedChannel) -> float | None:
        if not channel.heard:
            return None
        return 0.1 if self._state(channel) == "ON" else 9.0

    def _channel_rows(self) -> Iterator[dict[str, Any]]:
        for name, channel in self.channels.items():
            yield {
                "CHANNEL_NAME": name, "HOST": channel.host, "PORT": 3306, "USER": "replication", "AUTO_POSITION": 1,
                "SSL_ALLOWED": "YES", "SSL_VERIFY_SERVER_CERTIFICATE": "YES", "SSL_CA_FILE": "/etc/wavetank/ca.pem",
                "CONNECTION_RETRY_INTERVAL": 1, "CONNECTION_RETRY_COUNT": 86_400, "HEARTBEAT_INTERVAL": 1.0,
                "receiver": self._state(channel), "applier": "ON" if channel.applies and not channel.fails else "OFF",
                "DELAY_S": channel.delay_s, "received": write(channel.received),
                "unapplied": write(channel.received - self.executed),
            }  # fmt: skip

    def flow(self) -> None:
        """Receive and apply what can be."""
        # Another thread may be about to make or remove one.
        for channel in list(self.channels.values()):
            source = self.fleet[channel.host]
            if channel.receives and not source.dead:
                channel.heard = True
                lacking = source.executed - self.executed - channel.received - channel.held_back
                assert not lacking & source.purged, f"{self.name} needs what {source.name} has purged"
                channel.received |= lacking
            if channel.applies and not channel.fails and not channel.delay_s and not channel.is_slow:
                self.executed |= channel.received


class PretendedFleet:
    """The servers of a topology, in order; use it in place of wavetank.servers.node.Servers.

    `before` is called with a server's name and a statement before it is carried out, and may raise or do harm.
    """

    def __init__(self, topology: Topology) -> None:
        """Have every server, replicating as the topology has it."""
        self.topology = topology
        self.instance = Instance(topology.instance)
        self.harm: Callable[[str, str], None] = lambda _name, _statement: None
        # What relay logs held and nobody had applied there when they were discarded.
        self.discarded: Transactions = set()
        self.servers = {node.name: PretendedServer(node.name, self) for node in topology.nodes}
        for node in topology.nodes:
            self[node.name].is_open = node.is_source
            self[node.name].channels = {each.name: PretendedChannel(each.source) for each in node.channels}
        secret = self.instance.secret("replication")
        secret.parent.mkdir(parents=True, exist_ok=True)
        secret.write_text("secret")
        self.instance.remember(topology)

    def __getitem__(self, name: str) -> PretendedServer:
        """Return the server of that name."""
        return self.servers[name]

    def hurried(self, read_timeout_s: int) -> Self:
        """Return itself: it answers at once."""
        assert read_timeout_s == ANSWER_TIMEOUT_S
        return self

    def strike_at(self, at: int, fault: str, patch: pytest.MonkeyPatch, *, from_file: bool = False) -> Fault:
        """Let a fault happen at the n-th step from now on: the process is killed, or the server of that name dies."""
        strike = kill_the_process if fault == "process" else functools.partial(self.die, fault)
        self.harm = harm = Fault(at, strike, counts=not from_file)
        for owner, name in ((Instance, "remember"), (FailoverLog, "_write")):
            patch.setattr(owner, name, with_faults(getattr(owner, name), harm))
        return harm

    def before(self, name: str, statement: str) -> None:
        """Let the fault happen, where there is one."""
        self.harm(name, statement)

    def flow(self) -> None:
        """Let everything flow that can."""
        for _ in self.servers:
            for server in self.servers.values():
                if not server.dead:
                    server.flow()

    def commit(self, name: str, *numbers: int) -> Transactions:
        """Let a server commit transactions of its own; whoever can receive them does."""
        self[name].executed |= committed(name, *numbers)
        self.flow()
        return committed(name, *numbers)

    def kill(self, container: str) -> None:
        """End a server's process, as containers.kill() does: what it had received and not applied is gone."""
        self.die(container.rpartition("-")[2])

    def die(self, name: str) -> None:
        """End a server's process."""
        server = self[name]
        server.dead, server.is_open = True, False
        for channel in server.channels.values():
            channel.received &= server.executed
            channel.heard = False

    def start(self, name: str) -> None:
        """Start a server again: closed, as all are, and replicating from whom it did."""
        self[name].dead = False
        self.flow()

    def containers(self, _project: str | None = None) -> list[ContainerState]:
        """Answer as containers.containers() does."""
        return [
            ContainerState(
                f"id-{node.name}",
                self.topology.container(node),
                "exited" if self[node.name].dead else "running",
                None,
                (),
            )
            for node in self.topology.nodes
        ]

    @property
    def open_ones(self) -> list[str]:
        """The names of the servers that take writes."""
        return [server.name for server in self.servers.values() if server.is_open and not server.dead]

    def again(self) -> "PretendedFleet":
        """Be what the next process finds: the same servers, the topology as it is recorded, and no fault."""
        self.topology = self.instance.topology()
        self.harm = lambda _name, _statement: None
        return self
