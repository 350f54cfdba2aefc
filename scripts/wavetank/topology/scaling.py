"""What becomes of an inventory's servers where other numbers of them, or one active peer, are asked for."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from wavetank.errors import UsageError
from wavetank.topology.model import Node
from wavetank.topology.naming import next_name
from wavetank.topology.parsing import is_peer, source_names

# So far after those of the shard before begin the ids of a shard's servers.
SHARD_IDS = 100


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
                "replicates_from": [names[source] for source in source_names(host)],
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
        source: [name for name, host in hosts.items() if source_names(host) == [source] and not is_peer(host)]
        for source, host in hosts.items()
        if is_peer(host) or not source_names(host)
    }
    relay = next((name for host in hosts.values() for name in source_names(host) if name not in behind), None)
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
    peers = [name for name, host in hosts.items() if is_peer(host)]
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
    names = [name for name, host in result.items() if is_peer(host)]
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
