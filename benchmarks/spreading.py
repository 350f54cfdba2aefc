#!/usr/bin/env python3
"""What rows on four shards cost and gain, as a multiple of the same rows on one server; both sides in one run.

Usage: make bench, or .venv/bin/python benchmarks/spreading.py [--orders N] [--runs N] [--json FILE]
"""

import argparse
import json
import os
import sys
from dataclasses import asdict, dataclass, field

import commands
from figures import Figure, ratios
from results import arguments, ends_in_words, hand_out, machine
from timing import timed
from wavetank.topology.instance import Instance

ONE, SHARDS = Instance("bench-one"), Instance("bench-shards")
# Both without replicas: what is measured is the loader and the servers that it writes to.
SIDES = {ONE: "master-slave", SHARDS: "four-shard"}
DEFAULT_ORDERS, MOST_ORDERS = 100_000, 1_000_000
DEFAULT_RUNS = 3
LOAD_TIMEOUT_S = 900


@dataclass
class Measured:
    """Seconds to load the same orders, in the order in which that was measured; equal places are one pair."""

    orders: int
    one: list[float] = field(default_factory=list)
    shards: list[float] = field(default_factory=list)


@ends_in_words()
def main() -> int:
    """Measure, print, and return the exit code: 0 within all bounds, 1 not, 2 could not measure."""
    asked = _arguments()
    measured = Measured(asked.orders)
    for instance in SIDES:
        commands.refuse_others(instance)
    try:
        load = os.getloadavg()[0]
        for instance in SIDES:
            up(instance)
        seen_on = machine(commands.base_image(), load)
        _measure(measured, asked.runs)
    finally:
        for instance in SIDES:
            commands.take_down(instance)
    figures = figures_of(measured)
    return hand_out(asked.json, seen_on, asdict(measured), figures)


def _arguments() -> argparse.Namespace:
    parser = arguments(__doc__, DEFAULT_RUNS)
    parser.add_argument("--orders", type=order_count, default=DEFAULT_ORDERS, metavar="N", help="orders a load")
    return parser.parse_args()


def order_count(text: str) -> int:
    """Return how many orders to load at a time, from the command line."""
    if not (text.isdigit() and 1 <= int(text) <= MOST_ORDERS):
        raise argparse.ArgumentTypeError(f"{text!r}: a number from 1 to {MOST_ORDERS}")
    return int(text)


def figures_of(measured: Measured) -> list[Figure]:
    """Return the lines of the result."""
    what = f"load of {measured.orders:,} orders"
    return [
        Figure(f"{what}, one server", "s", tuple(measured.one)),
        Figure(f"{what}, four shards", "s", tuple(measured.shards)),
        Figure("ratio, load over four shards", "x", ratios(measured.shards, measured.one)),
    ]


def up(instance: Instance) -> None:
    """Bring one of the two instances up."""
    commands.bring_up(instance, SIDES[instance], "REPLICAS=0", timeout_s=commands.FIRST_UP_TIMEOUT_S)


def _measure(measured: Measured, runs: int) -> None:
    """Load both sides on by the same orders, in turn first."""
    for instance in SIDES:
        load(instance, measured.orders)  # from here on both hold the same
    for run in range(1, runs + 1):
        upto = (run + 1) * measured.orders
        sides = [(ONE, measured.one), (SHARDS, measured.shards)]
        for instance, samples in sides if run % 2 else reversed(sides):
            samples.append(load(instance, upto))
        print(
            f"run {run} of {runs}, {measured.orders:,} orders: {measured.shards[-1]:.2f} s over four shards, "
            f"{measured.one[-1]:.2f} s on one server",
            flush=True,
        )


def load(instance: Instance, orders: int) -> float:
    """Bring an instance's shop to so many orders; return the seconds that the load says it took."""
    command = [str(commands.WAVETANK), "load", str(orders), "--instance", instance.name, "--json"]
    return float(json.loads(timed(command, LOAD_TIMEOUT_S)[1])["seconds"])


if __name__ == "__main__":
    sys.exit(main())
