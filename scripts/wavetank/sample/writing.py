"""Which statements write the sample shop's rows."""

import itertools
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from wavetank.sample.generated import customer, customers_of, order
from wavetank.servers.node import STATEMENT_BYTES


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
