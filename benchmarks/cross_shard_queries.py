#!/usr/bin/env python3
"""What a query over four shards takes, as a multiple of the same query on one server that holds all rows.

The shop of a running instance with shards is copied into a schema of the first shard's source, which is dropped at
the end. Both sides of a pair run one after the other, in turn first. More than 1 is slower than one server.

Usage: .venv/bin/python benchmarks/cross_shard_queries.py --instance four-shard [--runs N] [--json FILE]
"""

import argparse
import contextlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterator

from figures import Figure, ratios
from results import arguments, ends_in_words, hand_out, machine
from wavetank.errors import UsageError
from wavetank.sample import generated, shop, writing
from wavetank.sample.sharded_shop import states_of
from wavetank.servers.node import Connection, Servers, query_on, stream_on
from wavetank.sharding.query.connections import READER
from wavetank.sharding.query.scatter_gather import Gatherer, gatherer_of
from wavetank.sharding.schema import shard_statements
from wavetank.topology.instance import find_instance

WHOLE = "shop_whole"
QUERIES = {
    "count": "SELECT COUNT(*) FROM orders",
    "sales by status": "SELECT status, COUNT(*), SUM(total), AVG(total) FROM orders GROUP BY status ORDER BY status",
    "monthly_sales": "SELECT * FROM monthly_sales",
    "join of four tables": (
        "SELECT c.country, p.category, SUM(i.quantity * i.price) AS revenue FROM customers c JOIN orders o "
        "USING (customer_id) JOIN order_items i ON i.order_id = o.order_id JOIN products p "
        "ON p.product_id = i.product_id GROUP BY c.country, p.category ORDER BY revenue DESC"
    ),
    "ten best customers": (
        "SELECT customer_id, SUM(total) AS spent FROM orders GROUP BY customer_id "
        "ORDER BY spent DESC, customer_id LIMIT 10"
    ),
    "all orders, ordered": "SELECT order_id, customer_id, total FROM orders ORDER BY order_id",
}
DEFAULT_RUNS = 5


@ends_in_words()
def main() -> int:
    """Measure, print, and return the exit code: 0, or 2 where it could not be measured."""
    asked = _arguments()
    topology = find_instance(asked.instance).topology()
    with Servers(topology, read_timeout_s=600) as servers, gatherer_of(servers) as gatherer:
        load = os.getloadavg()[0]
        with _whole(servers) as connection:
            measured = _measure(gatherer, connection, asked.runs)
    figures = [figure for name, (ours, theirs) in measured.items() for figure in _figures(name, ours, theirs)]
    seen_on = machine(topology.image, load)
    return hand_out(asked.json, seen_on, measured, figures)


def _arguments() -> argparse.Namespace:
    parser = arguments(__doc__, DEFAULT_RUNS)
    parser.add_argument("--instance", required=True, help="one with shards and a shop")
    return parser.parse_args()


@contextlib.contextmanager
def _whole(servers: Servers) -> Iterator[Connection]:
    """Lend a connection to one server where a schema holds the rows of all shards."""
    first = servers.topology.shards[0]
    source = servers[first.source.name]
    state = next(iter(states_of(servers, servers.topology.shards).values()))
    print(f"copying {state.orders:,} orders of seed {state.seed} to {source.name}", flush=True)
    statements = [re.sub(rf"\b{first.schema}\b", WHOLE, each) for each in shard_statements(first)]
    try:
        source.execute(f"DROP SCHEMA IF EXISTS {WHOLE}", *statements, *_rows(state.seed, state.orders))
        with contextlib.closing(source.connect(READER)) as connection:
            connection.cmd_init_db(WHOLE)
            yield connection
    finally:
        source.execute(f"DROP SCHEMA IF EXISTS {WHOLE}")


def _rows(seed: int, orders: int) -> Iterator[str]:
    products = [generated.product(seed, number) for number in range(1, generated.PRODUCTS + 1)]
    for statement in writing.inserts("products", products):
        yield statement.replace("INTO shop.", f"INTO {WHOLE}.", 1)
    for done in range(0, orders, shop.BATCH_ORDERS):
        yield "START TRANSACTION"
        for statement in writing.batch(seed, done, min(done + shop.BATCH_ORDERS, orders)):
            yield statement.replace("INTO shop.", f"INTO {WHOLE}.", 1)
        yield "COMMIT"
    yield f"ANALYZE TABLE {WHOLE}.customers, {WHOLE}.orders, {WHOLE}.order_items, {WHOLE}.products"


def _measure(gatherer: Gatherer, connection: Connection, runs: int) -> dict[str, tuple[list[float], list[float]]]:
    """Return the seconds of both sides by query; the first pair, which is not counted, must agree."""

    def ours(sql: str) -> int:
        with gatherer.ask(sql) as answer:
            return sum(1 for _ in answer.rows)

    def theirs(sql: str) -> int:
        return sum(1 for _ in stream_on(connection, sql, node="whole").rows)

    query_on(connection, "SET SESSION net_write_timeout = 600", node="whole")
    measured: dict[str, tuple[list[float], list[float]]] = {}
    for name, sql in QUERIES.items():
        if ours(sql) != theirs(sql):
            raise UsageError(f"{name}: the shards hold other rows than the loader gave them")
        sides: tuple[list[float], list[float]] = ([], [])
        measured[name] = sides
        for run in range(runs):
            for side in (0, 1) if run % 2 else (1, 0):
                sides[side].append(_seconds((ours, theirs)[side], sql))
    return measured


def _seconds(side: Callable[[str], int], sql: str) -> float:
    began = time.perf_counter()
    side(sql)
    return time.perf_counter() - began


def _figures(name: str, ours: list[float], theirs: list[float]) -> Iterator[Figure]:
    yield Figure(f"{name}: shards", "ms", tuple(seconds * 1000 for seconds in ours))
    yield Figure(f"{name}: one server", "ms", tuple(seconds * 1000 for seconds in theirs))
    yield Figure(f"{name}: ratio", "x", ratios(ours, theirs))


if __name__ == "__main__":
    sys.exit(main())
