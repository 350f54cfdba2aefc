"""Customers of a sharded shop who order, change and cancel at a steady rate, and read what they have.

They come through wavetank.client.shards, as an application does. Each customer has a counter, which every write of
theirs sets to the next number: a reader who knows which number was acknowledged before it asked, and which was sent
before it was answered, knows whether what it read was current.
"""

import itertools
import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from wavetank.client.shards import OutcomeUnknownError, Shards, ShardUnavailableError, UnfinishedError
from wavetank.drills.traffic.load import Load, ticks
from wavetank.drills.traffic.proxied import ProxiedShards
from wavetank.drills.traffic.shop_log import Kind, Outcome, Read, Write
from wavetank.drills.traffic.threads import Workers
from wavetank.errors import UnreachableError, UsageError
from wavetank.sample import generated
from wavetank.servers.node import StatementError

CUSTOMERS = 200
# Threads that write, and as many that read.
CLIENTS = 4
WRITES_PER_S = 200
STOP_TIMEOUT_S = 60
# In what proportion; "both" is a transaction of two customers, on two shards if they are there.
_KINDS: tuple[Kind, ...] = ("order", "change", "cancel", "both")
_WEIGHTS = (13, 3, 3, 1)

_ORDER = (
    "INSERT INTO orders (order_id, customer_id, ordered_at, status, total) VALUES (%s, %s, %s, 'placed', %s)",
    "INSERT INTO order_items (order_id, line, product_id, quantity, price) VALUES (%s, 1, 1, 1, %s)",
)
_COUNT = "UPDATE customers SET name = %s WHERE customer_id = %s"
_COUNTER = "SELECT name FROM customers WHERE customer_id = %s"


@dataclass
class Buyer:
    """A customer as its writer knows it. One thread writes it; others read the two numbers."""

    customer: int
    key: Any
    row: generated.Customer
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
        self._began_s = 0.0
        self._workers = Workers()
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self.writes: list[Write] = []
        self.reads: list[Read] = []
        self._open: list[Buyer] = []
        column = shards.published.map.column
        self.buyers = [self._buyer(number, column) for number in range(1, customers + 1)]

    def _buyer(self, number: int, column: str) -> Buyer:
        made = generated.customer(self._seed, number)
        id_ = self._shards.new_id()
        row = made._replace(customer_id=id_, name="0", email=f"buyer.{id_}@example.com")
        return Buyer(id_, getattr(row, column), row)

    def open(self) -> None:
        """Write the customers."""
        for buyer in self.buyers:
            self._open.append(buyer)
            if self._shards.published.map.kind == "directory":
                self._shards.assign(buyer.customer)
            columns = ", ".join(generated.Customer._fields)
            with self._shards.at(buyer.key) as session:
                session.execute(f"INSERT INTO customers ({columns}) VALUES (%s, %s, %s, %s, %s, %s)", tuple(buyer.row))

    @property
    def load(self) -> Load:
        """What the customers have offered so far."""
        ended_s = self._workers.ended_s or time.monotonic()
        return Load(self._began_s or ended_s, ended_s, CLIENTS, self._per_s, self._per_s)

    @property
    def faults(self) -> list[str]:
        """Which threads died of what nobody expected, or did not end, a sentence each."""
        return self._workers.faults

    def start(self) -> None:
        """Begin to write and read."""
        for client in range(1, CLIENTS + 1):
            self._workers.add(
                f"the writes of client {client}", self._write_on, client, self.buyers[client - 1 :: CLIENTS]
            )
            self._workers.add(f"the reads of client {client}", self._read_on, client)
        self._began_s = time.monotonic()
        self._workers.start()

    def stop(self) -> None:
        """End; what has been sent is answered first."""
        self._workers.stop(STOP_TIMEOUT_S)

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

    def _write_on(self, client: int, buyers: Sequence[Buyer]) -> None:
        # Whatever the storm does, each writer asks for the same things in the same order.
        draw = random.Random(f"{self._seed} {client - 1}")  # noqa: S311 - traffic, not secrets
        for due_s in ticks(self._per_s / CLIENTS, self._workers.over):
            kind = draw.choices(_KINDS, self._weights)[0]
            one, other = draw.sample(buyers, 2)
            if kind in {"change", "cancel"} and not one.orders:
                kind = "order"
            done = self._write(kind, [one, other] if kind == "both" else [one], draw)
            with self._lock:
                for each in done:
                    self.writes.append(replace(each, id=next(self._ids), client=client, due_s=due_s))

    def _write(self, kind: Kind, buyers: Sequence[Buyer], draw: random.Random) -> Sequence[Write]:
        """Write, and return what became of it for each of the customers; the writes have no numbers yet."""
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
        return [
            Write(0, kind, buyer.customer, buyer.sent, order, sent_s, done_s, outcome, error)
            for buyer, order in zip(buyers, orders, strict=True)
        ]

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

    def _read_on(self, client: int) -> None:
        draw = random.Random(f"{self._seed} reader {client - 1}")  # noqa: S311
        for due_s in ticks(self._per_s / CLIENTS, self._workers.over):
            read = self._read(draw.choice(self.buyers))
            with self._lock:
                self.reads.append(replace(read, client=client, due_s=due_s))

    def _read(self, buyer: Buyer) -> Read:
        least, sent_s, seen, error = buyer.acknowledged, time.monotonic(), 0, ""
        try:
            rows = self._shards.read(buyer.key, _COUNTER, [buyer.customer]).rows
            # A customer who is not where one reads is as wrong as an old one.
            seen = int(rows[0]["name"]) if rows else -1
        except (ShardUnavailableError, UsageError, StatementError) as refusal:
            error = _line(refusal)
        return Read(buyer.customer, seen, least, buyer.sent, sent_s, time.monotonic(), error)


# Orders are spread over the months, and so over the partitions.
_MONTHS = 24


def ordered_at(order: int) -> datetime:
    """Return when an order was made: it follows from its id, so that it can be found by its whole primary key."""
    return generated.FIRST_SALE + timedelta(days=order % (_MONTHS * 30))


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


def _line(error: Exception) -> str:
    return " ".join(str(getattr(error, "msg", None) or error).split())[:200]
