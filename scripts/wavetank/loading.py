"""The sample shop on any topology: whole on each source, or spread over the shards."""

from wavetank.node import Servers
from wavetank.sharding.loading import LoadedShards, load_shards
from wavetank.shop import Loaded, Report, load_shop


def load(servers: Servers, orders: int, seed: int = 1, report: Report | None = None) -> Loaded | LoadedShards:
    """Bring the sample shop to `orders` orders; see shop.load_shop() and sharding.loading.load_shards()."""
    return (
        load_shards(servers, orders, seed, report)
        if servers.topology.shards
        else load_shop(servers, orders, seed, report)
    )
