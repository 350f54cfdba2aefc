"""Are the customers spread so that no shard holds far more than its share?"""

from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding, NotAsked, Seen
from wavetank.servers.node import Servers
from wavetank.sharding.counting import count_rows
from wavetank.sharding.map_report import SKEW_BOUND, SKEW_CUSTOMERS
from wavetank.sharding.map_state import map_state_for_check, why_unsettled
from wavetank.topology.model import Node, Topology

QUESTION = "Does no shard hold more than twice its even share of customers?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask once, for all shards together."""
    return (shard.source for shard in topology.shards[:1])


def examine(node: Node, servers: Servers) -> Iterator[Seen]:
    """Count the customers; a few say nothing, and while rows move there are too many."""
    map_state = map_state_for_check(servers, servers.topology.shards)
    if not map_state or map_state.under_way:
        yield NotAsked(why_unsettled(map_state))
        return
    shards = map_state.newest.map.shards
    counts = {number: customers for number, (customers, _) in count_rows(servers).items() if number in shards}
    even = sum(counts.values()) / len(shards)
    largest = max(counts, key=lambda number: counts[number])
    if sum(counts.values()) < SKEW_CUSTOMERS:
        yield NotAsked(
            f"{sum(counts.values())} customers say little: it is asked from {SKEW_CUSTOMERS:,} on", moot=True
        )
    elif counts[largest] > SKEW_BOUND * even:
        source = servers.topology.shard(largest).source.name
        yield Finding(
            source, f"at most {SKEW_BOUND:g} times {even:.0f} customers", f"{counts[largest]} on shard {largest}",
            f"make reshard divides them anew; with SHARD_BY={map_state.newest.map.kind} it may be what the keys are",
        )  # fmt: skip
    del node
