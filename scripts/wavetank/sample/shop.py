"""The sample shop whole on each source: what is there before a load, and the load itself."""

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from wavetank.errors import UsageError
from wavetank.sample.filling import LOCK_WAIT_S, Filled, Report, refuse_numbers
from wavetank.sample.generated import PRODUCTS, customers_of, product
from wavetank.sample.writing import batch, inserts
from wavetank.servers.node import Server, Servers, query_on
from wavetank.sharding.schema import made_by, shop_statements
from wavetank.topology.model import Node, Topology

# Orders a transaction: a killed load loses at most these, and a replica applies them at one go.
BATCH_ORDERS = 1_000


@dataclass(frozen=True)
class Found:
    """What one source's shop holds before a load.

    `seed` and `orders` are what the loader wrote, None and 0 where it never ran; `missing` counts its
    rows that are gone since, `foreign_rows` the rows that somebody else put behind them.
    """

    seed: int | None = None
    orders: int = 0
    missing: int = 0
    foreign_rows: int = 0


class Loaded(Filled[str]):
    """What a load left behind on every source of an instance without shards."""

    def lines(self) -> Iterator[str]:
        """Yield a line for each source, for people."""
        for source, added in self.added.items():
            yield f"{source} holds {self.content}: {self.news(added)}"


def load_shop(servers: Servers, orders: int, seed: int = 1, report: Report | None = None) -> Loaded:
    """Bring the shop on every source to exactly `orders` generated orders.

    Loading what is there changes nothing; loading more adds the rest; a load that was killed is
    continued by the next. Sources that replicate from each other are given their rows once.

    Args:
        servers: the instance.
        orders: how many orders, from 1 to MOST_ORDERS; customers are a fifth of it, products PRODUCTS.
        seed: which shop, from 0 to HIGHEST_SEED.
        report: called after every batch, and once at the start, for each source.

    Raises:
        UsageError: an argument is out of range, or the shop that is there is another one or a larger
            one; nothing is ever deleted.
        UnreachableError: a source does not answer.
    """
    refuse_numbers(orders, seed)
    started = time.monotonic()
    sources = [servers[node.name] for node in entry_points(servers.topology)]
    # All are asked before the first is changed.
    for source in sources:
        if source.value("SELECT @@GLOBAL.super_read_only"):
            raise UsageError(f"{source.name} is closed for writes: make topology-up opens it")
        refuse_unfit(source.name, find_shop(source), orders, seed)
    added = {source.name: _load(source, orders, seed, report or _silent) for source in sources}
    return Loaded(orders, customers_of(orders), PRODUCTS, seed, added, round(time.monotonic() - started, 3))


def entry_points(topology: Topology) -> list[Node]:
    """Return the sources to write to, so that every server gets every row once.

    Raises:
        UsageError: there is no such choice, because a replica would get the same rows from two sources.
    """
    entries: list[Node] = []
    served: dict[str, str] = {}
    for source in topology.sources:
        if source.name in served:
            continue
        reached = {node.name for node in topology.tree(source)}
        if twice := sorted(reached & served.keys()):
            raise UsageError(
                f"{twice[0]} replicates from {served[twice[0]]} and {source.name}, whose shops would collide "
                "there: load into a topology where each replica has one source"
            )
        served |= dict.fromkeys(reached, source.name)
        entries.append(source)
    return entries


def find_shop(source: Server) -> Found | None:
    """Return what the source's shop holds, None where the schema is not there or not whole."""
    rows = source.query(
        "SELECT CONCAT('shop.', TABLE_NAME) AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'shop'",
        account="admin",
    )
    if not made_by(shop_statements()) <= {row["name"] for row in rows}:
        return None
    state = source.query("SELECT seed, orders FROM shop.load_state", account="app_rw")
    seed, orders = (state[0]["seed"], state[0]["orders"]) if state else (None, 0)
    expected = {"orders": orders, "customers": customers_of(orders), "products": PRODUCTS if state else 0}
    missing = foreign_rows = 0
    for table, last in expected.items():
        counts = source.query(
            f"SELECT COUNT(*) AS n, COUNT(IF({table[:-1]}_id <= %s, 1, NULL)) AS ours FROM shop.{table}",
            [last],
            account="app_rw",
        )[0]
        missing += last - counts["ours"]
        foreign_rows += counts["n"] - counts["ours"]
    return Found(seed, orders, missing, foreign_rows)


def refuse_unfit(node: str, found: Found | None, orders: int, seed: int) -> None:
    """Refuse to make `orders` orders of `seed` out of what is there.

    Raises:
        UsageError: it cannot be done by adding; the message says what can.
    """
    if found is None:
        return
    afresh = f"DROP SCHEMA shop on {node} to start afresh"
    if found.seed is not None and found.seed != seed:
        raise UsageError(f"the shop on {node} was loaded with seed {found.seed}: load with that one, or {afresh}")
    if found.orders > orders:
        raise UsageError(
            f"the shop on {node} has {found.orders} loaded orders and nothing is deleted: "
            f"load {found.orders} or more, or {afresh}"
        )
    if found.missing:
        raise UsageError(f"{found.missing} loaded rows are gone from the shop on {node}: {afresh}")
    if found.foreign_rows and (found.orders < orders or found.seed is None):
        stay = f"stay at {found.orders} orders, or " if found.orders else ""
        raise UsageError(
            f"the shop on {node} has {found.foreign_rows} rows of others where new ones would go: {stay}{afresh}"
        )


def _load(source: Server, orders: int, seed: int, report: Report) -> int:
    """Load one source and return how many orders were new."""
    with contextlib.closing(source.connect("app_rw")) as connection:
        run = functools.partial(query_on, connection, node=source.name)
        if not run("SELECT GET_LOCK('shop.load', %s) AS got", [LOCK_WAIT_S])[0]["got"]:
            raise UsageError(f"another load is under way on {source.name}: wait for its end")
        if find_shop(source) is None:
            source.execute(*shop_statements(), account="admin")
        found = find_shop(source) or Found()
        refuse_unfit(source.name, found, orders, seed)
        # The generated rows are whole by themselves, and the replicas take half the time.
        run("SET SESSION foreign_key_checks = OFF")
        if found.seed is None:
            products = [product(seed, number) for number in range(1, PRODUCTS + 1)]
            _commit(run, *inserts("products", products), f"INSERT INTO shop.load_state VALUES (1, {seed}, 0)")
        done = found.orders
        report(source.name, done, orders)
        while done < orders:
            upto = min((done // BATCH_ORDERS + 1) * BATCH_ORDERS, orders)
            _commit(run, *batch(seed, done, upto), f"UPDATE shop.load_state SET orders = {upto}")
            report(source.name, upto, orders)
            done = upto
    return orders - found.orders


def _commit(run: Callable[[str], object], *statements: str) -> None:
    """Run the statements in one transaction; a connection that breaks off leaves none of it."""
    for statement in ("START TRANSACTION", *statements, "COMMIT"):
        run(statement)


def _silent(*_: object) -> None:
    pass
