"""Where rows lie, by the servers' own word, beside where the shard map puts them."""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from wavetank.errors import UsageError
from wavetank.servers.node import Server, Servers, StatementError
from wavetank.sharding.catalogue import NO_SUCH_TABLE, Catalogue, PublishedMap, published
from wavetank.sharding.errors import ShardingError
from wavetank.sharding.maps.hashed import RingMap
from wavetank.sharding.maps.keys import CUSTOMER, read_key
from wavetank.sharding.maps.ranged import DateMap, RegionMap
from wavetank.sharding.maps.shape import ShardMap
from wavetank.sharding.schema import make_missing, shard_statements, sharding_statements
from wavetank.topology.model import Shard, Topology

T = TypeVar("T")
# The largest shard may hold so many times its even share before that is a finding; with fewer customers it says little.
SKEW_BOUND = 2.0
SKEW_CUSTOMERS = 1_000
_LAST_TWO = "SELECT version, document, pending FROM sharding.maps ORDER BY version DESC LIMIT 2"
_OPEN = "SELECT COUNT(*) FROM sharding.reshardings WHERE ended_at IS NULL"


def on_each(servers: Servers, shards: Sequence[Shard], ask: Callable[[Shard, Server], T]) -> dict[int, T]:
    """Return what `ask` says of each shard and its source, asked side by side."""
    with ThreadPoolExecutor(max(1, len(shards))) as pool:
        found = pool.map(lambda shard: ask(shard, servers[shard.source.name]), shards)
        return dict(zip((shard.number for shard in shards), found, strict=True))


def shards_of(topology: Topology, shard_map: ShardMap) -> list[Shard]:
    """Return the shards that have a part in the map.

    Raises:
        UsageError: the map names one that the instance does not have.
    """
    return [topology.shard(number) for number in shard_map.shards]


@dataclass(frozen=True)
class Moment:
    """The newest map, and what else a row may lie by while a resharding is under way: in copy, or not yet removed."""

    newest: PublishedMap
    others: tuple[ShardMap, ...] = ()
    under_way: bool = False

    @property
    def without_trace(self) -> bool:
        """Whether customers are being removed of whom a directory no longer knows where they came from."""
        by_directory = any(each.sql_shard(each.column) is None for each in self.maps)
        return by_directory and self.under_way and self.newest.pending is None

    @property
    def maps(self) -> tuple[ShardMap, ...]:
        """Every map by which a row may lie where it does."""
        return (self.newest.map, *self.others)


def this_moment(servers: Servers) -> Moment:
    """Return by which maps rows may lie now.

    Raises:
        ShardingError: there is no map, or it cannot be read here.
        UnreachableError: the catalogue's server does not answer.
    """
    catalogue = Catalogue(servers)
    newest = catalogue.read()
    try:
        under_way = bool(catalogue.server.value(_OPEN, account="admin")) or newest.pending is not None
    except StatementError as error:
        if error.errno != NO_SUCH_TABLE:
            raise
        under_way = newest.pending is not None
    if not under_way:
        return Moment(newest)
    rows = catalogue.server.query(_LAST_TWO, account="admin")
    all_ = [published(row, catalogue.directory.find) for row in rows]
    others = [each for version in all_ for each in (version.map, version.pending) if each and each != newest.map]
    return Moment(newest, tuple(others), under_way=True)


def last_prepared(servers: Servers) -> int:
    """Return the last version that had a map pending, 0 where rows have never moved."""
    statement = "SELECT COALESCE(MAX(version), 0) FROM sharding.maps WHERE pending IS NOT NULL"
    return int(Catalogue(servers).server.value(statement, account="admin"))


def known_moment(servers: Servers, shards: Sequence[Shard]) -> Moment | None:
    """Return this_moment() for a check of `shards`, None where their tables or the map are another check's finding."""
    first = servers.topology.shards[0]

    def lacks(shard: Shard, server: Server) -> bool:
        statements = [*sharding_statements(catalogue=shard == first), *shard_statements(shard)]
        return bool(make_missing(server, statements, dry_run=True))

    if any(on_each(servers, [first, *(shard for shard in shards if shard != first)], lacks).values()):
        return None
    with contextlib.suppress(UsageError):
        moment = this_moment(servers)
        shards_of(servers.topology, moment.newest.map)
        return moment
    return None


MOVING = "rows are on their way between shards"


def why_unsettled(moment: Moment | None) -> str:
    """Return why what known_moment() returned is none in which each row has one place."""
    return MOVING if moment else "there is no shard map, or a table is missing, which shard_map or shard_schema reports"


# --- one customer


@dataclass(frozen=True)
class Located:
    """Where a customer belongs, and where it is.

    Attributes:
        customer: its id.
        key: its value of the map's column; None where that is not the id, and no shard has the customer.
        shard: where the map puts it; None without a key, or where a directory does not know it.
        next_shard: where the pending map puts it, if elsewhere.
        found_on: the shards that have it, or orders of it.
        server: the source of `shard`.
        orders: how many orders of the customer each shard in `found_on` has.
    """

    customer: int
    version: int
    kind: str
    column: str
    key: str | None
    shard: int | None
    next_shard: int | None
    found_on: tuple[int, ...]
    server: str
    port: int | None
    orders: Mapping[int, int]

    @property
    def at_home(self) -> bool:
        """Whether it is exactly where it belongs, or on its way there."""
        return self.shard in self.found_on and set(self.found_on) <= {self.shard, self.next_shard}

    def as_dict(self) -> dict[str, Any]:
        """Return it for json.dumps()."""
        return asdict(self) | {"at_home": self.at_home}

    def lines(self) -> Iterator[str]:
        """Yield it for people."""
        value = f", {self.column} {self.key}" if self.column != CUSTOMER and self.key else ""
        by = f"by map {self.version} ({self.kind}{value})"
        if self.shard is None:
            there = f"is on {', '.join(map(str, self.found_on))}" if self.found_on else "is on no shard"
            yield f"customer {self.customer} {there}, and {by} nobody knows where it belongs"
        else:
            there = f"with {self.orders.get(self.shard, 0):,} orders" if self.shard in self.found_on else "NOT there"
            yield f"customer {self.customer}: shard {self.shard} on {self.server} (127.0.0.1:{self.port}) {by}, {there}"
        if self.next_shard:
            yield f"  moves to shard {self.next_shard} in the resharding that is under way"
        for shard in self.found_on if self.shard else ():
            if shard not in (self.shard, self.next_shard):
                yield f"  is on shard {shard}, where it does not belong: wavetank shard rehome {self.customer}"


def locate(servers: Servers, text: str) -> Located:
    """Return where the customer with the id `text` belongs and is.

    Raises:
        KeyTypeError: `text` is no id.
        UnreachableError: a shard's source does not answer.
    """
    customer = int(read_key(CUSTOMER, text))  # type: ignore[arg-type]
    newest = Catalogue(servers).read()
    topology = servers.topology
    column = newest.map.column
    found = on_each(
        servers,
        topology.shards,
        lambda shard, server: server.query(
            f"SELECT (SELECT {column} FROM {shard.schema}.customers WHERE customer_id = %s) AS k, "
            f"(SELECT COUNT(*) FROM {shard.schema}.orders WHERE customer_id = %s) AS orders",
            [customer, customer],
            account="admin",
        )[0],
    )
    # Orders without their customer are there as well.
    found_on = tuple(number for number, row in found.items() if row["k"] is not None or row["orders"])
    keys = (row["k"] for row in found.values() if row["k"] is not None)
    key = customer if column == CUSTOMER else next(keys, None)
    shard = next_shard = None
    if key is not None:
        try:
            shard = newest.map.shard_of(key)
            next_shard = newest.pending.shard_of(key) if newest.pending else None
        except ShardingError:
            shard = None  # a directory that does not know it
    home = topology.shard(shard).source if shard else None
    return Located(
        customer, newest.version, newest.map.kind, column, None if key is None else str(key), shard,
        next_shard if next_shard != shard else None, found_on, home.name if home else "", home.port if home else None,
        {number: int(found[number]["orders"]) for number in found_on},
    )  # fmt: skip


# --- all of them


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


# --- rows that lie wrong


@dataclass(frozen=True)
class Misplaced:
    """Customers of other shards that lie on one: how many, some of them, and whose those are by the newest map."""

    count: int
    examples: tuple[tuple[int, int | None], ...]


# How many misplaced customers are named.
EXAMPLES = 5


def misplaced(servers: Servers, shard: Shard, moment: Moment) -> Misplaced | None:
    """Return the customers on `shard` that no map of the moment puts there, None where there are none.

    Of a moment without_trace, nobody can tell.
    """
    server = servers[shard.source.name]
    owners = [each.sql_shard(each.column) for each in moment.maps]
    if any(owner is None for owner in owners):
        return _misplaced_by_directory(servers, shard)
    wrong = " AND ".join(f"{owner} <> {shard.number}" for owner in owners)
    count = int(server.value(f"SELECT COUNT(*) FROM {shard.schema}.customers WHERE {wrong}", account="admin"))
    if not count:
        return None
    rows = server.query(
        f"SELECT customer_id, {owners[0]} AS owner FROM {shard.schema}.customers WHERE {wrong} "
        f"ORDER BY customer_id LIMIT {EXAMPLES}",
        account="admin",
    )
    return Misplaced(count, tuple((int(row["customer_id"]), int(row["owner"])) for row in rows))


def _misplaced_by_directory(servers: Servers, shard: Shard) -> Misplaced | None:
    """Compare the ids: those that lie on the shard, and those that the directory gives it."""
    here = _ids(servers[shard.source.name], f"SELECT customer_id FROM {shard.schema}.customers")
    catalogue = Catalogue(servers).server
    listed = _ids(
        catalogue,
        f"SELECT customer_id FROM sharding.customer_shard_mapping WHERE {shard.number} IN (shard, next_shard)",
    )
    wrong = sorted(here - listed)
    if not wrong:
        return None
    few = ",".join(map(str, wrong[:EXAMPLES]))
    rows = catalogue.query(
        f"SELECT customer_id, shard FROM sharding.customer_shard_mapping WHERE customer_id IN ({few})", account="admin"
    )
    owners = {int(row["customer_id"]): int(row["shard"]) for row in rows}
    return Misplaced(len(wrong), tuple((each, owners.get(each)) for each in wrong[:EXAMPLES]))


def _ids(server: Server, statement: str) -> set[int]:
    return {int(row["customer_id"]) for row in server.query(statement, account="admin")}


def loaded_rows(servers: Servers, moment: Moment, customers: int, orders: int) -> tuple[int, int] | None:
    """Return how many of the first `customers` and `orders` lie where the newest map puts them.

    None where that cannot be told: while the customers of a directory move.
    """
    shard_map = moment.newest.map
    owner = shard_map.sql_shard(f"c.{shard_map.column}")
    if moment.under_way and owner is None:
        return None

    def count(shard: Shard, server: Server) -> tuple[int, int]:
        # Where nothing moves, rows that lie wrong are another check's finding, and this one is cheaper without.
        here = f"AND {owner} = {shard.number}" if moment.under_way else ""
        by_customer = f"{shard.schema}.orders o JOIN {shard.schema}.customers c USING (customer_id)"
        table = by_customer if moment.under_way else f"{shard.schema}.orders o"
        return (
            int(server.value(
                f"SELECT COUNT(*) FROM {shard.schema}.customers c WHERE customer_id <= %s {here}",
                [customers], account="admin",
            )),
            int(server.value(f"SELECT COUNT(*) FROM {table} WHERE order_id <= %s {here}", [orders], account="admin")),
        )  # fmt: skip

    counts = on_each(servers, shards_of(servers.topology, shard_map), count).values()
    return sum(each for each, _ in counts), sum(each for _, each in counts)


# Which ids are there, 64 to a number: of a million orders that is some 16,000 rows.
BITS = "SELECT {id} DIV 64 AS chunk, BIT_OR(1 << ({id} MOD 64)) AS bits FROM {schema}.{table} GROUP BY chunk"


def ids_of(chunk: int, bits: int) -> Iterator[int]:
    """Yield the ids that a row of BITS stands for."""
    return (chunk * 64 + bit for bit in range(64) if bits >> bit & 1)


def without_parent(servers: Servers, shard: Shard, table: str, column: str, parent: str) -> list[int]:
    """Return values of `column` in `table` that `parent` does not have on the same shard; EXAMPLES of them."""
    child, there = (BITS.format(id=column, schema=shard.schema, table=name) for name in (table, parent))
    # Signed, 0 would make the whole column signed, and lose the ids that are the last of their 64.
    lost = "c.bits & ~COALESCE(p.bits, CAST(0 AS UNSIGNED))"
    rows = servers[shard.source.name].query(
        f"SELECT c.chunk, {lost} AS bits FROM ({child}) c LEFT JOIN ({there}) p USING (chunk) "
        f"WHERE {lost} <> 0 ORDER BY c.chunk LIMIT {EXAMPLES}",
        account="admin",
    )
    return [each for row in rows for each in ids_of(int(row["chunk"]), int(row["bits"]))][:EXAMPLES]


def on_two_shards(servers: Servers, shards: Sequence[Shard]) -> dict[int, list[int]]:
    """Return the orders whose id more than one shard holds, each with those shards; EXAMPLES of them."""
    bits = on_each(
        servers,
        shards,
        lambda shard, server: {
            int(row["chunk"]): int(row["bits"])
            for row in server.query(BITS.format(id="order_id", schema=shard.schema, table="orders"), account="admin")
        },
    )
    twice: dict[int, list[int]] = {}
    for one, other in itertools.combinations(bits, 2):
        for chunk in bits[one].keys() & bits[other].keys():
            for order in ids_of(chunk, bits[one][chunk] & bits[other][chunk]):
                twice.setdefault(order, [])
                twice[order] = sorted({*twice[order], one, other})
    return {order: twice[order] for order in sorted(twice)[:EXAMPLES]}
