"""Move a customer that lies on a wrong shard to its own: what a check found and a person decided."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from wavetank.servers.node import Connection, Row, Servers, query_on
from wavetank.sharding import gates
from wavetank.sharding.errors import OutdatedMapError, ShardingError
from wavetank.sharding.locating import locate
from wavetank.sharding.map_state import read_map_state
from wavetank.sharding.reshard.replicas import HINT, what_is_missing
from wavetank.topology.model import Shard
from wavetank.waiting import wait_until

REPLICA_S = 10.0

# How each divided table says whose its rows are, parents first; {ids} are the customer's orders.
_WHOSE = {
    "customers": "customer_id = {customer}",
    "orders": "customer_id = {customer}",
    "order_items": "order_id IN ({ids})",
}
_KEYS = {"customers": ("customer_id",), "orders": ("order_id",), "order_items": ("order_id", "line")}


@dataclass(frozen=True)
class Rehomed:
    """What became of a customer: from which shards to which one, and how many rows were not there yet."""

    customer: int
    home: int
    sources: tuple[int, ...]
    rows: int

    def as_dict(self) -> dict[str, Any]:
        """Return it for json.dumps()."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """Yield it for people."""
        if not self.sources:
            yield f"customer {self.customer} is on shard {self.home}, where it belongs, and on no other"
        for shard in self.sources:
            yield f"customer {self.customer} brought from shard {shard} to {self.home}, {self.rows} rows new there"


def rehome(servers: Servers, text: str) -> Rehomed:
    """Copy what wrong shards have of a customer to the right one, then delete it there.

    It is copied, committed and on a replica, where there is one, before it is deleted, so that nothing is lost where it
    is interrupted; again, it goes on.

    Raises:
        ShardingError: the customer is nowhere, its place is not known, the two shards have different rows of one
            key, or a resharding is under way.
        WaitedInVain: no replica has the copy; nothing was deleted.
        UnreachableError: a shard's source does not answer.
    """
    map_state = read_map_state(servers)
    if map_state.under_way:
        raise ShardingError("a resharding is under way: rows are on their way, look again after it")
    found = locate(servers, text)
    if not found.found_on:
        raise ShardingError(f"customer {found.customer} is on no shard")
    if found.shard is None:
        raise ShardingError(
            f"customer {found.customer} is not in the directory: AssignCustomerToShard gives it a shard"
        )
    right = servers.topology.shard(found.shard)
    wrong = tuple(number for number in found.found_on if number != found.shard)
    rows = sum(_move(servers, found.customer, servers.topology.shard(number), right, found.version) for number in wrong)
    return Rehomed(found.customer, right.number, wrong, rows)


def _move(servers: Servers, customer: int, wrong: Shard, right: Shard, version: int) -> int:
    """Bring one customer from one shard; return how many rows were new on the other."""
    with _side(servers, wrong, version) as source, _side(servers, right, version) as target:
        orders = [row["order_id"] for row in source.rows("orders", customer, [])]
        new = sum(_copy(source, target, table, customer, orders) for table in _WHOSE)
        target.run("COMMIT")
        _wait_for_replica(servers, right)
        for table in reversed(_WHOSE):
            source.run(f"DELETE FROM {wrong.schema}.{table} WHERE {_condition(table, customer, orders)}")
        source.run("COMMIT")
    return new


def _wait_for_replica(servers: Servers, right: Shard) -> None:
    """Wait until a replica has what was copied: what is deleted on the wrong shard would die with the right one."""
    source = servers[right.source.name]
    replicas = [servers[node.name] for node in right.replicas]
    due = str(source.value("SELECT @@GLOBAL.gtid_executed"))
    wait_until(
        f"a replica of {source.name} to have what was copied",
        lambda: what_is_missing(replicas, due),
        timeout_s=REPLICA_S, good=lambda missing: not missing, hint=HINT,
    )  # fmt: skip


def _copy(source: "_Side", target: "_Side", table: str, customer: int, orders: Sequence[int]) -> int:
    """Insert what the target lacks of one table; return how many rows that were."""

    def by_key(side: _Side) -> dict[tuple[Any, ...], Row]:
        rows = side.rows(table, customer, orders)
        return {tuple(row[name] for name in _KEYS[table]): row for row in rows}

    known, missing = by_key(target), 0
    for key, row in by_key(source).items():
        if key not in known:
            marks = ", ".join(["%s"] * len(row))
            into = f"{target.shard.schema}.{table} ({', '.join(row)})"
            target.run(f"INSERT INTO {into} VALUES ({marks})", *row.values())
            missing += 1
        elif known[key] != row:
            raise ShardingError(
                f"{table} {', '.join(map(str, key))} is on shard {source.shard.number} and on shard "
                f"{target.shard.number} with different values: delete the wrong one by hand"
            )
    return missing


@dataclass(frozen=True)
class _Side:
    """One of the two shards: a transaction on its source."""

    connection: Connection
    shard: Shard

    def run(self, statement: str, *parameters: Any) -> list[Row]:  # noqa: ANN401
        return query_on(self.connection, statement, parameters, node=self.shard.source.name)

    def rows(self, table: str, customer: int, orders: Sequence[int]) -> list[Row]:
        condition = _condition(table, customer, orders)
        return self.run(f"SELECT * FROM {self.shard.schema}.{table} WHERE {condition} FOR UPDATE")


@contextlib.contextmanager
def _side(servers: Servers, shard: Shard, version: int) -> Iterator[_Side]:
    """Begin a transaction on a shard, if the map is still the one that the customer was located by."""
    with servers[shard.source.name].connection("admin") as connection:
        side = _Side(connection, shard)
        side.run("START TRANSACTION")
        if int(side.run(gates.HOLD, "stay")[0]["least"]) > version:
            raise OutdatedMapError("the shard map has changed just now: look again where the customer belongs")
        yield side


def _condition(table: str, customer: int, orders: Sequence[int]) -> str:
    # No order has the number NULL.
    return _WHOSE[table].format(customer=customer, ids=",".join(map(str, orders)) or "NULL")
