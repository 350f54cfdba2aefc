"""Orders, revenue and the average order between two days: of each shard, and of all together."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from wavetank.sharding.errors import ShardingError
from wavetank.sharding.query.scatter_gather import Gatherer

# MySQL gives an average four decimal places more than what it is of: div_precision_increment.
_PLACES = Decimal("0.000001")


@dataclass(frozen=True)
class Sales:
    """What some orders come to: `revenue` in money, and `average` an order to six places, None of no orders."""

    orders: int
    revenue: Decimal

    @property
    def average(self) -> Decimal | None:
        """The average order as MySQL's AVG has it."""
        return (self.revenue / self.orders).quantize(_PLACES, ROUND_HALF_UP) if self.orders else None

    def __add__(self, other: "Sales") -> "Sales":
        """Return what both come to: orders and revenue add up, averages do not."""
        return Sales(self.orders + other.orders, self.revenue + other.revenue)

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for machines, money as text."""
        return {"orders": self.orders, "revenue": str(self.revenue), "average": self.average and str(self.average)}


@dataclass(frozen=True)
class Analytics:
    """The sales of each shard from the beginning of one day to the end of another."""

    first: date
    last: date
    shards: dict[int, Sales]

    @property
    def total(self) -> Sales:
        """What all shards come to."""
        return sum(self.shards.values(), Sales(0, Decimal("0.00")))

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for machines."""
        return {
            "from": str(self.first),
            "to": str(self.last),
            "shards": {number: sales.as_dict() for number, sales in self.shards.items()},
            "total": self.total.as_dict(),
        }

    def lines(self) -> Iterator[str]:
        """Yield the figures for people."""
        yield f"{'shard':>5}  {'orders':>10}  {'revenue':>16}  {'average':>14}"
        for name, sales in [*self.shards.items(), ("all", self.total)]:
            average = "none" if sales.average is None else f"{sales.average:,}"
            yield f"{name:>5}  {sales.orders:>10,}  {sales.revenue:>16,}  {average:>14}"


def read_day(option: str, text: str) -> date:
    """Return the day that an option names.

    Raises:
        ShardingError: it is none.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ShardingError(f"{option} {text}: a day is written as 2024-12-31") from error


def cross_shard_analytics(gatherer: Gatherer, first: date, last: date) -> Analytics:
    """Return the sales from the beginning of `first` to the end of `last`.

    Raises:
        ShardingError: the days are in the wrong order, or a shard does not answer.
    """
    if first > last:
        raise ShardingError(f"--from {first} is after --to {last}")
    after = last + timedelta(days=1)
    said = gatherer.each(
        "SELECT COUNT(*) AS orders, COALESCE(SUM(total), 0.00) AS revenue FROM orders "
        f"WHERE ordered_at >= '{first}' AND ordered_at < '{after}'"
    )
    return Analytics(first, last, {shard: Sales(int(rows[0][0]), Decimal(rows[0][1])) for shard, rows in said.items()})
