"""The sample data: an e-commerce shop of as many orders as asked for, the same on every machine.

Order k and all that belongs to it follow from the seed and k alone, so that loading 1,000 orders and
then 5,000 leaves exactly what loading 5,000 leaves.
"""

import contextlib
import functools
import itertools
import math
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, NamedTuple, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from wavetank.errors import UsageError
from wavetank.servers.node import STATEMENT_BYTES, Server, Servers, query_on
from wavetank.topology.instance import HOME
from wavetank.topology.model import Node, Topology

SCHEMA_FILE = HOME / "configs" / "sql" / "shop.sql"

ORDERS_A_CUSTOMER = 5
# Some 8 GB on every server; past this a typing error is likelier than a wish.
MOST_ORDERS = 10_000_000
HIGHEST_SEED = 2**63 - 1
# Orders a transaction: a killed load loses at most these, and a replica applies them at one go.
BATCH_ORDERS = 1_000
# A load that was killed a moment ago may still hold the lock until its server notices.
LOCK_WAIT_S = 5

# Sales run over two years whatever the number of orders; customers signed up in the year before.
# MySQL's DATETIME carries no zone, so neither do these.
FIRST_SALE = datetime(2024, 1, 1)  # noqa: DTZ001
SALES_S = int((datetime(2026, 1, 1) - FIRST_SALE).total_seconds())  # noqa: DTZ001
SIGN_UP_S = int(timedelta(days=365).total_seconds())

_FIRST = (
    "Ada", "Amir", "Ana", "Ben", "Chen", "Dina", "Elif", "Femi", "Grace", "Hana", "Hugo", "Ines", "Ivan",
    "Jun", "Kofi", "Lars", "Lea", "Luca", "Maya", "Mei", "Nia", "Noah", "Olga", "Omar", "Priya", "Rosa",
    "Sami", "Sofia", "Tariq", "Uma", "Vera", "Yuki",
)  # fmt: skip
_LAST = (
    "Adeyemi", "Ahmed", "Andersen", "Bauer", "Cohen", "Costa", "Dubois", "Eriksen", "Fischer", "Garcia",
    "Haddad", "Ito", "Jansen", "Kaya", "Kim", "Kowalski", "Lopez", "Martin", "Mbeki", "Nguyen", "Novak",
    "Okafor", "Papadakis", "Patel", "Rossi", "Santos", "Silva", "Smith", "Tanaka", "Virtanen", "Wang",
    "Zhang",
)  # fmt: skip
# In the proportions in which customers live there.
_COUNTRIES = (
    *[("US", "americas")] * 4, *[("BR", "americas")] * 2, ("CA", "americas"), ("MX", "americas"),
    *[("DE", "europe")] * 3, *[("GB", "europe")] * 2, *[("FR", "europe")] * 2, ("ES", "europe"),
    *[("IN", "asia")] * 3, *[("JP", "asia")] * 2, ("ID", "asia"), ("KR", "asia"),
    *[("NG", "africa")] * 2, ("ZA", "africa"), ("KE", "africa"), ("AU", "oceania"), ("NZ", "oceania"),
)  # fmt: skip
# Every make of every thing is a product.
_MAKES = (
    "Brass", "Bronze", "Canvas", "Carbon", "Cedar", "Classic", "Copper", "Folding", "Heavy", "Inshore",
    "Light", "Mahogany", "Marine", "Nickel", "Offshore", "Oiled", "Pocket", "Racing", "Steel", "Teak",
)  # fmt: skip
_THINGS = (
    ("anchor", "deck"), ("cleat", "deck"), ("winch", "deck"), ("compass", "navigation"),
    ("chart case", "navigation"), ("barometer", "navigation"), ("lantern", "cabin"), ("kettle", "cabin"),
    ("sailcloth", "rigging"), ("shackle", "rigging"),
)  # fmt: skip
PRODUCTS = len(_MAKES) * len(_THINGS)
_STATUSES = ("placed", "paid", "packed", "shipped", *["delivered"] * 6)

# What a random draw is for; each row draws from a generator of its own.
_CUSTOMER, _PRODUCT, _ORDER = 1, 2, 3

# Told the source's name, the orders it holds and the orders it shall hold.
Report = Callable[[str, int, int], None]


class Customer(NamedTuple):
    """A row of shop.customers."""

    customer_id: int
    name: str
    email: str
    country: str
    region: str
    created_at: datetime


class Product(NamedTuple):
    """A row of shop.products."""

    product_id: int
    sku: str
    name: str
    category: str
    price: Decimal


class Order(NamedTuple):
    """A row of shop.orders; `total` is what its items add up to."""

    order_id: int
    customer_id: int
    ordered_at: datetime
    status: str
    total: Decimal


class Item(NamedTuple):
    """A row of shop.order_items; `price` is that of one piece."""

    order_id: int
    line: int
    product_id: int
    quantity: int
    price: Decimal


@dataclass(frozen=True)
class Found:
    """What one source's shop holds before a load.

    `seed` and `orders` are what the loader wrote, None and 0 where it never ran; `missing` counts its
    rows that are gone since, `strangers` the rows that somebody else put behind them.
    """

    seed: int | None = None
    orders: int = 0
    missing: int = 0
    strangers: int = 0


Place = TypeVar("Place", int, str)  # a shard's number, a source's name


@dataclass(frozen=True)
class Filled(Generic[Place]):
    """What a load left behind; `added` is the orders it wrote, by where it wrote them, in `seconds`."""

    orders: int
    customers: int
    products: int
    seed: int
    added: dict[Place, int]
    seconds: float

    @property
    def changed(self) -> bool:
        """Whether anything was written."""
        return any(self.added.values())

    @property
    def content(self) -> str:
        """What is there now, in words."""
        return f"{self.orders:,} orders of {self.customers:,} customers, seed {self.seed}"

    def news(self, added: int) -> str:
        """Return how many of the orders there are new, and how fast all that are new were written."""
        rate = sum(self.added.values()) / max(self.seconds, 0.001)
        return f"{added:,} of them new, {rate:,.0f} a second" if added else "unchanged"

    def as_dict(self) -> dict[str, Any]:
        """Return it for json.dumps()."""
        return {**asdict(self), "changed": self.changed}


class Loaded(Filled[str]):
    """What a load left behind on every source of an instance without shards."""

    def lines(self) -> Iterator[str]:
        """Yield a line for each source, for people."""
        for source, added in self.added.items():
            yield f"{source} holds {self.content}: {self.news(added)}"


def customers_of(orders: int) -> int:
    """Return how many customers the first `orders` orders need."""
    return -(-orders // ORDERS_A_CUSTOMER)


def customer(seed: int, number: int) -> Customer:
    """Return customer `number`, counted from 1."""
    draw = _draws(seed, _CUSTOMER, number)
    first, last = _one_of(_FIRST, draw()), _one_of(_LAST, draw())
    country, region = _one_of(_COUNTRIES, draw())
    created_at = FIRST_SALE - timedelta(seconds=SIGN_UP_S - int(draw() * SIGN_UP_S))
    email = f"{first}.{last}.{number}@example.com".lower()
    return Customer(number, f"{first} {last}", email, country, region, created_at)


@functools.lru_cache(maxsize=PRODUCTS)
def product(seed: int, number: int) -> Product:
    """Return product `number`, from 1 to PRODUCTS."""
    draw = _draws(seed, _PRODUCT, number)
    thing, category = _THINGS[(number - 1) // len(_MAKES)]
    # Squared, so that most are cheap: from 2.00 to 401.99.
    price = Decimal(200 + int(40_000 * draw() ** 2)).scaleb(-2)
    return Product(number, f"WT-{number:04}", f"{_MAKES[(number - 1) % len(_MAKES)]} {thing}", category, price)


def order(seed: int, number: int) -> tuple[Order, list[Item]]:
    """Return order `number`, counted from 1, and its one to four items.

    Its customer is one of those that the orders up to it need, so a shop of any size is whole.
    """
    draw = _draws(seed, _ORDER, number)
    buyer = 1 + int(draw() * customers_of(number))
    # The inverse of a density that rises threefold from the first sale to the last: business grows.
    ordered_at = FIRST_SALE + timedelta(seconds=int((math.sqrt(1 + 8 * draw()) - 1) / 2 * SALES_S))
    status = _one_of(_STATUSES, draw())
    items = []
    for line in range(1, 2 + int(4 * draw() ** 2)):
        # Squared, so that the first products sell best.
        sold = product(seed, 1 + int(PRODUCTS * draw() ** 2))
        items.append(Item(number, line, sold.product_id, 1 + int(3 * draw()), sold.price))
    total = sum((item.quantity * item.price for item in items), Decimal(0))
    return Order(number, buyer, ordered_at, status, total), items


def _draws(seed: int, kind: int, number: int) -> Callable[[], float]:
    """Return the row's own source of numbers in [0, 1).

    Only random() is used: it alone is promised to give the same numbers in every version of Python.
    """
    return random.Random(seed << 72 | kind << 64 | number).random  # noqa: S311 - data, not secrets


def _one_of(choices: Sequence[Any], drawn: float) -> Any:  # noqa: ANN401
    return choices[int(drawn * len(choices))]


def batch(seed: int, done: int, upto: int) -> list[str]:
    """Return the statements that bring a shop of `done` orders to `upto`."""
    customers = [customer(seed, number) for number in range(customers_of(done) + 1, customers_of(upto) + 1)]
    orders, items = zip(*(order(seed, number) for number in range(done + 1, upto + 1)), strict=True)
    return [
        *inserts("customers", customers),
        *inserts("orders", orders),
        *inserts("order_items", list(itertools.chain.from_iterable(items))),
    ]


def inserts(table: str, rows: Sequence[Any], schema: str = "shop") -> Iterator[str]:
    """Yield INSERTs of STATEMENT_BYTES at most that hold all `rows`, NamedTuples of columns of `schema`.`table`.

    The driver's own parameters cost more time than the servers take, so the values are written out;
    none of them comes from outside.

    Raises:
        ValueError: a text is not one that stands in quotes as it is.
    """
    into = f"INSERT INTO {schema}.{table} ({', '.join(rows[0]._fields)}) VALUES " if rows else ""
    values: list[str] = []
    length = 0
    for row in rows:
        value = f"({','.join(map(_literal, row))})"
        if values and len(into) + length + len(value) > STATEMENT_BYTES:
            yield into + ",".join(values)
            values, length = [], 0
        values.append(value)
        length += len(value) + 1
    if values:
        yield into + ",".join(values)


def _literal(value: int | Decimal | str | datetime) -> str:
    if isinstance(value, str) and ("'" in value or "\\" in value):
        raise ValueError(f"{value!r} would need escaping")
    return f"'{value}'" if isinstance(value, str | datetime) else str(value)


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
        "SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'shop'",
        account="admin",
    )
    if not schema_names() <= {row["name"] for row in rows}:
        return None
    state = source.query("SELECT seed, orders FROM shop.load_state", account="app_rw")
    seed, orders = (state[0]["seed"], state[0]["orders"]) if state else (None, 0)
    expected = {"orders": orders, "customers": customers_of(orders), "products": PRODUCTS if state else 0}
    missing = strangers = 0
    for table, last in expected.items():
        counts = source.query(
            f"SELECT COUNT(*) AS n, COUNT(IF({table[:-1]}_id <= %s, 1, NULL)) AS ours FROM shop.{table}",
            [last],
            account="app_rw",
        )[0]
        missing += last - counts["ours"]
        strangers += counts["n"] - counts["ours"]
    return Found(seed, orders, missing, strangers)


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
    if found.strangers and (found.orders < orders or found.seed is None):
        stay = f"stay at {found.orders} orders, or " if found.orders else ""
        raise UsageError(
            f"the shop on {node} has {found.strangers} rows of others where new ones would go: {stay}{afresh}"
        )


def schema_statements() -> list[str]:
    """Return the statements of configs/sql/shop.sql."""
    return [statement for part in SCHEMA_FILE.read_text().split(";\n") if (statement := part.strip())]


def schema_names() -> set[str]:
    """Return the names of the tables and views that configs/sql/shop.sql makes."""
    return set(re.findall(r"^CREATE .*(?:TABLE IF NOT EXISTS|VIEW) shop\.(\w+)", SCHEMA_FILE.read_text(), re.MULTILINE))


def refuse_numbers(orders: int, seed: int) -> None:
    """Refuse numbers that no shop has.

    Raises:
        UsageError: one of them is such a number.
    """
    if not 1 <= orders <= MOST_ORDERS:
        raise UsageError(f"a shop has from 1 to {MOST_ORDERS} orders, not {orders}")
    if not 0 <= seed <= HIGHEST_SEED:
        raise UsageError(f"a seed is a number from 0 to {HIGHEST_SEED}, not {seed}")


def _load(source: Server, orders: int, seed: int, report: Report) -> int:
    """Load one source and return how many orders were new."""
    with contextlib.closing(source.connect("app_rw")) as connection:
        run = functools.partial(query_on, connection, node=source.name)
        if not run("SELECT GET_LOCK('shop.load', %s) AS got", [LOCK_WAIT_S])[0]["got"]:
            raise UsageError(f"another load is under way on {source.name}: wait for its end")
        if find_shop(source) is None:
            source.execute(*schema_statements(), account="admin")
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


@contextlib.contextmanager
def progress_bar() -> Iterator[Report | None]:
    """Draw a bar for each source on standard error, or give None where that is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        tasks: dict[str, Any] = {}

        def report(source: str, done: int, orders: int) -> None:
            if source not in tasks:
                tasks[source] = bar.add_task(source, total=orders)
            bar.update(tasks[source], completed=done)

        yield report
