"""What several shards say that are asked side by side, and which ones those are that a map names."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from wavetank.servers.node import Server, Servers
from wavetank.sharding.maps.shape import ShardMap
from wavetank.threads import side_by_side
from wavetank.topology.model import Shard, Topology

T = TypeVar("T")


def on_each(servers: Servers, shards: Sequence[Shard], ask: Callable[[Shard, Server], T]) -> dict[int, T]:
    """Return what `ask` says of each shard and its source, asked side by side."""
    found = side_by_side(lambda shard: ask(shard, servers[shard.source.name]), shards)
    return dict(zip((shard.number for shard in shards), found, strict=True))


def shards_of(topology: Topology, shard_map: ShardMap) -> list[Shard]:
    """Return the shards that have a part in the map.

    Raises:
        UsageError: the map names one that the instance does not have.
    """
    return [topology.shard(number) for number in shard_map.shards]
