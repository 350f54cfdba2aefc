"""Generated shops and queries: small, so that ties, empty shards and equal names are many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

Row = Mapping[str, Any]
Shop = Mapping[str, Sequence[Row]]

STATUSES = ("placed", "paid", "packed", "shipped", "delivered")
REGIONS = ("africa", "americas", "asia", "europe", "oceania")
# Equal to each other in utf8mb4_0900_ai_ci, unequal in a trailing blank, and such as have to be quoted.
NAMES = (
    "ana",
    "Ana",
    "ÁNA",
    "ana ",
    "Zoe",
    "zoë",
    "ss",
    "ß",
    "",
    "O'Hara",
    "back\\slash",
    "änder",
    "Ander",
    "日本",
    "😀",
)
PRODUCTS = [
    {"product_id": at, "sku": f"WT-{at:04}", "name": f"thing {at}", "category": category, "price": Decimal(at)}
    for at, category in enumerate(("deck", "cabin", "deck", "rigging", "cabin", "deck"), 1)
]
_MONEY = st.integers(0, 99_999).map(lambda cents: Decimal(cents).scaleb(-2))
_MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2024, 4, 30)).map(lambda at: at.replace(microsecond=0))  # noqa: DTZ001


@st.composite
def shops(draw: st.DrawFn) -> Shop:
    """Draw a shop of few customers, most of them alike in something."""
    customers = [
        {
            "customer_id": number,
            "name": draw(st.sampled_from(NAMES)),
            "email": f"{number}@example.org",
            "country": draw(st.sampled_from(("DE", "FR", "de"))),
            "region": draw(st.sampled_from(REGIONS)),
            "created_at": draw(_MOMENTS),
        }
        for number in draw(st.sets(st.integers(1, 60), max_size=18))
    ]
    orders: list[Row] = []
    items: list[Row] = []
    for number in range(1, draw(st.integers(0, 30)) + 1 if customers else 1):
        orders.append(
            {
                "order_id": number,
                "customer_id": draw(st.sampled_from(customers))["customer_id"],
                "ordered_at": draw(_MOMENTS),
                "status": draw(st.sampled_from(STATUSES)),
                "total": draw(_MONEY),
            }
        )
        items += [
            {
                "order_id": number,
                "line": line,
                "product_id": draw(st.integers(1, len(PRODUCTS))),
                "quantity": draw(st.integers(1, 5)),
                "price": draw(_MONEY),
            }
            for line in range(1, draw(st.integers(0, 3)) + 1)
        ]
    return {"customers": customers, "orders": orders, "order_items": items}


@dataclass(frozen=True)
class Query:
    """A statement; `ordered` where it says in full in which order its rows come, and `most` where it may choose."""

    sql: str
    ordered: bool = False
    most: int | None = None

    @property
    def spelling_is_free(self) -> bool:
        """Whether one of several values that are equal but not alike stands for all: whose, MySQL leaves open."""
        return "DISTINCT" in self.sql or "GROUP BY" in self.sql or "MIN(" in self.sql or "MAX(" in self.sql


@dataclass(frozen=True)
class Source:
    """A FROM clause and what can be said about its rows."""

    tables: str
    numbers: tuple[str, ...]
    texts: tuple[str, ...]
    moments: tuple[str, ...]
    # What tells every row from every other.
    unique: tuple[str, ...]
    where: str = ""


_CUSTOMER = ("c.name", "c.country", "c.region", "NULLIF(c.country, 'DE')", "LOWER(c.name)")
_ORDER = ("o.status", "NULLIF(o.status, 'paid')", "DATE_FORMAT(o.ordered_at, '%Y-%m')")
SOURCES = (
    Source("customers c", ("c.customer_id", "c.customer_id % 3"), _CUSTOMER, ("c.created_at",), ("c.customer_id",)),
    Source("orders o", ("o.total", "o.order_id", "IF(o.total > 500, o.total, NULL)", "o.customer_id"), _ORDER,
           ("o.ordered_at", "DATE(o.ordered_at)"), ("o.order_id",)),
    Source("customers c JOIN orders o ON o.customer_id = c.customer_id", ("o.total", "c.customer_id", "o.total * 3"),
           _CUSTOMER + _ORDER, ("o.ordered_at", "c.created_at"), ("o.order_id",)),
    Source("customers c LEFT JOIN orders o ON c.customer_id = o.customer_id AND o.total > 300",
           ("o.total", "c.customer_id", "o.order_id"), _CUSTOMER + _ORDER, ("o.ordered_at",),
           ("c.customer_id", "o.order_id")),
    Source("orders o JOIN order_items i USING (order_id)", ("i.quantity", "i.quantity * i.price", "o.total", "i.line"),
           _ORDER, ("o.ordered_at",), ("o.order_id", "i.line")),
    Source("order_items i, products p", ("i.quantity", "i.price - p.price", "p.product_id"), ("p.category", "p.name"),
           (), ("i.order_id", "i.line"), "p.product_id = i.product_id"),
    Source("customers c JOIN orders o USING (customer_id) JOIN order_items i ON i.order_id = o.order_id "
           "JOIN products p ON p.product_id = i.product_id", ("i.quantity * i.price", "o.total", "i.quantity"),
           ("c.country", "c.name", "p.category", "o.status", "c.region"), ("o.ordered_at",), ("i.order_id", "i.line")),
)  # fmt: skip


@st.composite
def queries(draw: st.DrawFn) -> Query:
    """Draw a query that is merged exactly."""
    source = draw(st.sampled_from(SOURCES))
    shape = draw(st.sampled_from((_rows, _groups, _groups, _totals, _distinct)))
    return draw(shape(source))


@st.composite
def _rows(draw: st.DrawFn, source: Source) -> Query:
    terms = (*source.numbers, *source.texts, *source.moments)
    items = draw(st.lists(st.sampled_from(terms), min_size=1, max_size=3))
    sql = f"SELECT {', '.join([*items, *source.unique])} FROM {source.tables}{_where(draw, source)}"
    if not draw(st.booleans()):
        limit = draw(st.none() | st.integers(0, 9))
        return Query(sql if limit is None else f"{sql} LIMIT {limit}", most=limit)
    by = [f"{term}{draw(_DIRECTION)}" for term in draw(st.lists(st.sampled_from(terms), max_size=2))]
    by += [f"{term}{draw(_DIRECTION)}" for term in source.unique]
    return Query(f"{sql} ORDER BY {', '.join(by)}{draw(_LIMITS)}", ordered=True)


@st.composite
def _groups(draw: st.DrawFn, source: Source) -> Query:
    terms = (*source.texts, *source.moments, *source.unique[:1])
    groups = draw(st.lists(st.sampled_from(terms), min_size=1, max_size=2, unique=True))
    sums = draw(st.lists(_sums(source), min_size=1, max_size=4))
    named = draw(st.booleans())
    items = [f"{term} AS g{at}" if named else term for at, term in enumerate(groups)]
    by = draw(st.sampled_from((groups, [str(at + 1) for at in range(len(groups))]))) if not named else [
        f"g{at}" for at in range(len(groups))
    ]  # fmt: skip
    sql = f"SELECT {', '.join(items + sums)} FROM {source.tables}{_where(draw, source)} GROUP BY {', '.join(by)}"
    if draw(st.booleans()):
        sql += f" HAVING {draw(_sums(source))} {draw(st.sampled_from(('>', '<=', '<>')))} {draw(st.integers(0, 300))}"
    if not draw(st.booleans()):
        return Query(sql)
    order = [f"{draw(_sums(source))}{draw(_DIRECTION)}"] if draw(st.booleans()) else []
    order += [f"{term}{draw(_DIRECTION)}" for term in by]
    return Query(f"{sql} ORDER BY {', '.join(order)}{draw(_LIMITS)}", ordered=True)


@st.composite
def _totals(draw: st.DrawFn, source: Source) -> Query:
    sums = draw(st.lists(_sums(source), min_size=1, max_size=5))
    having = f" HAVING COUNT(*) > {draw(st.integers(0, 20))}" if draw(st.integers(0, 4)) == 0 else ""
    return Query(f"SELECT {', '.join(sums)} FROM {source.tables}{_where(draw, source)}{having}", ordered=True)


@st.composite
def _distinct(draw: st.DrawFn, source: Source) -> Query:
    terms = (*source.texts, *source.moments, *source.unique[:1])
    items = draw(st.lists(st.sampled_from(terms), min_size=1, max_size=2, unique=True))
    sql = f"SELECT DISTINCT {', '.join(items)} FROM {source.tables}{_where(draw, source)}"
    if draw(st.booleans()):
        return Query(sql)
    order = [f"{term}{draw(_DIRECTION)}" for term in items]
    return Query(f"{sql} ORDER BY {', '.join(order)}{draw(_LIMITS)}", ordered=True)


@st.composite
def _sums(draw: st.DrawFn, source: Source) -> str:
    number = st.sampled_from(source.numbers)
    any_term = st.sampled_from((*source.numbers, *source.texts, *source.moments))
    forms = (
        "COUNT(*)", "COUNT({t})", "SUM({n})", "AVG({n})", "MIN({t})", "MAX({t})", "COUNT(DISTINCT {t})",
        "COUNT(DISTINCT {t}, {n})", "SUM(DISTINCT {n})", "AVG(DISTINCT {n})", "SUM({n}) / COUNT(*)",
        "ROUND(AVG({n}), 2)", "AVG({n}) * 3", "MAX({n}) - MIN({n})", "SUM({n}) + SUM({n})", "COALESCE(SUM({n}), 0)",
        "SUM({n}) / 7 / COUNT({t})", "CEIL(AVG({n}) - 2)", "AVG({n}) * AVG({n}) + 1", "SUM({n} > 100)",
        "IF(COUNT(*) > 3, AVG({n}), 0)", "COALESCE(AVG({n}), -1)", "AVG({n}) * 2 > SUM({n}) / 3",
    )  # fmt: skip
    return draw(st.sampled_from(forms)).format(n=draw(number), t=draw(any_term))


_DIRECTION = st.sampled_from(("", " DESC"))
_LIMITS = st.sampled_from(("", "", " LIMIT 3", " LIMIT 5 OFFSET 2", " LIMIT 2, 4", " LIMIT 0"))


def _where(draw: st.DrawFn, source: Source) -> str:
    conditions = [source.where] if source.where else []
    if draw(st.booleans()):
        conditions.append(f"{draw(st.sampled_from(source.numbers))} {draw(st.sampled_from(('>', '<=')))} 200")
    if "c.country" in source.texts and draw(st.booleans()):
        conditions.append(draw(st.sampled_from(("c.country = 'de'", "c.name LIKE 'a%'", "c.region <> 'asia'"))))
    if "customers" in source.tables and draw(st.integers(0, 3)) == 0:
        keys = draw(st.lists(st.integers(1, 60), min_size=1, max_size=4))
        conditions.append(f"c.customer_id IN ({', '.join(map(str, keys))})")
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def a_shop() -> Shop:
    """Return one shop that is the same every time: 60 customers, 200 orders, few to some and many to others."""
    customers = [
        {
            "customer_id": number,
            "name": NAMES[number * 7 % len(NAMES)],
            "email": f"{number}@example.org",
            "country": ("DE", "FR", "JP")[number % 3],
            "region": REGIONS[number * number % len(REGIONS)],
            "created_at": datetime(2023, 1 + number % 12, 3),  # noqa: DTZ001
        }
        for number in range(1, 61)
    ]
    orders = [
        {
            "order_id": number,
            # Squared, so that the shards' averages differ.
            "customer_id": 1 + number * number % 47,
            "ordered_at": datetime(2024, 1 + number % 12, 1 + number % 28, number % 24),  # noqa: DTZ001
            "status": STATUSES[number % 5],
            "total": Decimal(number**3 % 99_991).scaleb(-2),
        }
        for number in range(1, 201)
    ]
    items = [
        {
            "order_id": number,
            "line": line,
            "product_id": 1 + (number + line) % len(PRODUCTS),
            "quantity": 1 + number % 4,
            "price": Decimal(number * line * 37 % 9_973).scaleb(-2),
        }
        for number in range(1, 201)
        for line in range(1, 2 + number % 3)
    ]
    return {"customers": customers, "orders": orders, "order_items": items}
