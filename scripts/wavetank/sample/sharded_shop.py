"""The sample shop spread over the shards: the same rows as on one server, each where the map puts it.

How far a shard is stands in its own load_state, written in the transaction that wrote the rows, so that a load that
was killed goes on on each shard where it was.
"""

import contextlib
import itertools
import multiprocessing
import os
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

from wavetank.errors import UsageError
from wavetank.sample import filling, generated, writing
from wavetank.servers.node import Connection, Row, Server, Servers, query_on
from wavetank.sharding import gates
from wavetank.sharding.catalogue import Catalogue, PublishedMap
from wavetank.sharding.directory import assign_many
from wavetank.sharding.errors import OutdatedMapError
from wavetank.sharding.maps.keys import COUNTRY, CUSTOMER
from wavetank.sharding.maps.shape import ShardMap
from wavetank.sharding.side_by_side import on_each
from wavetank.topology.model import Shard

# Orders of all shards together that are generated at one go: each shard's part of them is a transaction.
BATCH_ORDERS = 4_000
# Fewer are there before other processes have paid for their start, some 0.2 s of a core each.
WORTH_PROCESSES = 100_000
# Batches that are generated and not yet written: memory is bounded by them.
AHEAD = 8
LOCK = "shop.load"
# What topology-up gives the first map, so that there is something to look at.
FIRST_ORDERS = 5_000


class State(NamedTuple):
    """How far one shard is: the seed of its rows, None where nothing was loaded, and the orders it is done with.

    `orders` counts all shards' orders: the shard has its own part of the first so many.
    """

    seed: int | None
    orders: int


@dataclass(frozen=True)
class LoadedShards(filling.Filled[int]):
    """What a load left behind on all shards together, by a version of the shard map of a kind."""

    version: int
    kind: str

    def lines(self) -> Iterator[str]:
        """Yield what all shards hold together, and what is new on each, for people."""
        total = sum(self.added.values())
        yield (
            f"{len(self.added)} shards hold {self.content}, by shard map {self.version} ({self.kind}): "
            f"{self.news(total)}"
        )
        for shard, added in self.added.items() if total else ():
            yield f"  shard {shard}: {added:,} new"


def load_shards(servers: Servers, orders: int, seed: int = 1, report: filling.Report | None = None) -> LoadedShards:
    """Bring the shop on the shards of the map to exactly `orders` generated orders, those of shop.load_shop().

    Raises:
        UsageError: an argument is out of range, the shop that is there is another one or a larger one, or a
            resharding is under way; nothing is ever deleted.
        UnreachableError: a source does not answer.
    """
    filling.refuse_numbers(orders, seed)
    started = time.monotonic()
    catalogue = Catalogue(servers)
    with _alone(catalogue.server):
        published = catalogue.read()
        if published.pending:
            raise UsageError("a resharding is under way: load after it, or make reshard-abort")
        shards = [servers.topology.shard(number) for number in published.map.shards]
        states = states_of(servers, shards)
        _refuse_unfit(servers, shards, states, orders, seed)
        with _generators(orders - min(state.orders for state in states.values())) as pool:
            load = _Load(servers, catalogue, published, shards, orders, seed, report or _silent)
            added = load.run(states, pool)
    return LoadedShards(
        orders, generated.customers_of(orders), generated.PRODUCTS, seed, added, round(time.monotonic() - started, 3),
        published.version, published.map.kind,
    )  # fmt: skip


def load_first(servers: Servers) -> list[str]:
    """Load FIRST_ORDERS where the first map is new, or such a load was killed; return what was done, for people."""
    published = Catalogue(servers).read()
    if published.version > 1:
        return []
    states = states_of(servers, [servers.topology.shard(number) for number in published.map.shards]).values()
    ours = all(state.seed in (None, 1) and state.orders <= FIRST_ORDERS for state in states)
    if not ours or all(state.orders == FIRST_ORDERS for state in states):
        return []
    return list(load_shards(servers, FIRST_ORDERS).lines())


def states_of(servers: Servers, shards: Sequence[Shard]) -> dict[int, State]:
    """Return how far each shard is."""

    def look(shard: Shard, source: Server) -> State:
        rows = source.query(f"SELECT seed, orders FROM {shard.schema}.load_state", account="admin")
        return State(int(rows[0]["seed"]), int(rows[0]["orders"])) if rows else State(None, 0)

    return on_each(servers, shards, look)


@contextlib.contextmanager
def _alone(server: Server) -> Iterator[None]:
    """Keep a second load out for as long as this one lasts."""
    with contextlib.closing(server.connect("app_rw")) as connection:
        got = query_on(connection, "SELECT GET_LOCK(%s, %s) AS got", [LOCK, filling.LOCK_WAIT_S], node=server.name)
        if not got[0]["got"]:
            raise UsageError("another load is under way: wait for its end")
        yield


def _refuse_unfit(
    servers: Servers, shards: Sequence[Shard], states: Mapping[int, State], orders: int, seed: int
) -> None:
    """Refuse what cannot be done by adding, on any shard, before anything is written to one of them."""
    for shard in shards:
        node, state = shard.source.name, states[shard.number]
        if servers[node].value("SELECT @@GLOBAL.super_read_only"):
            raise UsageError(f"{node} is closed for writes: make topology-up opens it")
        afresh = f"DROP SCHEMA {shard.schema} on {node} and make topology-up to start that shard afresh"
        if state.seed not in (None, seed):
            raise UsageError(f"shard {shard.number} was loaded with seed {state.seed}: load with that one, or {afresh}")
        if state.orders > orders:
            raise UsageError(
                f"shard {shard.number} was loaded to {state.orders} orders and nothing is deleted: "
                f"load {state.orders} or more, or {afresh}"
            )
        if in_the_way := _in_the_way(servers[node], shard, state.orders, orders):
            raise UsageError(f"shard {shard.number} has {in_the_way} rows of others where new ones would go: {afresh}")


def _in_the_way(server: Server, shard: Shard, done: int, orders: int) -> int:
    """Return how many rows of others have numbers that the load will give."""
    numbers = {"orders": (done, orders), "customers": (generated.customers_of(done), generated.customers_of(orders))}
    return sum(
        int(server.value(
            f"SELECT COUNT(*) FROM {shard.schema}.{table} WHERE {table[:-1]}_id > %s AND {table[:-1]}_id <= %s",
            numbers[table], account="app_rw",
        ))
        for table in numbers
    )  # fmt: skip


@contextlib.contextmanager
def _generators(orders: int) -> Iterator[Executor]:
    """Yield what generates rows side by side: processes where that is worth their start."""
    if orders < WORTH_PROCESSES:
        with ThreadPoolExecutor(1) as threads:
            yield threads
    else:
        # Not forked: this process has threads and connections.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(os.cpu_count() or 1, mp_context=context) as processes:
            yield processes


class _Load:
    """One load: who writes what under which map."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a load is about
        self, servers: Servers, catalogue: Catalogue, published: PublishedMap, shards: Sequence[Shard], orders: int,
        seed: int, report: filling.Report,
    ) -> None:  # fmt: skip
        self._servers = servers
        self._catalogue = catalogue
        self._published = published
        self._shards = shards
        self._orders = orders
        self._seed = seed
        self._report = report

    def run(self, states: Mapping[int, State], pool: Executor) -> dict[int, int]:
        """Write what is missing; return the new orders by shard."""
        added = dict.fromkeys(states, 0)
        done = {number: state.orders for number, state in states.items()}
        with contextlib.ExitStack() as stack:
            lanes = {shard.number: stack.enter_context(self._lane(shard)) for shard in self._shards}
            for shard in self._shards:
                if states[shard.number].seed is None:
                    lanes[shard.number].write(self._first(shard))
                self._report(shard.source.name, done[shard.number], self._orders)
            written: deque[list[Future[None]]] = deque()
            for upto, parts in self._batches(min(done.values()), done, pool):
                futures = []
                for shard in self._shards:
                    if done[shard.number] < upto:
                        count, statements = parts.get(shard.number, (0, []))
                        statements = [*statements, f"UPDATE {shard.schema}.load_state SET orders = {upto}"]
                        futures.append(lanes[shard.number].submit(statements, upto))
                        added[shard.number] += count
                written.append(futures)
                if len(written) > AHEAD:
                    _wait(written.popleft())
            while written:
                _wait(written.popleft())
        return added

    @contextlib.contextmanager
    def _lane(self, shard: Shard) -> Iterator["_Lane"]:
        server = self._servers[shard.source.name]
        with contextlib.closing(server.connect("app_rw")) as connection, ThreadPoolExecutor(1) as thread:
            try:
                yield _Lane(connection, thread, shard, self._published.version, self._orders, self._report)
            except BaseException:
                thread.shutdown(cancel_futures=True)
                raise

    def _first(self, shard: Shard) -> list[str]:
        products = [generated.product(self._seed, number) for number in range(1, generated.PRODUCTS + 1)]
        return [
            # Those of a load that was killed, or of a resharding, may be there.
            *(
                statement.replace("INSERT", "INSERT IGNORE", 1)
                for statement in writing.inserts("products", products, shard.schema)
            ),
            f"INSERT INTO {shard.schema}.load_state VALUES (1, {self._seed}, 0)",
        ]

    def _batches(
        self, begin: int, done: Mapping[int, int], pool: Executor
    ) -> Iterator[tuple[int, Mapping[int, "Part"]]]:
        """Yield each batch's last order and its part by shard, in order, generated some batches ahead."""
        edges = [begin, *range((begin // BATCH_ORDERS + 1) * BATCH_ORDERS, self._orders, BATCH_ORDERS), self._orders]
        by_customer = self._shards_of_customers(pool) if begin < self._orders else b""
        schemas = {shard.number: shard.schema for shard in self._shards}
        ahead: deque[tuple[int, Future[Mapping[int, Part]]]] = deque()
        for low, high in itertools.pairwise(edges):
            if low < high:
                theirs = by_customer[: generated.customers_of(high)]
                ahead.append((high, pool.submit(generate, self._seed, low, high, theirs, schemas, done)))
            if len(ahead) > AHEAD:
                upto, future = ahead.popleft()
                yield upto, future.result()
        for upto, future in ahead:
            yield upto, future.result()

    def _shards_of_customers(self, pool: Executor) -> bytes:
        """Return the shard of each customer of the load, from the first."""
        customers = range(1, generated.customers_of(self._orders) + 1)
        shard_map = self._published.map
        if shard_map.kind == "directory":
            found = assign_many(self._catalogue.server, customers)
            return bytes(found[customer] for customer in customers)
        step = max(1, len(customers) // (2 * (os.cpu_count() or 1)) + 1)
        parts = [
            pool.submit(shards_of_customers, shard_map, self._seed, part.start, part.stop)
            for part in (customers[at : at + step] for at in range(0, len(customers), step))
        ]
        return b"".join(part.result() for part in parts)


class _Lane:
    """One shard's connection, and the thread that writes over it."""

    def __init__(  # noqa: PLR0913, PLR0917 - what belongs to a shard
        self, connection: Connection, thread: ThreadPoolExecutor, shard: Shard, version: int, orders: int,
        report: filling.Report,
    ) -> None:  # fmt: skip
        self._connection = connection
        self._thread = thread
        self._shard = shard
        self._version = version
        self._orders = orders
        self._report = report

    def submit(self, statements: Sequence[str], upto: int) -> Future[None]:
        """Let the statements be written after those submitted before."""

        def write() -> None:
            self.write(statements)
            self._report(self._shard.source.name, upto, self._orders)

        return self._thread.submit(write)

    def write(self, statements: Sequence[str]) -> None:
        """Run the statements in one transaction, if the map is still the one that they were made by."""
        self._run("START TRANSACTION")
        least = self._run(gates.HOLD, "stay")
        if not least or int(least[0]["least"]) > self._version:
            self._run("ROLLBACK")
            raise OutdatedMapError("the shard map has changed under the load: load again, which goes on")
        for statement in statements:
            self._run(statement)
        self._run("COMMIT")

    def _run(self, statement: str, *parameters: str) -> list[Row]:
        return query_on(self._connection, statement, parameters, node=self._shard.source.name)


# How many orders one shard gets, and the statements that write them, their customers and items.
Part = tuple[int, list[str]]


def shards_of_customers(shard_map: ShardMap, seed: int, start: int, stop: int) -> bytes:
    """Return the shards of customers `start` to `stop` - 1, a byte each."""
    return bytes(shard_map.shard_of(sharding_key(shard_map.column, seed, number)) for number in range(start, stop))


def sharding_key(column: str, seed: int, customer: int) -> Any:  # noqa: ANN401 - as the column has it
    """Return the key of a generated customer."""
    if column == CUSTOMER:
        return customer
    row = generated.customer(seed, customer)
    return row.country if column == COUNTRY else row.created_at


def generate(  # noqa: PLR0913, PLR0917 - it runs in another process
    seed: int, low: int, high: int, by_customer: bytes, schemas: Mapping[int, str], done: Mapping[int, int]
) -> Mapping[int, Part]:
    """Return what orders `low` + 1 to `high` add to each shard, apart from those that it has `done`.

    Args:
        seed: which shop.
        low: the orders before the first.
        high: the last order.
        by_customer: the shard of each customer up to the last that these orders need, from customer 1.
        schemas: the shop's schema by shard.
        done: how many orders each shard is done with.
    """
    customers: dict[int, list[generated.Customer]] = {shard: [] for shard in schemas}
    orders: dict[int, list[generated.Order]] = {shard: [] for shard in schemas}
    items: dict[int, list[generated.Item]] = {shard: [] for shard in schemas}
    theirs = {shard: generated.customers_of(number) for shard, number in done.items()}
    for number in range(generated.customers_of(low) + 1, generated.customers_of(high) + 1):
        shard = by_customer[number - 1]
        if number > theirs[shard]:
            customers[shard].append(generated.customer(seed, number))
    for number in range(low + 1, high + 1):
        order, lines = generated.order(seed, number)
        shard = by_customer[order.customer_id - 1]
        if number > done[shard]:
            orders[shard].append(order)
            items[shard] += lines
    return {
        shard: (
            len(orders[shard]),
            [
                *writing.inserts("customers", customers[shard], schema),
                *writing.inserts("orders", orders[shard], schema),
                *writing.inserts("order_items", items[shard], schema),
            ],
        )
        for shard, schema in schemas.items()
    }


def _wait(futures: Sequence[Future[None]]) -> None:
    for future in futures:
        future.result()


def _silent(*_: object) -> None:
    pass
