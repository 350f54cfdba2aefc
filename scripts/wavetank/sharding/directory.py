"""The directory: a table that names every customer's shard, and a client that remembers what it was told."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from wavetank.servers.node import Row, Server, query_on
from wavetank.sharding.errors import ShardingError, UnknownCustomerError
from wavetank.sharding.maps.listed import Stage

# Runs a statement with its parameters on the catalogue's server, and returns the rows.
Ask = Callable[[str, Sequence[Any]], list[Row]]
REMEMBERED = 100_000
_FIND = """
    SELECT shard, COALESCE(next_shard, shard) AS next_shard
      FROM sharding.customer_shard_mapping WHERE customer_id = %s
"""
# Rows of an INSERT: some 16 kB, which is one TLS record.
_ROWS = 800


def not_listed(customer: int) -> str:
    """Return what is said of a customer who has no shard."""
    return f"customer {customer} is not in the directory: AssignCustomerToShard gives it a shard"


class CachedDirectory:
    """Where customers are, as the directory said under one map version; may be shared by threads.

    A customer's shard changes with the map's version only, so what is remembered holds until then. The customers
    asked for longest ago are forgotten first.
    """

    def __init__(self, ask: Ask, remembered: int = REMEMBERED) -> None:
        """Take what runs a statement, and how many customers to cache at most."""
        self._ask = ask
        self._remembered = remembered
        self._version = 0
        self._known: OrderedDict[int, Row] = OrderedDict()
        self._lock = threading.Lock()

    def use(self, version: int) -> None:
        """Forget everything if the map is another one now."""
        with self._lock:
            if version != self._version:
                self._known.clear()
                self._version = version

    def find(self, customer: int, stage: Stage = "shard") -> int:
        """Return the customer's shard, or where it will be.

        Raises:
            UnknownCustomerError: it has been given none.
            UnreachableError: the directory does not answer.
        """
        with self._lock:
            version, row = self._version, self._known.get(customer)
            if row:
                self._known.move_to_end(customer)
        if not row:
            rows = self._ask(_FIND, [customer])
            if not rows:
                raise UnknownCustomerError(not_listed(customer))
            row = rows[0]
            self._remember(customer, row, version)
        return int(row[stage])

    def _remember(self, customer: int, row: Row, version: int) -> None:
        with self._lock:
            if version == self._version:
                self._known[customer] = row
                while len(self._known) > self._remembered:
                    self._known.popitem(last=False)

    def __len__(self) -> int:
        """Return how many customers are remembered."""
        return len(self._known)


_RECOUNT = """
    UPDATE sharding.shard_directory d SET customers =
    (SELECT COUNT(*) FROM sharding.customer_shard_mapping m WHERE m.shard = d.shard)
"""


def recount(run: Callable[[str], list[Row]]) -> None:
    """Let the directory count its customers anew; `run` is within a transaction, or is one statement by itself."""
    run(_RECOUNT)


def miscounted(server: Server) -> list[int]:
    """Return the shards of which the directory has counted more or fewer customers than the mapping gives them."""
    rows = server.query(
        "SELECT d.shard FROM sharding.shard_directory d LEFT JOIN sharding.customer_shard_mapping m USING (shard) "
        "GROUP BY d.shard, d.customers HAVING d.customers <> COUNT(m.customer_id)",
        account="admin",
    )
    return [int(row["shard"]) for row in rows]


def assign(server: Server, customer: int) -> int:
    """Return the customer's shard, giving it one if it has none: the one that has fewest customers.

    Raises:
        ShardingError: no shard is active.
    """
    with server.connection("app_rw") as connection:
        return assign_by(
            lambda statement, parameters: query_on(connection, statement, parameters, node=server.name), customer
        )


def assign_by(ask: Ask, customer: int) -> int:
    """Do what assign() does, in the one session that `ask` asks."""
    ask("CALL sharding.AssignCustomerToShard(%s, @shard)", [customer])
    return int(ask("SELECT @shard AS shard", [])[0]["shard"])


def assign_many(server: Server, customers: Iterable[int]) -> dict[int, int]:
    """Do what assign() does for many customers in one transaction; return the shard of each."""
    wanted = sorted(set(customers))
    with server.connection("admin") as connection:

        def run(statement: str, *parameters: Any) -> list[Row]:  # noqa: ANN401
            return query_on(connection, statement, parameters, node=server.name)

        run("START TRANSACTION")
        rows = run("SELECT shard, customers FROM sharding.shard_directory WHERE state = 'active' FOR UPDATE")
        counts = {int(row["shard"]): int(row["customers"]) for row in rows}
        if not counts:
            raise ShardingError("no shard of the directory is active")
        found: dict[int, int] = {}
        for few in _in_parts(wanted):
            listed = ",".join(map(str, few))
            statement = (
                f"SELECT customer_id, shard FROM sharding.customer_shard_mapping WHERE customer_id IN ({listed})"
            )
            found |= {int(row["customer_id"]): int(row["shard"]) for row in run(statement)}
        new: dict[int, int] = {}
        for customer in (each for each in wanted if each not in found):
            new[customer] = min(counts, key=lambda shard: (counts[shard], shard))
            counts[new[customer]] += 1
        for few in _in_parts(list(new)):
            values = ",".join(f"({customer},{new[customer]})" for customer in few)
            run(f"INSERT INTO sharding.customer_shard_mapping (customer_id, shard) VALUES {values}")
        for shard, count in counts.items():
            run(f"UPDATE sharding.shard_directory SET customers = {count} WHERE shard = {shard}")
        run("COMMIT")
    return found | new


def _in_parts(customers: Sequence[int]) -> Iterable[Sequence[int]]:
    return (customers[at : at + _ROWS] for at in range(0, len(customers), _ROWS))


def plan_moves(server: Server, shards: Sequence[int]) -> int:
    """Write into next_shard who moves, so that each of `shards` has as many customers as the others, moving fewest.

    To be called before the map with those shards is published as pending; again, it writes the same.

    Returns:
        How many customers move.
    """
    counts = {
        int(row["shard"]): int(row["n"])
        for row in server.query(
            "SELECT shard, COUNT(*) AS n FROM sharding.customer_shard_mapping GROUP BY shard", account="admin"
        )
    }
    ideal, over = divmod(sum(counts.values()), len(shards))
    wanted = {shard: ideal + (at < over) for at, shard in enumerate(sorted(shards))}
    gaps = {shard: wanted[shard] - counts.get(shard, 0) for shard in wanted if wanted[shard] > counts.get(shard, 0)}
    statements = [
        "START TRANSACTION",
        "UPDATE sharding.customer_shard_mapping SET next_shard = NULL WHERE next_shard > 0",
    ]
    moving = 0
    for shard in sorted(counts):
        surplus = counts[shard] - wanted.get(shard, 0)
        for gap in sorted(gaps):
            moves = min(surplus, gaps[gap])
            if moves > 0:
                statements.append(
                    f"UPDATE sharding.customer_shard_mapping SET next_shard = {gap} "
                    f"WHERE shard = {shard} AND next_shard IS NULL ORDER BY customer_id DESC LIMIT {moves}"
                )
                surplus, gaps[gap], moving = surplus - moves, gaps[gap] - moves, moving + moves
    server.execute(*statements, "COMMIT")
    return moving
