"""The rows of the sample shop: an e-commerce shop of as many orders as asked for, the same on every machine.

Order k and all that belongs to it follow from the seed and k alone, so that loading 1,000 orders and
then 5,000 leaves exactly what loading 5,000 leaves.
"""

import functools
import math
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

ORDERS_A_CUSTOMER = 5

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
