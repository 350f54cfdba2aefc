"""What is known of an instance at a moment: its servers and their channels, as they report themselves."""

import shlex
from dataclasses import asdict, dataclass
from typing import Any

from wavetank.status.proxies import ProxyStatus, client_command
from wavetank.status.shards import ShardMapStatus

RUNNING, ABSENT, UNKNOWN = "running", "absent", "unknown"


@dataclass(frozen=True)
class Remark:
    """What is not as the inventory says; `broken` where something does not work, not merely differs."""

    text: str
    broken: bool = False


@dataclass(frozen=True)
class ChannelStatus:
    """One replication channel as its replica reports it.

    Attributes:
        name: '' is MySQL's default channel.
        source: the HOST that the replica replicates from.
        receiver: ON, CONNECTING or OFF.
        applier: ON or OFF.
        lag_us: the applier's lag behind its source in microseconds; None before its first transaction and where
            a thread does not run, since what was applied last then says nothing about now.
        end_to_end_lag_us: the same, counted from where the change began; None as well where the source is no relay.
        gap: how many transactions of the source the replica lacks; None where the source cannot be asked.
        error: what the threads complain about, '' for nothing.
        deviations: settings that are not as the inventory wants them, as "name found, not expected".
    """

    name: str
    source: str
    receiver: str
    applier: str
    lag_us: int | None = None
    end_to_end_lag_us: int | None = None
    gap: int | None = None
    error: str = ""
    deviations: tuple[str, ...] = ()

    @property
    def runs(self) -> bool:
        """Whether both threads run."""
        return self.receiver == "ON" and self.applier == "ON"


@dataclass(frozen=True)
class NodeStatus:
    """One server as it reports itself; `unanswered` says why it could not be asked.

    Attributes:
        port: where 127.0.0.1 publishes the server.
        container_state: the engine's word (running, paused, exited...), absent, or unknown without an engine.
        declared_sources: the servers that the inventory makes this one replicate from.
        role: source, relay, replica, peer (of a ring), standalone, or unknown.
        heartbeat_age_us: the age of the newest heartbeat that the server holds, in microseconds.
        errant: how many transactions the server executed that none of its sources has; None where a source
            cannot be asked. What a peer wrote itself does not count.
    """

    name: str
    port: int
    container: str
    container_state: str
    declared_sources: tuple[str, ...] = ()
    unanswered: str = ""
    role: str = UNKNOWN
    server_id: int | None = None
    server_uuid: str = ""
    version: str = ""
    read_only: bool | None = None
    super_read_only: bool | None = None
    gtid_executed: str = ""
    heartbeat_age_us: int | None = None
    errant: int | None = None
    channels: tuple[ChannelStatus, ...] = ()
    remarks: tuple[Remark, ...] = ()
    shard: int = 0

    @property
    def sources(self) -> tuple[str, ...]:
        """Whom it replicates from: by its own word, or by the inventory's where it does not answer."""
        return self.declared_sources if self.unanswered else tuple(channel.source for channel in self.channels)

    @property
    def writability(self) -> str:
        """Who may write, in MySQL's words; '' where the server does not answer."""
        if self.unanswered:
            return ""
        return "super_read_only" if self.super_read_only else "read_only" if self.read_only else "writable"

    @property
    def root_command(self) -> str:
        """What connects as root, through the socket in the container."""
        return f"docker exec -it {shlex.quote(self.container)} mysql"


@dataclass(frozen=True)
class InstanceStatus:
    """All servers of an instance, in the inventory's order; `ca`, `secret` and `client` are paths of files."""

    instance: str
    topology: str
    nodes: tuple[NodeStatus, ...]
    ca: str
    secret: str
    client: str
    proxies: tuple[ProxyStatus, ...] = ()
    shard_map: ShardMapStatus | None = None

    @property
    def as_declared(self) -> bool:
        """Whether everything answers, works, and is as the inventory says."""
        whole = not self.shard_map or not self.shard_map.unread
        remarked = any(node.remarks for node in self.nodes) or any(proxy.remarks for proxy in self.proxies)
        return whole and not remarked

    @property
    def roots(self) -> tuple[NodeStatus, ...]:
        """The servers that replicate from no server of the instance."""
        names = {node.name for node in self.nodes}
        return tuple(node for node in self.nodes if not names.intersection(node.sources))

    def behind(self, source: NodeStatus) -> tuple[NodeStatus, ...]:
        """Return the servers that replicate directly from `source`."""
        return tuple(node for node in self.nodes if source.name in node.sources)

    @property
    def app_node(self) -> NodeStatus:
        """Where an application would write: the first server that takes writes, else the first of all."""
        return next((node for node in self.nodes if node.writability == "writable"), self.nodes[0])

    @property
    def app_command(self) -> tuple[str, ...]:
        """What connects to `app_node` from the host over verified TLS, in the parts that a line may hold."""
        return client_command(self.client, self.app_node.port)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON takes it; times in microseconds."""
        nodes = [
            asdict(node) | {"writability": node.writability, "root_command": node.root_command} for node in self.nodes
        ]
        extra = {"as_declared": self.as_declared, "app_command": " ".join(self.app_command)}
        return asdict(self) | extra | {"nodes": nodes}
