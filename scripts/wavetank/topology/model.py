"""The inventory as frozen dataclasses: what a topology should be.

Built once, by topology-up, from the variables that Ansible read from the inventory; every other
command reads it back from the instance's directory. Nothing here asks a server anything.
"""

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wavetank.errors import UsageError
from wavetank.topology.naming import next_name
from wavetank.topology.proxies import Proxy, read_weight

HIGHEST_SERVER_ID = 2**32 - 1
_NODE_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_INSTANCE_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LONGEST_NAME = 40
# Of a shard's number there are as many; its servers' ids begin that far after those of the shard before.
MOST_SHARDS = 99
SHARD_IDS = 100


@dataclass(frozen=True)
class Channel:
    """One replication channel of a node: its name ('' is MySQL's default channel) and its source."""

    name: str
    source: str

    @property
    def title(self) -> str:
        """The channel as a sentence names it."""
        return channel_title(self.name)


@dataclass(frozen=True)
class Node:
    """One MySQL server as the inventory states it; `port` is where 127.0.0.1 publishes it.

    A `peer` takes writes beside its channels; a `passive` one could, and is kept closed for now. `weight` is
    its share of the reads behind a proxy. `shard` is the number of the part of the rows that it holds, 0 where every
    server holds all of them.
    """

    name: str
    server_id: int
    port: int
    channels: tuple[Channel, ...] = ()
    my_cnf: tuple[tuple[str, str], ...] = ()
    peer: bool = False
    passive: bool = False
    weight: int = 1
    shard: int = 0

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports of 127.0.0.1 that are its own."""
        return (self.port,)

    @property
    def is_source(self) -> bool:
        """Whether this node takes writes: as the head of a replication tree, or as one of several peers."""
        return not self.passive and (self.peer or not self.channels)


# What an instance consists of: each has a name, ports and a container.
Member = Node | Proxy


@dataclass(frozen=True)
class Shard:
    """One part of the rows: its number from 1, the server that takes its writes, and those that follow it."""

    number: int
    source: Node
    replicas: tuple[Node, ...]

    @property
    def schema(self) -> str:
        """The schema that holds its rows: another one on each shard, so that a proxy can tell them apart."""
        return f"shop_{self.number}"

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The source, then its replicas."""
        return (self.source, *self.replicas)


@dataclass(frozen=True)
class Sizing:
    """What one node may use: memory in bytes; CPUs as a fraction of cores, None for no limit."""

    memory: int
    buffer_pool: int
    cpus: float | None = None


@dataclass(frozen=True)
class Topology:
    """A whole instance: its servers and everything that holds for all of them.

    `semi_sync` is how many replicas' receipts a commit waits for, 0 for asynchronous replication.
    """

    name: str
    instance: str
    nodes: tuple[Node, ...]
    image: str
    sizing: Sizing
    semi_sync: int = 0
    semi_sync_timeout_ms: int = 10_000
    lag_bound_s: float = 5.0
    given: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    proxies: tuple[Proxy, ...] = ()
    # By what the first shard map divides, where there are shards: one of sharding.maps.KINDS.
    shard_by: str = ""

    @property
    def project(self) -> str:
        """The name of the compose project, and the prefix of all its containers and volumes."""
        return project_of(self.instance)

    @property
    def sources(self) -> tuple[Node, ...]:
        """The nodes that take writes."""
        return tuple(node for node in self.nodes if node.is_source)

    @property
    def replicas(self) -> tuple[Node, ...]:
        """The nodes that replicate from another; a peer is a source and a replica."""
        return tuple(node for node in self.nodes if node.channels)

    @property
    def peers(self) -> tuple[Node, ...]:
        """The nodes that take writes, or could, although they replicate from others."""
        return tuple(node for node in self.nodes if node.peer)

    @property
    def shards(self) -> tuple[Shard, ...]:
        """The parts of the rows by their numbers; whether one has rows is said by the shard map, not here."""
        numbers = sorted({node.shard for node in self.nodes if node.shard})
        return tuple(self._shard(number) for number in numbers)

    def _shard(self, number: int) -> Shard:
        nodes = [node for node in self.nodes if node.shard == number]
        source = next(node for node in nodes if not node.channels)
        return Shard(number, source, tuple(node for node in nodes if node != source))

    def shard(self, number: int) -> Shard:
        """Return the shard with that number.

        Raises:
            UsageError: there is no such shard.
        """
        for shard in self.shards:
            if shard.number == number:
                return shard
        known = ", ".join(str(shard.number) for shard in self.shards) or "none"
        raise UsageError(f"{self.instance} has no shard {number}; it has {known}")

    @property
    def members(self) -> tuple[Member, ...]:
        """The servers, then the proxies in front of them."""
        return (*self.nodes, *self.proxies)

    def node(self, name: str) -> Node:
        """Return the node called `name`.

        Raises:
            UsageError: there is no such node.
        """
        for node in self.nodes:
            if node.name == name:
                return node
        known = ", ".join(node.name for node in self.nodes)
        raise UsageError(f"{self.instance} has no server {name!r}; it has {known}")

    def proxy(self, name: str) -> Proxy:
        """Return the proxy called `name`, which there must be."""
        return next(proxy for proxy in self.proxies if proxy.name == name)

    def container(self, member: Member) -> str:
        """Return the name of the container of a node or a proxy."""
        return f"{self.project}-{member.name}"

    def replicas_of(self, source: Node) -> tuple[Node, ...]:
        """Return the nodes that replicate directly from `source`."""
        return tuple(node for node in self.nodes if any(channel.source == source.name for channel in node.channels))

    def tree(self, source: Node) -> Iterator[Node]:
        """Yield `source` and every node behind it, however deep, each once."""
        seen: list[Node] = []

        def walk(node: Node) -> None:
            if node not in seen:
                seen.append(node)
                for replica in self.replicas_of(node):
                    walk(replica)

        walk(source)
        yield from seen

    def repointed(self, moved: Mapping[str, str]) -> "Topology":
        """Return the topology in which each server of `moved` replicates from the one named there, '' for nobody.

        What it was brought up with keeps this, so that a later topology-up does not move them back.
        """
        nodes = tuple(
            dataclasses.replace(node, channels=(Channel("", moved[node.name]),) if moved[node.name] else ())
            if node.name in moved
            else node
            for node in self.nodes
        )
        remembered = {**self.given, "repointed": {**self.given.get("repointed", {}), **moved}}
        return dataclasses.replace(self, nodes=nodes, given=remembered)

    def auto_increment(self, peer: Node) -> tuple[int, int]:
        """Return auto_increment_increment and auto_increment_offset of a peer.

        Its ids are its own position among the peers that it exchanges rows with, in the inventory's order, and
        every so many after it; MySQL reference manual, "auto_increment_increment".
        """
        ring = [node for node in self.tree(peer) if node.peer]
        return len(ring), [node for node in self.nodes if node in ring].index(peer) + 1

    def to_json(self) -> str:
        """Return the topology as the text that from_json() reads."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Topology":
        """Read what to_json() wrote."""
        raw = json.loads(text)
        nodes = tuple(
            Node(
                **{
                    **node,
                    "channels": tuple(Channel(**channel) for channel in node["channels"]),
                    "my_cnf": tuple((key, value) for key, value in node["my_cnf"]),
                }
            )
            for node in raw.pop("nodes")
        )
        # A record of before there were proxies has none.
        proxies = tuple(Proxy(**proxy) for proxy in raw.pop("proxies", ()))
        return cls(**{**raw, "nodes": nodes, "sizing": Sizing(**raw["sizing"]), "proxies": proxies})


def project_of(instance: str) -> str:
    """Return the name of an instance's compose project, which all its containers, volumes and networks begin with."""
    return f"wavetank-{instance}"


def channel_title(name: str) -> str:
    """Return a channel's name as a sentence uses it; MySQL's default channel has an empty one."""
    return f"channel {name!r}" if name else "the default channel"


def check_instance_name(name: str) -> str:
    """Return `name` if containers, networks and folders can carry it.

    Raises:
        UsageError: they cannot.
    """
    if not _INSTANCE_NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise UsageError(
            f"{name!r} cannot name an instance: use a-z, 0-9 and single '-', at most {LONGEST_NAME} characters"
        )
    return name


def check_node_name(name: str) -> None:
    """Refuse what containers and certificates cannot carry as the name of a server or a proxy.

    Raises:
        UsageError: it is that.
    """
    if not _NODE_NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise UsageError(
            f"{name!r} cannot name a server: use a-z, 0-9 and single '-', at most {LONGEST_NAME} characters"
        )


def read_nodes(hosts: Mapping[str, Mapping[str, Any]], base_port: int) -> tuple[Node, ...]:
    """Turn the inventory's hosts into nodes, in its order, on consecutive ports from `base_port`.

    Raises:
        UsageError: the inventory contradicts itself; the message names the host and what would be right.
    """
    if not hosts:
        raise UsageError("the inventory's group 'mysql' has no hosts")
    nodes = tuple(_read_node(name, hosts[name], base_port + at) for at, name in enumerate(hosts))
    _refuse_shared_server_ids(nodes)
    _refuse_unknown_sources(nodes)
    _refuse_cycles(nodes)
    _refuse_lonely_peers(nodes)
    _refuse_unfit_shards(nodes)
    return nodes


def with_shards(hosts: Mapping[str, Mapping[str, Any]], count: int) -> dict[str, Mapping[str, Any]]:
    """Return `hosts` with `count` shards, each new one like the last.

    Names and server ids go on as from the last shard but one to the last. New ones come last, as with_replicas()
    has it. `hosts` must be such as read_nodes() accepts.

    Raises:
        UsageError: there are no shards, or none is asked for.
    """
    numbers = sorted({int(host["shard"]) for host in hosts.values() if host.get("shard")})
    if not numbers:
        raise UsageError(f"shards={count} is for topologies whose hosts have a shard")
    if count < 1:
        raise UsageError("shards=0 leaves nobody to hold the rows: at least 1 shard")
    kept = numbers[:count]
    result = {name: host for name, host in hosts.items() if int(host["shard"]) in kept}
    model = {name: host for name, host in hosts.items() if int(host["shard"]) == numbers[-1]}
    for number in range(numbers[-1] + 1, numbers[-1] + 1 + count - len(kept)):
        names = {name: _name_on(number, name, numbers[-1]) for name in model}
        for name, host in model.items():
            result[names[name]] = {
                **host,
                "shard": number,
                "server_id": int(host["server_id"]) + (number - numbers[-1]) * SHARD_IDS,
                "replicates_from": [names[source] for source in _source_names(host)],
            }
    return result


def _name_on(shard: int, name: str, model: int) -> str:
    """Return the name on `shard` of what is called `name` on the shard `model`: s4r on 4 is s5r on 5."""
    stem, found, rest = name.partition(str(model))
    return f"{stem}{shard}{rest}" if found else f"{name}-{shard}"


def with_replicas(hosts: Mapping[str, Mapping[str, Any]], count: int) -> dict[str, Mapping[str, Any]]:
    """Return `hosts` with `count` replicas behind each source.

    Replicas that are too many are dropped; new ones come last, so that no server changes its port, continue
    the numbering of names and server ids, and are otherwise like the replica before them. `hosts` must be
    such as read_nodes() accepts.

    Raises:
        UsageError: a replica has replicas of its own, so that a count alone does not say where they go.
    """
    behind = {
        source: [name for name, host in hosts.items() if _source_names(host) == [source] and not _is_peer(host)]
        for source, host in hosts.items()
        if _is_peer(host) or not _source_names(host)
    }
    relay = next((name for host in hosts.values() for name in _source_names(host) if name not in behind), None)
    if relay:
        raise UsageError(
            f"replicas={count} does not say where they go, since {relay} has replicas of its own: "
            "list the hosts in the inventory instead"
        )
    surplus = {name for replicas in behind.values() for name in replicas[count:]}
    result = {name: host for name, host in hosts.items() if name not in surplus}
    for number in range(count):
        for source, replicas in behind.items():
            if number >= len(replicas):
                model = hosts[replicas[-1]] if replicas else {"replicates_from": source}
                if hosts[source].get("shard"):
                    # Not by what others have, so that a shard that is added does not renumber them.
                    own = {"shard": hosts[source]["shard"], "server_id": int(hosts[source]["server_id"]) + number + 1}
                    result[f"{source}r{number + 1 if number else ''}"] = {**model, **own}
                    continue
                highest = max(int(host["server_id"]) for host in {**hosts, **result}.values())
                result[next_name(source, {**hosts, **result})] = {**model, "server_id": highest + 1}
    return result


def with_sources(hosts: Mapping[str, Mapping[str, Any]], count: int) -> dict[str, Mapping[str, Any]]:
    """Return `hosts` with `count` peers, each of which replicates from all the others.

    New ones come last, as with_replicas() has it. `hosts` must be such as read_nodes() accepts.

    Raises:
        UsageError: there are no peers, or fewer than two are asked for.
    """
    peers = [name for name, host in hosts.items() if _is_peer(host)]
    if not peers:
        raise UsageError(f"sources={count} is for topologies whose sources replicate from each other")
    if count < 2:  # noqa: PLR2004 - a single one has nobody to replicate from
        raise UsageError(
            f"sources={count} leaves nobody to replicate from: at least 2 sources replicate from each other"
        )
    result = {name: host for name, host in hosts.items() if name not in peers[count:]}
    for _ in range(count - len(peers)):
        highest = max(int(host["server_id"]) for host in result.values())
        result[next_name(peers[0], result)] = {**hosts[peers[-1]], "server_id": highest + 1}
    names = [name for name, host in result.items() if _is_peer(host)]
    for name in names:
        result[name] = {**result[name], "replicates_from": [other for other in names if other != name]}
    return result


def with_active(nodes: tuple[Node, ...], active: str) -> tuple[Node, ...]:
    """Return `nodes` with all peers closed but the one called `active`.

    Raises:
        UsageError: no peer has that name.
    """
    peers = [node.name for node in nodes if node.peer]
    if not peers:
        raise UsageError(f"active={active} is for topologies whose sources replicate from each other")
    if active not in peers:
        raise UsageError(f"active={active} is none of the sources {', '.join(peers)}")
    return tuple(dataclasses.replace(node, passive=node.peer and node.name != active) for node in nodes)


def _is_peer(host: Mapping[str, Any]) -> bool:
    return bool(host.get("writable") and _source_names(host))


def _source_names(host: Mapping[str, Any]) -> list[str]:
    declared = host.get("replicates_from") or []
    return declared if isinstance(declared, list) else [declared]


def _read_node(name: str, host: Mapping[str, Any], port: int) -> Node:
    check_node_name(name)
    server_id = host.get("server_id")
    if not str(server_id).isdecimal() or not 1 <= int(str(server_id)) <= HIGHEST_SERVER_ID:
        raise UsageError(f"{name} needs a server_id from 1 to {HIGHEST_SERVER_ID}, not {server_id!r}")
    sources = _source_names(host)
    if not all(isinstance(source, str) for source in sources) or len(set(sources)) < len(sources):
        raise UsageError(f"replicates_from of {name} is a server's name or a list of different ones, not {sources!r}")
    # One source speaks on the default channel; several need a channel each, named after their source.
    channels = tuple(Channel(source if len(sources) > 1 else "", source) for source in sources)
    writable = host.get("writable", False)
    if not isinstance(writable, bool):
        raise UsageError(f"writable of {name} is true or false, not {writable!r}")
    own = host.get("my_cnf") or {}
    if not isinstance(own, Mapping):
        raise UsageError(f"my_cnf of {name} is a mapping of MySQL settings to values, not {own!r}")
    settings = tuple((str(key), "" if value is None else str(value)) for key, value in own.items())
    shard = host.get("shard", 0)
    if not str(shard).isdecimal() or int(shard) > MOST_SHARDS:
        raise UsageError(f"shard of {name} is a number from 1 to {MOST_SHARDS}, not {shard!r}")
    return Node(
        name, int(str(server_id)), port, channels, settings,
        peer=_is_peer(host), weight=read_weight(name, host), shard=int(shard),
    )  # fmt: skip


def _refuse_unfit_shards(nodes: tuple[Node, ...]) -> None:
    """Refuse shards that are not whole: each has one source, and what follows it; and every server is on one."""
    if not any(node.shard for node in nodes):
        return
    by_name = {node.name: node for node in nodes}
    for node in nodes:
        if not node.shard:
            raise UsageError(f"{node.name} has no shard, while others have: give it a number")
        for channel in node.channels:
            if by_name[channel.source].shard != node.shard:
                raise UsageError(
                    f"{node.name} is on shard {node.shard} and replicates from {channel.source} on shard "
                    f"{by_name[channel.source].shard}: a replica is on its source's shard"
                )
    for number in sorted({node.shard for node in nodes}):
        sources = [node.name for node in nodes if node.shard == number and not node.channels]
        if len(sources) != 1:
            raise UsageError(f"shard {number} has one source, not {' and '.join(sources) or 'several that are peers'}")


def _refuse_shared_server_ids(nodes: tuple[Node, ...]) -> None:
    seen: dict[int, str] = {}
    for node in nodes:
        if node.server_id in seen:
            raise UsageError(
                f"{seen[node.server_id]} and {node.name} both have server_id {node.server_id}: each needs its own"
            )
        seen[node.server_id] = node.name


def _refuse_unknown_sources(nodes: tuple[Node, ...]) -> None:
    names = [node.name for node in nodes]
    for node in nodes:
        for channel in node.channels:
            if channel.source not in names:
                raise UsageError(
                    f"{node.name} replicates from {channel.source!r}, which is not among {', '.join(names)}"
                )


def _refuse_cycles(nodes: tuple[Node, ...]) -> None:
    by_name = {node.name: node for node in nodes}

    def walk(node: Node, path: tuple[str, ...]) -> None:
        if node.name in path:
            ring = " -> ".join([*path[path.index(node.name) :], node.name])
            raise UsageError(
                f"replicates_from goes in a circle: {ring}; one of them must be a source, or all of them writable"
            )
        for channel in node.channels:
            source = by_name[channel.source]
            # Among peers a circle is what is wanted.
            if source == node or not (node.peer and source.peer):
                walk(source, (*path, node.name))

    for node in nodes:
        walk(node, ())


def _refuse_lonely_peers(nodes: tuple[Node, ...]) -> None:
    """Refuse a peer whose writes never come to where its channels come from: they would be errant here."""
    by_name = {node.name: node for node in nodes}

    def upstream(node: Node) -> set[str]:
        found: set[str] = set()
        fresh = {channel.source for channel in node.channels}
        while fresh:
            found |= fresh
            fresh = {channel.source for name in fresh for channel in by_name[name].channels} - found
        return found

    for node in nodes:
        for channel in node.channels if node.peer else ():
            if node.name not in upstream(by_name[channel.source]):
                raise UsageError(
                    f"{node.name} is writable and replicates from {channel.source}, which never gets what {node.name} "
                    f"writes: let {channel.source} replicate from it as well"
                )
