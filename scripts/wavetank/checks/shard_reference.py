"""Does every shard of the map hold the same products?"""

from collections import Counter
from collections.abc import Iterable, Iterator

from wavetank.checks import Finding
from wavetank.node import Servers
from wavetank.sharding.placement import known_moment, on_each, shards_of
from wavetank.topology import Node, Topology

QUESTION = "Does every shard hold the same products?"
_CONTENTS = """
    SELECT CONCAT(COUNT(*), ' products with checksum ',
                  BIT_XOR(CRC32(CONCAT_WS('#', product_id, sku, name, category, price)))) FROM {schema}.products
"""


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask once, for all shards together."""
    return (shard.source for shard in topology.shards[:1])


def examine(node: Node, servers: Servers) -> Iterator[Finding]:
    """Compare with what most shards hold; one that is joining is not asked yet."""
    del node
    moment = known_moment(servers, servers.topology.shards)
    if not moment or moment.under_way:
        return
    shards = shards_of(servers.topology, moment.newest.map)
    found = on_each(
        servers, shards, lambda shard, server: server.value(_CONTENTS.format(schema=shard.schema), account="admin")
    )
    usual, _ = Counter(found.values()).most_common(1)[0]
    for shard in shards:
        if found[shard.number] != usual:
            other = next(each for each in shards if found[each.number] == usual)
            step = f"copy products from {other.source.name} to {shard.source.name}"
            yield Finding(shard.source.name, f"{usual}, as on {other.source.name}", found[shard.number], step)
