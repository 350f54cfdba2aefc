"""What the newest shard map says, and what each shard holds beside an even share."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from wavetank.servers.node import Servers
from wavetank.sharding.catalogue import Catalogue, PublishedMap
from wavetank.sharding.counting import count_rows
from wavetank.sharding.maps.hashed import RingMap
from wavetank.sharding.maps.ranged import DateMap, RegionMap

# The largest shard may hold so many times its even share before that is a finding; with fewer customers it says little.
SKEW_BOUND = 2.0
SKEW_CUSTOMERS = 1_000


@dataclass(frozen=True)
class ShardLoad:
    """What one shard holds; `times_even` is its customers beside an even share, 1.0 for exactly that."""

    shard: int
    server: str
    state: str
    customers: int
    orders: int
    times_even: float
    parts: int
    share: float | None


@dataclass(frozen=True)
class MapReport:
    """The newest map and what its shards hold; `state` of a shard is in the map, joining, leaving or spare."""

    version: int
    kind: str
    column: str
    pending: tuple[int, ...]
    shards: tuple[ShardLoad, ...]
    ranges: tuple[tuple[str, str, int], ...]

    @property
    def skew(self) -> float:
        """How many times its even share of customers the largest shard holds."""
        return max((shard.times_even for shard in self.shards), default=0.0)

    def as_dict(self) -> dict[str, Any]:
        """Return it for json.dumps()."""
        return asdict(self) | {"skew": self.skew}

    def lines(self) -> Iterator[str]:
        """Yield it for people: ranges where there are few enough to read."""
        yield f"shard map {self.version}: {self.kind}, by {self.column}" + (
            f"; a resharding to {', '.join(map(str, self.pending))} is under way" if self.pending else ""
        )
        for each in self.shards:
            of_ring = f"{each.share:.1%} of the ring in {each.parts:,} arcs, " if each.share is not None else ""
            of_map = "" if each.share is not None or not each.parts else f"{each.parts} of the ranges below, "
            yield (
                f"  shard {each.shard} on {each.server} ({each.state}): {of_ring}{of_map}{each.customers:,} customers, "
                f"{each.orders:,} orders, {each.times_even:.2f} of an even share"
            )
        for low, high, shard in self.ranges:
            yield f"  {low} .. {high} -> shard {shard}"
        yield f"  the largest holds {self.skew:.2f} times an even share; {SKEW_BOUND:g} is a finding"


def describe(servers: Servers) -> MapReport:
    """Return the newest map, and what every shard holds of customers and orders.

    Raises:
        ShardingError: there is no map, or it cannot be read here.
        UnreachableError: a shard's source does not answer.
    """
    newest = Catalogue(servers).read()
    counts = count_rows(servers)
    even = sum(counts[number][0] for number in newest.map.shards) / len(newest.map.shards)
    ranges = list(newest.map.ranges())
    shares = newest.map.shares() if isinstance(newest.map, RingMap) else {}
    loads = tuple(
        ShardLoad(
            shard.number, shard.source.name, state_of(newest, shard.number), *counts[shard.number],
            round(counts[shard.number][0] / even, 3) if even else 0.0,
            sum(owner == shard.number for _, _, owner in ranges), shares.get(shard.number),
        )
        for shard in servers.topology.shards
    )  # fmt: skip
    readable = tuple(ranges) if isinstance(newest.map, DateMap | RegionMap) else ()
    pending = newest.pending.shards if newest.pending else ()
    return MapReport(newest.version, newest.map.kind, newest.map.column, pending, loads, readable)


def state_of(newest: PublishedMap, shard: int) -> str:
    """Return what a shard is to the map: in the map, joining, leaving or spare."""
    after = newest.pending.shards if newest.pending else newest.map.shards
    if shard in newest.map.shards:
        return "in the map" if shard in after else "leaving"
    return "joining" if shard in after else "spare"
