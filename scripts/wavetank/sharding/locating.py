"""Where one customer is, by the servers' own word, beside where the shard map puts it."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from wavetank.servers.node import Servers
from wavetank.sharding.catalogue import Catalogue
from wavetank.sharding.errors import ShardingError
from wavetank.sharding.maps.keys import CUSTOMER, read_key
from wavetank.sharding.side_by_side import on_each


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
    def on_its_shard(self) -> bool:
        """Whether it is exactly where it belongs, or on its way there."""
        return self.shard in self.found_on and set(self.found_on) <= {self.shard, self.next_shard}

    def as_dict(self) -> dict[str, Any]:
        """Return it for json.dumps()."""
        return asdict(self) | {"at_home": self.on_its_shard}

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
    node = topology.shard(shard).source if shard else None
    return Located(
        customer, newest.version, newest.map.kind, column, None if key is None else str(key), shard,
        next_shard if next_shard != shard else None, found_on, node.name if node else "", node.port if node else None,
        {number: int(found[number]["orders"]) for number in found_on},
    )  # fmt: skip
