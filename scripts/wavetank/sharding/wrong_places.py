"""Which rows lie on a shard where none of their kind should: of others, without their parent, or there twice."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wavetank.servers.node import Server, Servers
from wavetank.sharding.catalogue import Catalogue
from wavetank.sharding.map_state import MapState
from wavetank.sharding.side_by_side import on_each
from wavetank.topology.model import Shard

# How many misplaced customers are named.
EXAMPLES = 5


@dataclass(frozen=True)
class Misplaced:
    """Customers of other shards that lie on one: how many, some of them, and whose those are by the newest map."""

    count: int
    examples: tuple[tuple[int, int | None], ...]


def misplaced(servers: Servers, shard: Shard, map_state: MapState) -> Misplaced | None:
    """Return the customers on `shard` that no map in force puts there, None where there are none.

    Nobody can tell while the state of the map is `without_trace`.
    """
    server = servers[shard.source.name]
    owners = [each.sql_shard(each.column) for each in map_state.maps]
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
