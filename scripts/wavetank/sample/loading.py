"""The sample shop on any topology: whole on each source, or spread over the shards."""

from wavetank.sample.filling import Report
from wavetank.sample.sharded_shop import LoadedShards, load_shards
from wavetank.sample.shop import Loaded, load_shop
from wavetank.servers.node import Servers


def load(servers: Servers, orders: int, seed: int = 1, report: Report | None = None) -> Loaded | LoadedShards:
    """Bring the sample shop to `orders` orders; see shop.load_shop() and sharded_shop.load_shards()."""
    return (
        load_shards(servers, orders, seed, report)
        if servers.topology.shards
        else load_shop(servers, orders, seed, report)
    )
