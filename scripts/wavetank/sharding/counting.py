"""How many rows the shards hold, by their own word."""

from wavetank.servers.node import Server, Servers
from wavetank.sharding.map_state import MapState
from wavetank.sharding.side_by_side import on_each, shards_of
from wavetank.topology.model import Shard


def count_rows(servers: Servers) -> dict[int, tuple[int, int]]:
    """Return how many customers and orders each shard holds."""
    return on_each(
        servers,
        servers.topology.shards,
        lambda shard, server: (
            int(server.value(f"SELECT COUNT(*) FROM {shard.schema}.customers", account="admin")),
            int(server.value(f"SELECT COUNT(*) FROM {shard.schema}.orders", account="admin")),
        ),
    )


def loaded_rows(servers: Servers, map_state: MapState, customers: int, orders: int) -> tuple[int, int] | None:
    """Return how many of the first `customers` and `orders` lie where the newest map puts them.

    None where that cannot be told: while the customers of a directory move.
    """
    shard_map = map_state.newest.map
    owner = shard_map.sql_shard(f"c.{shard_map.column}")
    if map_state.under_way and owner is None:
        return None

    def count(shard: Shard, server: Server) -> tuple[int, int]:
        # Where nothing moves, rows that lie wrong are another check's finding, and this one is cheaper without.
        here = f"AND {owner} = {shard.number}" if map_state.under_way else ""
        by_customer = f"{shard.schema}.orders o JOIN {shard.schema}.customers c USING (customer_id)"
        table = by_customer if map_state.under_way else f"{shard.schema}.orders o"
        return (
            int(server.value(
                f"SELECT COUNT(*) FROM {shard.schema}.customers c WHERE customer_id <= %s {here}",
                [customers], account="admin",
            )),
            int(server.value(f"SELECT COUNT(*) FROM {table} WHERE order_id <= %s {here}", [orders], account="admin")),
        )  # fmt: skip

    counts = on_each(servers, shards_of(servers.topology, shard_map), count).values()
    return sum(each for each, _ in counts), sum(each for _, each in counts)
