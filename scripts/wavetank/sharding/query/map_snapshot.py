"""The shard map as it was read before a query, and whether rows are moving, so that some are on two shards."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlglot import exp

from wavetank.errors import UnreachableError
from wavetank.servers.node import Row, Servers, StatementError
from wavetank.sharding.catalogue import NEWEST, NO_SUCH_TABLE, published
from wavetank.sharding.directory import CachedDirectory
from wavetank.sharding.errors import ShardingError
from wavetank.sharding.maps.shape import ShardMap
from wavetank.sharding.query.reading import Refusal
from wavetank.sharding.query.scope import Scope, Used

# A replica may be behind by the lag bound when the last row has been removed from where it was.
_MOVING = """
    SELECT COUNT(*) AS moving FROM sharding.reshardings
     WHERE phase NOT IN ('done', 'aborted') OR ended_at > NOW(6) - INTERVAL %s SECOND
"""
# Stands in a statement for what the map says about a column, until it is known to which shard the statement goes.
OWN_ROW = "WT_OWN_ROW"
_MARK = re.compile(rf"{OWN_ROW}\(((?:`\w+`\.)?`\w+`)\)")
_BY_ORDER = "{item}.`order_id` IN (SELECT `orders`.`order_id` FROM `orders`{joined} WHERE {mark})"


@dataclass(frozen=True)
class MapSnapshot:
    """A version of the map; `moving` where a shard may hold rows that are another's."""

    version: int
    map: ShardMap
    moving: bool = False

    def statement(self, text: str, shard: int) -> str:
        """Return the statement as `shard` gets it: for the rows that are its own."""
        return _MARK.sub(lambda mark: f"({self.map.sql_shard(mark[1])}) = {shard}", text)


ReadSnapshot = Callable[[], MapSnapshot]


def snapshot_reader(servers: Servers, lag_bound_s: float) -> ReadSnapshot:
    """Return what reads the catalogue: from its source, and where that is gone from a replica.

    While the source is gone, nobody can publish, and a replica's newest map is the newest.
    """
    shard = servers.topology.shards[0]

    def ask(statement: str, parameters: Sequence[object] = ()) -> list[Row]:
        for node in shard.nodes:
            try:
                return servers[node.name].query(statement, parameters)
            except UnreachableError:
                continue
        named = " and ".join(node.name for node in shard.nodes)
        raise ShardingError(f"shard {shard.number} is down: {named} do not answer, and they have the shard map")

    directory = CachedDirectory(ask)

    def read_snapshot() -> MapSnapshot:
        rows = ask(NEWEST)
        if not rows:
            raise ShardingError(f"{servers.topology.instance} has no shard map: make topology-up publishes one")
        found = published(rows[0], directory.find)
        directory.use(found.version)
        return MapSnapshot(found.version, found.map, found.pending is not None or _moving(ask, 2 * lag_bound_s))

    return read_snapshot


def _moving(ask: Callable[..., list[Row]], since_s: float) -> bool:
    try:
        return bool(ask(_MOVING, [since_s])[0]["moving"])
    except StatementError as error:
        if error.errno != NO_SUCH_TABLE:
            raise
        return False


def keep_own_rows(select: exp.Select, scope: Scope, shard_map: ShardMap) -> exp.Select:
    """Return the SELECT without rows that the map has on another shard than the one that is asked.

    Raises:
        Refusal: no shard can compute that.
    """
    by_customer = next((used for used in _firm(scope) if "customer_id" in used.sharding_columns), None)
    used = by_customer or next(_firm(scope), None)
    if used is None:
        return select
    if shard_map.sql_shard("`x`") is None:
        raise Refusal("rows are moving, and no shard has the directory: run it again after the resharding")
    return select.where(_condition(used, scope, shard_map.column), dialect="mysql")


def _firm(scope: Scope) -> Iterator[Used]:
    return (used for used in scope.sharded if not used.optional)


def _condition(used: Used, scope: Scope, column: str) -> str:
    """Return the condition on a table's rows; those that are joined with them are where they are."""
    for each in _firm(scope):
        if column in each.columns and each.table in ("customers", "orders", "customer_analytics"):
            return f"{OWN_ROW}(`{each.alias}`.`{column}`)"
    if column == "customer_id":
        return _BY_ORDER.format(item=f"`{used.alias}`", joined="", mark=f"{OWN_ROW}(`orders`.`customer_id`)")
    mark = f"{OWN_ROW}(`customers`.`{column}`)"
    if "customer_id" in used.sharding_columns:
        return f"`{used.alias}`.`customer_id` IN (SELECT `customers`.`customer_id` FROM `customers` WHERE {mark})"
    return _BY_ORDER.format(item=f"`{used.alias}`", joined=" JOIN `customers` USING (`customer_id`)", mark=mark)
