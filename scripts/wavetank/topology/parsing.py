"""Which servers an inventory's hosts make, or what about them contradicts itself."""

from collections.abc import Mapping
from typing import Any

from wavetank.errors import UsageError
from wavetank.topology.model import MOST_SHARDS, Channel, Node
from wavetank.topology.naming import check_node_name
from wavetank.topology.proxies import read_weight

HIGHEST_SERVER_ID = 2**32 - 1


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


def is_peer(host: Mapping[str, Any]) -> bool:
    """Return whether a host takes writes, or could, although it replicates from others."""
    return bool(host.get("writable") and source_names(host))


def source_names(host: Mapping[str, Any]) -> list[str]:
    """Return from whom a host replicates: the inventory names one, several in a list, or nobody."""
    declared = host.get("replicates_from") or []
    return declared if isinstance(declared, list) else [declared]


def _read_node(name: str, host: Mapping[str, Any], port: int) -> Node:
    check_node_name(name)
    server_id = host.get("server_id")
    if not str(server_id).isdecimal() or not 1 <= int(str(server_id)) <= HIGHEST_SERVER_ID:
        raise UsageError(f"{name} needs a server_id from 1 to {HIGHEST_SERVER_ID}, not {server_id!r}")
    sources = source_names(host)
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
        peer=is_peer(host), weight=read_weight(name, host), shard=int(shard),
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
