#!/usr/bin/env python3
"""What it costs to split reads and writes by a proxy or by wavetank.client.splitting, as a multiple of going direct.

sysbench goes to the source's port and through each proxy; since it cannot drive a Python library, a loop in Python
says the same statements to the source, plainly and through wavetank.client.splitting. Both sides of a pair run one
after the other, in turn first, on the same servers. More than 1 is more transactions a second than direct.

Usage: .venv/bin/python benchmarks/splitting.py --application INSTANCE [--through NAME=INSTANCE:PORT[,PORT]]...
           [--threads 1,8,32] [--seconds N] [--runs N] [--json FILE] [--plot FILE]
A proxy with two ports takes writes at the first and reads at the second, as MySQL Router does.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pygal
import python_loop
import sysbench
from figures import Figure, ratios
from results import arguments, ends_in_words, hand_out, machine, new_file, run_count
from wavetank.topology.instance import Instance, find_instance

WORKLOADS = {name: name.removeprefix("oltp_").replace("_", " ") for name in python_loop.WORKLOADS}
DEFAULT_THREADS, MOST_THREADS = (1, 8, 32), 64
DEFAULT_RUNS, DEFAULT_SECONDS = 3, 5
ROUTING = "wavetank.client.splitting"

# Workload, threads, seconds: transactions a second.
Measure = Callable[[str, int, int], float]


@dataclass(frozen=True)
class Through:
    """A proxy in front of an instance: where it takes writes, and where reads; the same port if it splits them."""

    name: str
    instance: Instance
    port: int
    read_port: int

    def port_for(self, workload: str) -> int:
        """Return where the workload goes: a transaction that writes needs the source."""
        return self.port if workload == python_loop.oltp_read_write.__name__ else self.read_port


@dataclass(frozen=True)
class Pair:
    """Two ways to the same servers."""

    name: str
    direct: Measure
    through: Measure


@dataclass(frozen=True)
class Measured:
    """Transactions a second of one pair, one workload and one number of threads; equal places are one round."""

    pair: str
    workload: str
    threads: int
    direct: tuple[float, ...]
    through: tuple[float, ...]

    @property
    def figures(self) -> list[Figure]:
        """The lines of the result."""
        what = f"{WORKLOADS[self.workload]}, {self.threads} thread{'s' * (self.threads > 1)}"
        plain = "plain Python" if self.pair == ROUTING else f"direct, for {self.pair}"
        return [
            Figure(f"{what}: {plain}", "/s", self.direct),
            Figure(f"{what}: {self.pair}", "/s", self.through),
            Figure(f"{what}: ratio, {self.pair}", "x", ratios(self.through, self.direct)),
        ]


@ends_in_words("the tables are gone")
def main() -> int:
    """Measure, print, and return the exit code: 0, or 2 where it could not be measured."""
    asked = _arguments()
    sysbench.refuse_unless_ready()
    load = os.getloadavg()[0]
    seen_on = machine(asked.application.topology().image, load)
    with contextlib.ExitStack() as stack:
        for instance in {asked.application, *(each.instance for each in asked.through)}:
            stack.enter_context(sysbench.prepared(instance))
        measured = list(_measure(_pairs(asked.application, asked.through), asked))
    figures = [figure for each in measured for figure in each.figures]
    if asked.plot:
        asked.plot.write_text(plot(measured))
    return hand_out(asked.json, seen_on, [vars(each) for each in measured], figures)


def _arguments() -> argparse.Namespace:
    parser = arguments(__doc__, DEFAULT_RUNS)
    parser.add_argument(
        "--application", type=_instance, required=True, metavar="INSTANCE", help=f"for {ROUTING} and the plain loop"
    )
    parser.add_argument(
        "--through", type=through, action="append", default=[], metavar="NAME=INSTANCE:PORT[,PORT]", help="a proxy"
    )
    parser.add_argument("--threads", type=thread_counts, default=DEFAULT_THREADS, metavar="1,8,32")
    parser.add_argument("--seconds", type=run_count, default=DEFAULT_SECONDS, metavar="N", help="of each measurement")
    parser.add_argument("--plot", type=new_file, metavar="FILE", help="draw the ratios there, as SVG")
    return parser.parse_args()


def _instance(name: str) -> Instance:
    instance = find_instance(name)
    if not instance.exists:
        raise argparse.ArgumentTypeError(f"there is no instance {name!r}")
    return instance


def through(text: str) -> Through:
    """Return the proxy that an argument names."""
    name, _, where = text.partition("=")
    instance, _, ports = where.partition(":")
    port, _, read_port = ports.partition(",")
    if not (name and port.isdecimal() and (read_port or port).isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r}: NAME=INSTANCE:PORT or NAME=INSTANCE:PORT,PORT")
    return Through(name, _instance(instance), int(port), int(read_port or port))


def thread_counts(text: str) -> tuple[int, ...]:
    """Return the numbers of threads that an argument lists."""
    parts = text.split(",")
    if not all(part.isdecimal() and 1 <= int(part) <= MOST_THREADS for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r}: numbers from 1 to {MOST_THREADS}, with commas")
    return tuple(sorted({int(part) for part in parts}))


def _pairs(application: Instance, proxies: Sequence[Through]) -> list[Pair]:
    def to(instance: Instance, port: Callable[[str], int]) -> Measure:
        return lambda workload, threads, seconds: sysbench.transactions_a_second(
            instance, port(workload), workload, threads, seconds
        )

    def source_of(instance: Instance) -> Callable[[str], int]:
        port = instance.topology().sources[0].port
        return lambda _workload: port

    pairs = [
        Pair(each.name, to(each.instance, source_of(each.instance)), to(each.instance, each.port_for))
        for each in proxies
    ]
    return [
        *pairs,
        Pair(
            ROUTING,
            lambda *what: python_loop.plainly(application, *what),
            lambda *what: python_loop.routed(application, *what),
        ),
    ]


def _measure(pairs: Sequence[Pair], asked: argparse.Namespace) -> Iterator[Measured]:
    for workload in WORKLOADS:
        for threads in asked.threads:
            for pair in pairs:
                what = (workload, threads, asked.seconds)
                # Who goes first finds the pages as the other left them.
                rounds = [_round(pair, what, direct_first=number % 2 == 0) for number in range(asked.runs)]
                direct, split = zip(*rounds, strict=True)
                measured = Measured(pair.name, workload, threads, direct, split)
                print(f"{measured.figures[-1].name}: {measured.figures[-1].median:.2f}", flush=True)
                yield measured


def _round(pair: Pair, what: tuple[str, int, int], *, direct_first: bool) -> tuple[float, float]:
    if direct_first:
        direct = pair.direct(*what)
        return direct, pair.through(*what)
    split = pair.through(*what)
    return pair.direct(*what), split


def plot(measured: Sequence[Measured]) -> str:
    """Draw the median ratios as bars: a group for each workload and number of threads, a bar for each pair."""
    groups = list(dict.fromkeys((each.workload, each.threads) for each in measured))
    medians = {(each.pair, each.workload, each.threads): each.figures[-1].median for each in measured}
    chart = pygal.Bar(
        title="Transactions a second, as a multiple of going direct",
        x_labels=[f"{WORKLOADS[workload]}, {threads}" for workload, threads in groups],
        x_title="workload, threads", range=(0, max(1.2, *medians.values())), js=[], print_values=True,
        value_formatter=lambda value: f"{value:.2f}", legend_at_bottom=True, width=960, height=480,
        disable_xml_declaration=True,
    )  # fmt: skip
    for pair in dict.fromkeys(each.pair for each in measured):
        chart.add(pair, [medians.get((pair, *group)) for group in groups])
    return str(chart.render(is_unicode=True)) + "\n"


if __name__ == "__main__":
    sys.exit(main())
