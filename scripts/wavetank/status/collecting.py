"""What an instance is by its servers' own word: who replicates from whom, how far behind, who takes writes.

The inventory says only whom to ask, where to draw a server that does not answer, and what the picture is
compared with. Nothing here prints.
"""

import contextlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

from wavetank.errors import UnreachableError
from wavetank.machine import containers
from wavetank.servers.accounts import APP_ACCOUNT
from wavetank.servers.gtid import count_transactions, without_server
from wavetank.servers.lag import applier_lag, heartbeat_age_us
from wavetank.servers.node import Row, Server, StatementError
from wavetank.servers.replication import applier_error, channel_deviations, channels_of
from wavetank.status.proxies import ProxyStatus, ask_proxy, client_command
from wavetank.status.shards import ShardMapStatus, ask_shard_map
from wavetank.topology.instance import Instance
from wavetank.topology.model import Channel, Node, Topology
from wavetank.topology.proxies import Proxy

# Beside the time that a connection may take, node.CONNECT_TIMEOUT_S: a picture is looked at, not waited for.
ANSWER_TIMEOUT_S = 2
RUNNING, ABSENT, UNKNOWN = "running", "absent", "unknown"
RELAY = "relay"


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


def collect(topology: Topology) -> InstanceStatus:
    """Ask the engine and, side by side, all servers; one that does not answer is part of the result."""
    instance = Instance(topology.instance)
    servers = {node.name: Server(node.name, node.port, instance, ANSWER_TIMEOUT_S) for node in topology.nodes}
    states = _container_states(topology)
    with contextlib.ExitStack() as stack:
        for server in servers.values():
            stack.callback(server.close)
        pool = stack.enter_context(ThreadPoolExecutor(len(topology.nodes)))
        asked = pool.map(lambda node: _ask(node, servers[node.name], _unasked(node, topology, states)), topology.nodes)
        fronts = pool.map(lambda proxy: _ask_proxy(proxy, topology, states), topology.proxies)
        # A catalogue whose server is gone would only cost its timeout, once more.
        shard_map = _ask_shard_map(topology, servers, states) if topology.shards else None
        nodes = _compare(_with_roles(tuple(asked)), servers, pool)
    return InstanceStatus(
        instance=topology.instance,
        topology=topology.name,
        nodes=tuple(
            replace(node, remarks=tuple(remarks(topology.node(node.name), node, topology.lag_bound_s)))
            for node in nodes
        ),
        ca=str(instance.ca),
        secret=str(instance.secret(APP_ACCOUNT)),
        client=str(instance.client_settings(APP_ACCOUNT)),
        proxies=tuple(fronts),
        shard_map=shard_map,
    )


def _ask_shard_map(
    topology: Topology, servers: Mapping[str, Server], states: Mapping[str, str] | None
) -> ShardMapStatus:  # fmt: skip
    source = topology.shards[0].source
    state = UNKNOWN if states is None else states.get(topology.container(source), ABSENT)
    if state not in (RUNNING, UNKNOWN):
        return ShardMapStatus(unread=f"{source.name} does not answer: container {state}")
    return ask_shard_map(topology, servers[source.name])


def _container_states(topology: Topology) -> Mapping[str, str] | None:
    """Return the engine's word by container, None where no engine answers."""
    if not containers.engine_answers():
        return None
    return {state.name: state.status for state in containers.containers(topology.project)}


def _unasked(node: Node, topology: Topology, states: Mapping[str, str] | None) -> NodeStatus:
    """Return what is known of a node before its server is asked."""
    container = topology.container(node)
    return NodeStatus(
        name=node.name,
        port=node.port,
        container=container,
        container_state=UNKNOWN if states is None else states.get(container, ABSENT),
        declared_sources=tuple(channel.source for channel in node.channels),
        shard=node.shard,
    )


def _ask_proxy(proxy: Proxy, topology: Topology, states: Mapping[str, str] | None) -> ProxyStatus:
    instance = Instance(topology.instance)
    state = UNKNOWN if states is None else states.get(topology.container(proxy), ABSENT)
    return ask_proxy(
        proxy,
        topology,
        state,
        lambda name, port: Server(name, port, instance, ANSWER_TIMEOUT_S),
        askable=state in (RUNNING, UNKNOWN),
    )


def _ask(node: Node, server: Server, unasked: NodeStatus) -> NodeStatus:
    """Ask one server for everything that it alone can tell."""
    # A paused server would only cost its timeout, and the port of an absent one may be somebody else's.
    if unasked.container_state not in (RUNNING, UNKNOWN):
        return replace(unasked, unanswered=f"container {unasked.container_state}")
    try:
        row = server.query(_SELF)[0]
        channels = tuple(_channel(node, server, found) for found in channels_of(server).values())
    except UnreachableError as error:
        # The driver says in its first sentence what happened, and then what a programmer might do.
        reason = _one_line(str(error).removeprefix(f"{node.name} does not answer: "))
        return replace(unasked, unanswered=reason.split(". ")[0])
    except StatementError as error:
        return replace(unasked, unanswered=f"refuses: {_one_line(str(error))}")
    age_us = None
    # The heartbeat is a table like any other: one that is locked or dropped does not silence its server.
    with contextlib.suppress(UnreachableError, StatementError):
        age_us = heartbeat_age_us(server)
    return replace(
        unasked,
        server_id=int(row["server_id"]),
        server_uuid=row["server_uuid"],
        version=row["version"],
        read_only=bool(row["ro"]),
        super_read_only=bool(row["super_ro"]),
        gtid_executed=row["executed"].replace("\n", ""),
        heartbeat_age_us=age_us,
        channels=channels,
    )


_SELF = """
    SELECT @@server_id AS server_id, @@server_uuid AS server_uuid, @@version AS version,
           @@GLOBAL.read_only AS ro, @@GLOBAL.super_read_only AS super_ro, @@GLOBAL.gtid_executed AS executed
"""


def _channel(node: Node, server: Server, row: Row) -> ChannelStatus:
    declared = next((channel for channel in node.channels if channel.name == row["CHANNEL_NAME"]), None)
    differs = channel_deviations(row, declared) if declared else {}
    channel = ChannelStatus(
        name=row["CHANNEL_NAME"],
        source=row["HOST"],
        receiver=row["receiver"],
        applier=row["applier"],
        # The source has a remark of its own.
        deviations=tuple(
            f"{name} {found}, not {wanted}" for name, (wanted, found) in differs.items() if name != "HOST"
        ),
    )
    if channel.runs:
        lag = applier_lag(server, Channel(channel.name, channel.source))
        return replace(channel, lag_us=lag.hop_us, end_to_end_lag_us=lag.end_to_end_us) if lag else channel
    return replace(channel, error=_one_line("; ".join(_complaints(server, row))))


def _complaints(server: Server, row: Row) -> Iterator[str]:
    if row["receiver"] != "ON" and row["receiver_errno"]:
        yield f"error {row['receiver_errno']}: {row['receiver_error']}"
    if row["applier"] != "ON" and (error := applier_error(server, row["CHANNEL_NAME"])):
        yield f"error {error['errno']}: {error['message']}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _with_roles(nodes: tuple[NodeStatus, ...]) -> tuple[NodeStatus, ...]:
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


def _compare(nodes: tuple[NodeStatus, ...], servers: Mapping[str, Server], pool: Executor) -> tuple[NodeStatus, ...]:
    """Compare the GTID sets of every replica with those of its sources.

    The order of the three looks makes both figures sound: what a replica had before its source was asked,
    and the source has not, is errant; what the source had before the replica is asked again, and the
    replica has not, is the gap.
    """
    wanted = [node.name for node in nodes if not node.unanswered and any(node.name in other.sources for other in nodes)]
    executed = dict(zip(wanted, pool.map(lambda name: _executed(servers[name]), wanted), strict=True))
    known = {name: found for name, found in executed.items() if found is not None}
    return tuple(pool.map(lambda node: _compared(node, servers[node.name], known), nodes))


def _executed(server: Server) -> str | None:
    with contextlib.suppress(UnreachableError, StatementError):
        return str(server.value("SELECT @@GLOBAL.gtid_executed"))
    return None


def _compared(node: NodeStatus, server: Server, executed: Mapping[str, str]) -> NodeStatus:
    """Return `node` with gap and errant counted, as far as its sources could be asked."""
    if not node.channels:
        return node

    def gap(source: str) -> int | None:
        if source not in executed:
            return None
        return count_transactions(server.value("SELECT GTID_SUBTRACT(%s, @@GLOBAL.gtid_executed)", [executed[source]]))

    with contextlib.suppress(UnreachableError, StatementError):
        channels = tuple(replace(channel, gap=gap(channel.source)) for channel in node.channels)
        errant = None
        if all(channel.source in executed for channel in channels):
            theirs = ",".join(executed[channel.source] for channel in channels if executed[channel.source])
            mine = without_server(node.gtid_executed, node.server_uuid if node.role == "peer" else "")
            errant = count_transactions(server.value("SELECT GTID_SUBTRACT(%s, %s)", [mine, theirs]))
        return replace(node, channels=channels, errant=errant)
    return node


def remarks(node: Node, seen: NodeStatus, lag_bound_s: float) -> Iterator[Remark]:
    """Yield what of a server is not as the inventory says; lag is judged by its bound in seconds."""
    if seen.unanswered:
        yield Remark(f"no answer: {seen.unanswered}", broken=True)
        return
    if node.is_source and seen.read_only:
        yield Remark(f"is {seen.writability}; the inventory makes it take writes")
    if not node.is_source and not seen.super_read_only:
        yield Remark(f"is {seen.writability}; the inventory makes it super_read_only")
    if sorted(seen.sources) != sorted(seen.declared_sources):
        found, declared = (", ".join(names) or "nobody" for names in (seen.sources, seen.declared_sources))
        yield Remark(f"replicates from {found}; the inventory says {declared}")
    for channel in seen.channels:
        yield from _channel_remarks(channel, lag_bound_s)
    if seen.errant:
        yield Remark(f"has {seen.errant} errant: executed here, unknown to {' and '.join(seen.sources)}")


def _channel_remarks(channel: ChannelStatus, lag_bound_s: float) -> Iterator[Remark]:
    threads = {"receiver": channel.receiver, "applier": channel.applier}
    stopped = ", ".join(f"{thread} {state}" for thread, state in threads.items() if state != "ON")
    if stopped:
        yield Remark(": ".join(filter(None, (f"from {channel.source}", stopped, channel.error))), broken=True)
    if channel.lag_us is not None and channel.lag_us > lag_bound_s * 1e6:
        yield Remark(f"is more than {lag_bound_s:g} s behind {channel.source}")
    if channel.deviations:
        yield Remark(f"from {channel.source}: {'; '.join(channel.deviations)}")
