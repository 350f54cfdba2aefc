"""Does every shard of the map hold the same products?"""

from collections import Counter
from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding, NotAsked, Seen
from wavetank.servers.node import Server, Servers
from wavetank.sharding.map_state import map_state_for_check, why_unsettled
from wavetank.sharding.reshard.rows import tables_of
from wavetank.sharding.side_by_side import on_each, shards_of
from wavetank.topology.model import Node, Shard, Topology

QUESTION = "Does every shard hold the same products?"
_TABLE = "products"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask once, for all shards together."""
    return (shard.source for shard in topology.shards[:1])


def examine(node: Node, servers: Servers) -> Iterator[Seen]:
    """Compare with what most shards hold; one that is joining is not asked yet."""
    del node
    map_state = map_state_for_check(servers, servers.topology.shards)
    if not map_state or map_state.under_way:
        yield NotAsked(why_unsettled(map_state))
        return
    shards = shards_of(servers.topology, map_state.newest.map)
    found = on_each(servers, shards, _contents)
    usual, _ = Counter(found.values()).most_common(1)[0]
    for shard in shards:
        if found[shard.number] != usual:
            other = next(each for each in shards if found[each.number] == usual)
            step = f"copy {_TABLE} from {other.source.name} to {shard.source.name}"
            yield Finding(shard.source.name, f"{usual}, as on {other.source.name}", found[shard.number], step)


def _contents(shard: Shard, server: Server) -> str:
    """Return how many rows a shard holds, and their checksum."""
    table = tables_of(server, shard.schema)[_TABLE]
    row = server.query(
        f"SELECT COUNT(*) AS n, {table.checksum} AS hash FROM {shard.schema}.{_TABLE} t", account="admin"
    )[0]
    return f"{row['n']} {_TABLE} with checksum {int(row['hash']):x}"
