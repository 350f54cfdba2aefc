"""Writes through a ProxySQL that nobody gates are said before rows move."""

from types import SimpleNamespace
from typing import Any

import pytest
from wavetank.errors import UnreachableError
from wavetank.servers.node import Row
from wavetank.sharding.reshard.ungated import ungated
from wavetank.topology.inventory import declared_topology

HOLD = "CALL sharding.HoldGates(?)"


def row(hostgroup: int, text: str, count: int = 1) -> Row:
    return {"hostgroup": str(hostgroup), "digest_text": text, "count_star": str(count)}


class Pretended:
    """The servers of four-shard-proxysql, of which only the proxy's administration is asked."""

    def __init__(self, rows: list[Row] | None) -> None:
        self.topology = declared_topology("four-shard-proxysql", "tank", 16000)
        self._rows = rows

    def __getitem__(self, _name: str) -> Any:  # noqa: ANN401
        return SimpleNamespace(query=self._query)

    def _query(self, _statement: str, *, account: str) -> list[Row]:
        if self._rows is None:
            raise UnreachableError(account, "gone")
        return self._rows


def lines(*rows: Row) -> list[str]:
    return [line.partition(":")[0] for line in ungated(Pretended(list(rows)))]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO orders (order_id) VALUES (?)", "update shop_2.customers SET name = ?",
        "DELETE i FROM orders o STRAIGHT_JOIN order_items i", "REPLACE INTO `order_items` VALUES (?)",
    ],
)  # fmt: skip
def test_writes_without_any_gate_are_said(text: str) -> None:
    said = "proxy1 has seen 1,200 writes of customers' rows on shard 2, and nobody held gates"
    # On another shard somebody held them.
    assert lines(row(210, text, 1200), row(110, HOLD, 9)) == [said]


@pytest.mark.parametrize(
    "rows",
    [
        [], [row(210, "SELECT * FROM orders FOR UPDATE")], [row(220, "UPDATE orders SET total = ?")],
        [row(210, "INSERT INTO wavetank.routed VALUES (?)")], [row(210, "UPDATE orders_old SET total = ?")],
        [row(210, "UPDATE orders SET total = ?", 50), row(210, HOLD)],
    ],
)  # fmt: skip
def test_what_is_gated_or_no_write_of_customers_is_not(rows: list[Row]) -> None:
    assert lines(*rows) == []


def test_a_proxy_that_does_not_answer_is_passed_over() -> None:
    assert list(ungated(Pretended(None))) == []  # type: ignore[arg-type]
