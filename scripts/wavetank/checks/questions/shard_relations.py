"""Is every order beside its customer, and every item beside its order? No foreign key holds them together."""

from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding, NotAsked, Seen
from wavetank.servers.node import Servers
from wavetank.sharding.map_state import map_state_for_check, why_unsettled
from wavetank.sharding.wrong_places import without_parent
from wavetank.topology.model import Node, Topology

QUESTION = "Is every order on the same shard as its customer, and every item as its order?"
# Table, column, the table that must have its value, and what a value is called.
_RELATIONS = (
    ("orders", "customer_id", "customers", "orders of customer"),
    ("order_items", "order_id", "orders", "items of order"),
    ("order_items", "product_id", "products", "items of product"),
)


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask the sources of all shards."""
    return (shard.source for shard in topology.shards)


def examine(node: Node, servers: Servers) -> Iterator[Seen]:
    """Look for children without parents, by sets of ids; while rows move, one may come before the other."""
    shard = servers.topology.shard(node.shard)
    map_state = map_state_for_check(servers, [shard])
    if not map_state or map_state.under_way:
        yield NotAsked(why_unsettled(map_state))
        return
    for table, column, parent, title in _RELATIONS:
        for value in without_parent(servers, shard, table, column, parent)[:1]:
            step = (
                f"wavetank shard rehome {value}, where the customer is on another shard"
                if parent == "customers"
                else f"delete them, or restore {parent} {value} on {node.name}"
            )
            yield Finding(node.name, f"{parent} for all {table}", f"{title} {value}, which is not there", step)
