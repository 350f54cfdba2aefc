"""The inventory as frozen dataclasses: what a topology should be.

Built once, by topology-up, from the variables that Ansible read from the inventory; every other
command reads it back from the instance's directory. Nothing here asks a server anything.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wavetank.errors import UsageError
from wavetank.topology.proxies import Proxy

# So high may a shard's number be.
MOST_SHARDS = 99


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

    `semi_sync` is how many replicas' acknowledgements a commit waits for, 0 for asynchronous replication.
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
