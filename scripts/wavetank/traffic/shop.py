"""Customers of a sharded shop who order, change and cancel at a steady rate, and look what they have.

They come through wavetank.sharding, as an application does. Each customer has a counter, which every write of theirs
sets to the next number: a reader who knows which number was acknowledged before it asked, and which was sent before it
was answered, knows whether what it read was current.
"""

import itertools
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from wavetank import shop
from wavetank.errors import UnreachableError, UsageError
from wavetank.node import StatementError
from wavetank.sharding.client import OutcomeUnknownError, Shards, ShardUnavailableError, UnfinishedError
from wavetank.traffic.proxied import ProxiedShards

CUSTOMERS = 200
WRITERS = 4
READERS = 4
WRITES_PER_S = 200
STOP_TIMEOUT_S = 60
Kind = Literal["order", "change", "cancel", "both"]
# In what proportion; "both" is a transaction of two customers, on two shards if they are there.
_KINDS: tuple[Kind, ...] = ("order", "change", "cancel", "both")
_WEIGHTS = (13, 3, 3, 1)
Outcome = Literal["acknowledged", "failed", "unknown"]

_ORDER = (
    "INSERT INTO orders (order_id, customer_id, ordered_at, status, total) VALUES (%s, %s, %s, 'placed', %s)",
    "INSERT INTO order_items (order_id, line, product_id, quantity, price) VALUES (%s, 1, 1, 1, %s)",
)
_COUNT = "UPDATE customers SET name = %s WHERE customer_id = %s"
_LOOK = "SELECT name FROM customers WHERE customer_id = %s"


@dataclass(frozen=True)
class Write:
    """One write: what became of it, and what it was to leave.

    Attributes:
        id: its number; no two have the same.
        kind: what it did to the order.
        customer: whose it was.
        counter: what it set the customer's counter to.
        order: the order that it wrote, changed or cancelled.
        sent_s: when it was sent, in seconds of the monotonic clock.
        done_s: when it was answered.
        outcome: what the client was told; "unknown" where nobody could say.
        error: what was said instead of an acknowledgement.
    """

    id: int
    kind: Kind
    customer: int
    counter: int
    order: int
    sent_s: float
    done_s: float
    outcome: Outcome
    error: str = ""


@dataclass(frozen=True)
class Look:
    """One read: the counter that it saw, and between which it had to be."""

    customer: int
    seen: int
    least: int
    most: int
    sent_s: float
    done_s: float
    error: str = ""

    @property
    def current(self) -> bool:
        """Whether what it saw was true at some moment while it was under way."""
        return bool(self.error) or self.least <= self.seen <= self.most


@dataclass
class Buyer:
    """A customer as its writer knows it. One thread writes it; others read the two numbers."""

    customer: int
    key: Any
    row: shop.Customer
    # The highest counter that was sent, and the highest that was acknowledged.
    sent: int = 0
    acknowledged: int = 0
    orders: list[int] = field(default_factory=list)


class ShopTraffic:
    """Writers and readers of a few customers of their own, which they make and remove."""

    def __init__(
        self,
        shards: Shards | ProxiedShards,
        seed: int,
        customers: int = CUSTOMERS,
        per_s: int = WRITES_PER_S,
        *,
        across: bool = True,
    ) -> None:
        """Make up the customers, who write so often a second, and read as often; nothing is sent yet.

        `across`: let one write in twenty be a transaction of two customers.
        """
        self._shards = shards
        self._seed = seed
        self._per_s = per_s
        self._weights = (*_WEIGHTS[:-1], _WEIGHTS[-1] if across else 0)
        self._over = threading.Event()
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self.writes: list[Write] = []
        self.looks: list[Look] = []
        self._open: list[Buyer] = []
        column = shards.published.map.column
        self.buyers = [self._buyer(number, column) for number in range(1, customers + 1)]

    def _buyer(self, number: int, column: str) -> Buyer:
        made = shop.customer(self._seed, number)
        id_ = self._shards.new_id()
        row = made._replace(customer_id=id_, name="0", email=f"buyer.{id_}@example.com")
        return Buyer(id_, getattr(row, column), row)

    def open(self) -> None:
        """Write the customers."""
        for buyer in self.buyers:
            self._open.append(buyer)
            if self._shards.published.map.kind == "directory":
                self._shards.assign(buyer.customer)
            columns = ", ".join(shop.Customer._fields)
            with self._shards.at(buyer.key) as session:
                session.execute(f"INSERT INTO customers ({columns}) VALUES (%s, %s, %s, %s, %s, %s)", tuple(buyer.row))

    def start(self) -> None:
        """Begin to write and read."""
        for number in range(WRITERS):
            mine = self.buyers[number::WRITERS]
            self._threads.append(threading.Thread(target=self._write_on, args=(number, mine)))
        for number in range(READERS):
            self._threads.append(threading.Thread(target=self._read_on, args=(number,)))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End; what has been sent is answered first."""
        self._over.set()
        for thread in self._threads:
            if thread.ident:
                thread.join(STOP_TIMEOUT_S)

    def close(self) -> None:
        """Remove the customers with all that they ordered; again, it does nothing."""
        while self._open:
            buyer = self._open.pop()
            with self._shards.at(buyer.key) as session:
                session.execute(
                    "DELETE i FROM orders o STRAIGHT_JOIN order_items i ON i.order_id = o.order_id "
                    "WHERE o.customer_id = %s",
                    [buyer.customer],
                )
                for table in ("customer_analytics", "orders", "customers"):
                    session.execute(f"DELETE FROM {table} WHERE customer_id = %s", [buyer.customer])

    # --- writers

    def _write_on(self, number: int, buyers: Sequence[Buyer]) -> None:
        # Whatever the storm does, each writer asks for the same things in the same order.
        draw = random.Random(f"{self._seed} {number}")  # noqa: S311 - traffic, not secrets
        for _ in _ticks(self._per_s / WRITERS, self._over):
            kind = draw.choices(_KINDS, self._weights)[0]
            one, other = draw.sample(buyers, 2)
            if kind in {"change", "cancel"} and not one.orders:
                kind = "order"
            self._write(kind, [one, other] if kind == "both" else [one], draw)

    def _write(self, kind: Kind, buyers: Sequence[Buyer], draw: random.Random) -> None:
        orders = [self._order_of(kind, buyer, draw) for buyer in buyers]
        for buyer in buyers:
            buyer.sent += 1
        sent_s = time.monotonic()
        outcome, error = self._try(kind, buyers, orders)
        done_s = time.monotonic()
        for buyer, order in zip(buyers, orders, strict=True):
            if outcome == "acknowledged":
                buyer.acknowledged = buyer.sent
            # What nobody knows of is not touched again, so that it can be judged by itself.
            if kind in {"order", "both"} and outcome == "acknowledged":
                buyer.orders.append(order)
            if (kind == "cancel" and outcome != "failed") or (kind == "change" and outcome == "unknown"):
                buyer.orders.remove(order)
            with self._lock:
                write = Write(next(self._ids), kind, buyer.customer, buyer.sent, order, sent_s, done_s, outcome, error)
                self.writes.append(write)

    def _order_of(self, kind: Kind, buyer: Buyer, draw: random.Random) -> int:
        return self._shards.new_id() if kind in {"order", "both"} else draw.choice(buyer.orders)

    def _try(self, kind: Kind, buyers: Sequence[Buyer], orders: Sequence[int]) -> tuple[Outcome, str]:
        try:
            with self._shards.transaction([buyer.key for buyer in buyers], across=len(buyers) > 1) as transaction:
                for buyer, order in zip(buyers, orders, strict=True):
                    session = transaction.at(buyer.key)
                    for statement, values in statements(kind, buyer.customer, order, buyer.sent):
                        session.execute(statement, values)
        except (OutcomeUnknownError, UnfinishedError) as error:
            return "unknown", _line(error)
        except (UsageError, UnreachableError, StatementError) as error:
            return "failed", _line(error)
        return "acknowledged", ""

    # --- readers

    def _read_on(self, number: int) -> None:
        draw = random.Random(f"{self._seed} reader {number}")  # noqa: S311
        for _ in _ticks(self._per_s / READERS, self._over):
            self._read(draw.choice(self.buyers))

    def _read(self, buyer: Buyer) -> None:
        least, sent_s, seen, error = buyer.acknowledged, time.monotonic(), 0, ""
        try:
            rows = self._shards.read(buyer.key, _LOOK, [buyer.customer]).rows
            # A customer who is not where one reads is as wrong as an old one.
            seen = int(rows[0]["name"]) if rows else -1
        except (ShardUnavailableError, UsageError, StatementError) as refusal:
            error = _line(refusal)
        look = Look(buyer.customer, seen, least, buyer.sent, sent_s, time.monotonic(), error)
        with self._lock:
            self.looks.append(look)

    def json_lines(self) -> Iterator[str]:
        """Yield every write and read, each as a line of JSON."""
        for write in self.writes:
            yield json.dumps(asdict(write)) + "\n"
        for look in self.looks:
            yield json.dumps(asdict(look)) + "\n"


# Orders are spread over the months, and so over the partitions.
_MONTHS = 24


def ordered_at(order: int) -> datetime:
    """Return when an order was made: it follows from its id, so that it can be found by its whole primary key."""
    return shop.FIRST_SALE + timedelta(days=order % (_MONTHS * 30))


def statements(kind: Kind, customer: int, order: int, counter: int) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield what a write runs, each statement with its values."""
    if kind in {"order", "both"}:
        yield _ORDER[0], (order, customer, ordered_at(order), counter)
        yield _ORDER[1], (order, counter)
    elif kind == "change":
        yield "UPDATE orders SET total = %s WHERE order_id = %s", (counter, order)
        yield "UPDATE order_items SET price = %s WHERE order_id = %s", (counter, order)
    else:
        yield "DELETE FROM order_items WHERE order_id = %s", (order,)
        yield "DELETE FROM orders WHERE order_id = %s", (order,)
    yield _COUNT, (str(counter), customer)


def _ticks(per_s: float, over: threading.Event) -> Iterator[None]:
    """Yield at a steady rate until it is over; what was missed while waiting is not made up for."""
    due = time.monotonic()
    while not over.is_set():
        yield
        due = max(due + 1 / per_s, time.monotonic())
        over.wait(due - time.monotonic())


def _line(error: Exception) -> str:
    return " ".join(str(getattr(error, "msg", None) or error).split())[:200]


# --- what came of it


@dataclass(frozen=True)
class Held:
    """An order as one shard holds it; `price` is its one item's, None without one."""

    shard: int
    customer: int
    order: int
    total: int
    price: int | None


@dataclass(frozen=True)
class ShopVerdict:
    """What came of the writes and reads: numbers of writes, and ids of what is wrong."""

    acknowledged: int
    failed: int
    unknown: int
    reads: int
    lost: tuple[int, ...] = ()
    twice: tuple[int, ...] = ()
    wrong: tuple[int, ...] = ()
    undead: tuple[int, ...] = ()
    unexpected: tuple[int, ...] = ()
    counters: tuple[int, ...] = ()
    stale: tuple[Look, ...] = ()

    def failures(self) -> list[str]:
        """Return what must not be, a sentence each."""
        found = {
            "orders acknowledged and lost": self.lost,
            "orders or customers on more than one shard": self.twice,
            "orders that are not as their last acknowledged write left them": self.wrong,
            "orders cancelled and there": self.undead,
            "orders there that nobody wrote": self.unexpected,
            "customers whose counter is not the last acknowledged one": self.counters,
        }
        lines = [f"{len(ids)} {what}: {', '.join(map(str, ids[:5]))}" for what, ids in found.items() if ids]
        if self.stale:
            first = self.stale[0]
            lines.append(
                f"{len(self.stale)} reads were not current: customer {first.customer} read {first.seen}, "
                f"which was to be {first.least} to {first.most}"
            )
        return lines


def judge(
    writes: Iterable[Write], looks: Sequence[Look], held: Iterable[Held], counters: Sequence[tuple[int, int, int]]
) -> ShopVerdict:
    """Return the verdict.

    Args:
        writes: all of them.
        looks: all reads.
        held: the customers' orders on all shards.
        counters: shard, customer and counter of each row of a customer, on all shards.
    """
    by_order: dict[int, list[Write]] = {}
    by_customer: dict[int, list[Write]] = {}
    outcomes: Counter[Outcome] = Counter()
    for write in sorted(writes, key=lambda each: each.id):
        outcomes[write.outcome] += 1
        if write.outcome != "failed":
            by_order.setdefault(write.order, []).append(write)
            by_customer.setdefault(write.customer, []).append(write)
    there: dict[int, list[Held]] = {}
    for each in held:
        there.setdefault(each.order, []).append(each)
    faults = {order: _fault(theirs, there.get(order, [])) for order, theirs in sorted(by_order.items())}
    rows: dict[int, list[int]] = {}
    for _, customer, counter in counters:
        rows.setdefault(customer, []).append(counter)
    return ShopVerdict(
        acknowledged=outcomes["acknowledged"],
        failed=outcomes["failed"],
        unknown=outcomes["unknown"],
        reads=len(looks),
        twice=(
            *sorted(order for order, copies in there.items() if len(copies) > 1),
            *sorted(customer for customer, copies in rows.items() if len(copies) > 1),
        ),
        unexpected=tuple(sorted(there.keys() - by_order.keys())),
        counters=tuple(
            sorted(customer for customer, theirs in by_customer.items() if _miscounted(theirs, rows.get(customer, [])))
        ),
        stale=tuple(look for look in looks if not look.current),
        lost=tuple(order for order, fault in faults.items() if fault == "lost"),
        wrong=tuple(order for order, fault in faults.items() if fault == "wrong"),
        undead=tuple(order for order, fault in faults.items() if fault == "undead"),
    )


def _fault(writes: Sequence[Write], copies: Sequence[Held]) -> Literal["", "lost", "wrong", "undead"]:
    """Return what is wrong with an order after its writes; one of unknown outcome is its last."""
    states: list[int | None] = [None]
    for write in writes:
        left = None if write.kind == "cancel" else write.counter
        states = [left] if write.outcome == "acknowledged" else [*states, left]
    if not copies:
        return "" if None in states else "lost"
    if states == [None]:
        return "undead"
    return "" if all(copy.total == copy.price and copy.total in states for copy in copies) else "wrong"


def _miscounted(writes: Sequence[Write], rows: Sequence[int]) -> bool:
    last = max((write.counter for write in writes if write.outcome == "acknowledged"), default=0)
    may = {last, *(write.counter for write in writes if write.outcome == "unknown" and write.counter > last)}
    return not rows or not set(rows) <= may


def longest_wait_ms(writes: Iterable[Write], customers: set[int], since_s: float, until_s: float) -> float:
    """Return for how many ms a write of one of `customers` was under way at most, of those between two moments."""
    waits = [
        write.done_s - write.sent_s
        for write in writes
        if write.customer in customers and since_s <= write.done_s and write.sent_s <= until_s
    ]
    return round(max(waits, default=0.0) * 1000, 1)
