"""Which customers move, and between which shards and servers."""

import contextlib
import copy
import functools
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from wavetank.servers.node import Server, Servers, query_on
from wavetank.sharding.catalogue import Catalogue
from wavetank.sharding.errors import UnknownCustomerError
from wavetank.sharding.maps.hashed import HashMap
from wavetank.sharding.maps.listed import DirectoryMap
from wavetank.sharding.maps.shape import ShardMap
from wavetank.sharding.reshard.rows import (
    CUSTOMER,
    LONGEST_TEXT,
    PATIENCE_S,
    Session,
    Table,
    customers_tables,
    tables_of,
)
from wavetank.sharding.schema import REFERENCE
from wavetank.topology.model import Shard

# Computed from the others by a routine that makes it anew as a whole, on each shard when it likes: it moves with its
# customer, and is not compared.
COMPUTED = ("customer_analytics",)
_GOING = """
    SELECT customer_id FROM sharding.customer_shard_mapping
     WHERE shard = %s AND next_shard = %s ORDER BY customer_id
"""
_PAIRS = """
    SELECT DISTINCT shard, next_shard FROM sharding.customer_shard_mapping
     WHERE next_shard IS NOT NULL AND next_shard <> shard
"""
_HERE = "SELECT customer_id FROM sharding.customer_shard_mapping WHERE shard = %s"


class ReshardingContext:
    """The servers and maps of one resharding; may be shared by threads."""

    def __init__(self, servers: Servers, catalogue: Catalogue, old: ShardMap, new: ShardMap) -> None:
        """Read what tables a shard has.

        Raises:
            UnreachableError: the first shard does not answer.
        """
        self.servers = servers
        self.catalogue = catalogue
        self.old = old
        self.new = new
        self.patience_s = PATIENCE_S
        first = self.shard(old.shards[0])
        self.all_tables = tables_of(self.source(first.number), first.schema)
        self.tables = customers_tables(self.all_tables)
        self.lock = threading.Lock()

    @property
    def compared(self) -> list[Table]:
        """The tables whose rows must be the same on both sides."""
        return [table for table in self.tables if table.name not in COMPUTED]

    @property
    def reference(self) -> list[Table]:
        """The tables that hold the same rows on every shard, and that a new shard needs; how far a loader is, too."""
        return [self.all_tables[name] for name in REFERENCE if name in self.all_tables]

    @property
    def shards(self) -> tuple[int, ...]:
        """Every shard that is in either map."""
        return tuple(sorted({*self.old.shards, *self.new.shards}))

    @property
    def catalogue_shard(self) -> int:
        """The shard on whose source the catalogue is."""
        return self.servers.topology.shards[0].number

    @property
    def guarded(self) -> tuple[int, ...]:
        """Every shard of which nothing may be lost that has been relied on: those in a map, and the catalogue's."""
        return tuple(sorted({*self.shards, self.catalogue_shard}))

    def shard(self, number: int) -> Shard:
        """Return a shard of the topology."""
        return self.servers.topology.shard(number)

    def source(self, number: int) -> Server:
        """Return the server that takes the writes of a shard."""
        return self.servers[self.shard(number).source.name]

    def replicas(self, number: int) -> list[Server]:
        """Return the servers that replicate from it."""
        return [self.servers[node.name] for node in self.shard(number).replicas]

    def session(self, number: int) -> Session:
        """Open a connection of the caller's own to a shard's source."""
        return Session(self.source(number), self.shard(number).schema, self.patience_s)

    @contextlib.contextmanager
    def impatient(self, patience_s: int) -> Iterator["ReshardingContext"]:
        """Give the same with connections on which every answer may take `patience_s` seconds."""
        with Servers(self.servers.topology, patience_s) as servers:
            quick = copy.copy(self)
            quick.servers, quick.catalogue, quick.patience_s = servers, Catalogue(servers), patience_s
            yield quick

    def uuids(self, numbers: Sequence[int]) -> tuple[str, ...]:
        """Return which servers are the sources of shards: another one after a failover."""
        return tuple(str(self.source(number).value("SELECT @@GLOBAL.server_uuid")) for number in numbers)

    @functools.cached_property
    def pairs(self) -> frozenset[tuple[int, int]]:
        """From which shard to which other something may move, also what is written while rows move.

        Maps but the one by remainders move rows only to shards that join, and from those that leave; who moves by a
        directory has been written down.
        """
        if isinstance(self.old, DirectoryMap):
            rows = self.catalogue.server.query(_PAIRS, account="admin")
            return frozenset((int(row["shard"]), int(row["next_shard"])) for row in rows)
        old, new = set(self.old.shards), set(self.new.shards)
        every = {(source_shard, target) for source_shard in old for target in new if source_shard != target}
        if isinstance(self.old, HashMap):
            return frozenset(every)
        return frozenset(
            (source_shard, target) for source_shard, target in every if target not in old or source_shard not in new
        )

    @property
    def source_shards(self) -> list[int]:
        """The shards from which something may move."""
        return sorted({source_shard for source_shard, _ in self.pairs})

    def targets(self, source_shard: int) -> list[int]:
        """Return the shards that something may move to from `source_shard`."""
        return sorted(target for one, target in self.pairs if one == source_shard)

    def target_of(self, source_shard: int, key: Any) -> int:  # noqa: ANN401
        """Return to which shard a key moves from `source_shard`, 0 where it stays, or is not there by right."""
        with self.lock:
            try:
                if self.old.shard_of(key) != source_shard:
                    return 0
                target = self.new.shard_of(key)
            except UnknownCustomerError:
                return 0
        return 0 if target == source_shard else target

    @property
    def by_id(self) -> bool:
        """Whether a customer's id says where it belongs."""
        return self.old.column == CUSTOMER

    def going(self, source_shard: int) -> dict[int, list[int]]:
        """Return the customers on a shard that belong elsewhere by the new map: their ids by target, ascending."""
        if (place := self._place(self.new)) is not None:
            return self._placed(source_shard, place, f"place <> {source_shard}")
        return {target: ids for target in self.targets(source_shard) if (ids := self._directed(source_shard, target))}

    def arrived(self, source_shard: int, target: int) -> list[int]:
        """Return the customers on `target` that are there because they move from `source_shard`."""
        if (place := self._place(self.old)) is not None:
            return self._placed(target, place, f"place = {source_shard}").get(source_shard, [])
        return sorted(set(self._directed(source_shard, target)) & set(self._present(target)))

    def strays(self, number: int, shard_map: ShardMap) -> list[int]:
        """Return the customers on a shard that `shard_map`, which must be the one in force, places elsewhere."""
        if (place := self._place(shard_map)) is not None:
            return sorted(id_ for ids in self._placed(number, place, f"place <> {number}").values() for id_ in ids)
        rows = self.catalogue.server.query(_HERE, [number], account="admin")
        return sorted(set(self._present(number)) - {int(row[CUSTOMER]) for row in rows})

    def _place(self, shard_map: ShardMap) -> str | None:
        return shard_map.sql_shard(f"c.{shard_map.column}")

    def _directed(self, source_shard: int, target: int) -> list[int]:
        rows = self.catalogue.server.query(_GOING, [source_shard, target], account="admin")
        return [int(row[CUSTOMER]) for row in rows]

    def _present(self, number: int) -> list[int]:
        return self._placed(number, str(number), "TRUE").get(number, [])

    def _candidates(self, number: int) -> str:
        """Return a derived table `c` of the customers on a shard with their keys.

        Without foreign keys an order may be there whose customer is not; where the id is the key it moves all the same.
        """
        schema = self.shard(number).schema
        if not self.by_id:
            return f"(SELECT {CUSTOMER}, {self.old.column} FROM {schema}.customers) c"
        return f"(SELECT {CUSTOMER} FROM {schema}.customers UNION SELECT DISTINCT {CUSTOMER} FROM {schema}.orders) c"

    def _placed(self, number: int, place: str, condition: str) -> dict[int, list[int]]:
        """Return customers on a shard by what an expression says of them; the server lists the ids as one text."""
        server = self.source(number)
        with server.connection("admin") as connection:
            query_on(connection, f"SET SESSION group_concat_max_len = {LONGEST_TEXT}", node=server.name)
            rows = query_on(
                connection,
                f"SELECT place, GROUP_CONCAT({CUSTOMER} ORDER BY {CUSTOMER}) AS ids FROM "
                f"(SELECT c.{CUSTOMER}, {place} AS place FROM {self._candidates(number)}) p "
                f"WHERE {condition} GROUP BY place",
                node=server.name,
            )
        return {int(row["place"]): [int(id_) for id_ in _text(row["ids"]).split(",")] for row in rows}


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
