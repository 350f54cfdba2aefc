"""The same question to the shards and to one server that holds all rows."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

from small_shops import PRODUCTS, Query, Shop
from wavetank.servers.node import Servers, query_on, stream_on
from wavetank.sharding.maps.factory import make_map
from wavetank.sharding.query.connections import READER, Part
from wavetank.sharding.query.map_snapshot import MapSnapshot
from wavetank.sharding.query.scatter_gather import Gatherer

SCHEMA = "shop_all"
CATCH_UP_S = 20
TABLES = ("order_items", "orders", "customers", "products")


def schema_of(shard: int) -> str:
    """Return the schema of these tests on a shard."""
    return f"shop_part_{shard}"


class Comparison:
    """Holds a shop twice, divided and whole, and asks both."""

    def __init__(self, servers: Servers) -> None:
        """Know the schemas, which are there."""
        self.servers = servers
        self.shards = servers.topology.shards
        self.map = make_map("ring", tuple(shard.number for shard in self.shards))
        self.parts = [
            Part(
                shard.number, schema_of(shard.number), servers[shard.source.name],
                tuple(servers[node.name] for node in shard.replicas),
            )
            for shard in self.shards
        ]  # fmt: skip
        self.gatherer = Gatherer(self.parts, lambda: MapSnapshot(0, self.map))
        self._whole = servers[self.shards[0].source.name].connect(READER)
        self._whole.cmd_init_db(SCHEMA)

    def __enter__(self) -> Self:
        """Use as a context."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close all connections."""
        self.gatherer.__exit__()
        self._whole.close()

    def hold(self, shop: Shop) -> None:
        """Let both sides hold exactly this shop, on the replicas too."""
        shards = {row["order_id"]: row["customer_id"] for row in shop["orders"]}
        for shard in self.shards:
            own = {
                table: [row for row in rows if self._shard(row, shards) == shard.number] for table, rows in shop.items()
            }
            self._put(shard.source.name, schema_of(shard.number), own)
        self._put(self.shards[0].source.name, SCHEMA, shop)
        self.catch_up()

    def refresh_analytics(self) -> None:
        """Let both sides compute their RFM table."""
        for source, schema in self._schemas():
            self.servers[source].execute(f"CALL {schema}.RefreshCustomerAnalytics('2025-01-01')")
        self.catch_up()

    def _schemas(self) -> Iterator[tuple[str, str]]:
        yield from ((shard.source.name, schema_of(shard.number)) for shard in self.shards)
        yield self.shards[0].source.name, SCHEMA

    def catch_up(self) -> None:
        """Wait until the replicas have what the sources have."""
        for shard in self.shards:
            executed = self.servers[shard.source.name].value("SELECT @@GLOBAL.gtid_executed")
            for replica in shard.replicas:
                waiting = "SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, %s)"
                assert not self.servers[replica.name].value(waiting, [executed, CATCH_UP_S], account="admin")

    def _shard(self, row: Mapping[str, Any], shards: Mapping[int, int]) -> int:
        return self.map.shard_of(row["customer_id"] if "customer_id" in row else shards[row["order_id"]])

    def _put(self, source: str, schema: str, shop: Shop) -> None:
        with self.servers[source].connection("admin") as connection:
            query_on(connection, "START TRANSACTION", node=source)
            for table in TABLES:
                query_on(connection, f"DELETE FROM {schema}.{table}", node=source)
            for table, rows in {**shop, "products": PRODUCTS}.items():
                if rows:
                    one = f"({', '.join(['%s'] * len(rows[0]))})"
                    values = [value for row in rows for value in row.values()]
                    into = f"INSERT INTO {schema}.{table} ({', '.join(rows[0])}) VALUES "
                    query_on(connection, into + ", ".join([one] * len(rows)), values, node=source)
            query_on(connection, "COMMIT", node=source)

    def whole(self, sql: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Return what the server that holds all rows says: columns and rows."""
        stream = stream_on(self._whole, sql, node="whole")
        return stream.columns, list(stream.rows)

    def divided(self, sql: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Return what the shards say together: columns and rows."""
        with self.gatherer.ask(sql) as answer:
            return answer.columns, list(answer.rows)

    def agree(self, query: Query) -> None:
        """Ask both and demand the same columns, and the same rows: in order, or those that it may choose from."""
        columns, rows = self.divided(query.sql)
        # There is no schema called shop here.
        expected_columns, expected = self.whole(query.sql.replace("shop.", ""))
        assert columns == expected_columns, query.sql
        found, wanted = (_shown(each, free=query.spelling_is_free) for each in (rows, expected))
        if query.most is not None:
            _, all_rows = self.whole(query.sql.rpartition(" LIMIT ")[0])
            assert len(found) == len(wanted), query.sql
            left = _shown(all_rows, free=query.spelling_is_free)
            for row in found:
                left.remove(row)
        elif query.ordered:
            assert found == wanted, query.sql
        else:
            assert sorted(found) == sorted(wanted), query.sql


def _shown(rows: Sequence[Sequence[Any]], *, free: bool) -> list[str]:
    """Return rows such that equal ones are alike, types and decimal places included."""
    return [repr(tuple(_plain(value) if free else value for value in row)) for row in rows]


def _plain(value: Any) -> Any:  # noqa: ANN401
    """Return a text as utf8mb4_0900_ai_ci sees it."""
    if not isinstance(value, str):
        return value
    return "".join(_base_letters(value.casefold()))


def _base_letters(text: str) -> Iterator[str]:
    return (letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
