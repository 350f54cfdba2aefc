"""Can the shard map be read, and does it name only shards that there are?"""

from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding
from wavetank.errors import UsageError
from wavetank.servers.node import Servers
from wavetank.sharding.map_state import read_map_state
from wavetank.sharding.side_by_side import shards_of
from wavetank.topology.model import Node, Topology

QUESTION = "Can the shard map be read, and are there all shards that it names?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask the source of the first shard, which holds the map."""
    return (shard.source for shard in topology.shards[:1])


def examine(node: Node, servers: Servers) -> Iterator[Finding]:
    """Read the newest version, and look for its shards among those of the inventory."""
    try:
        shards_of(servers.topology, read_map_state(servers).newest.map)
    except UsageError as error:
        step = "make topology-up publishes the first map; a later one is mended by hand, in sharding.maps"
        yield Finding(node.name, "a shard map of shards that there are", str(error), step)
