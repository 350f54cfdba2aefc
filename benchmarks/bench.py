#!/usr/bin/env python3
"""How long topology-up takes, as a multiple of the plain way, and what a running instance takes.

Usage: make bench, or .venv/bin/python benchmarks/bench.py [--servers 3,8,16] [--runs N] [--json FILE]
"""

import argparse
import os
import signal
import sys
from dataclasses import asdict

import commands
from figures import RUNNING_SERVERS, Measured, figures_of
from results import arguments, ends_in_words, hand_out, machine

LEAST_SERVERS, MOST_SERVERS = 2, 16
DEFAULT_RUNS = 5


@ends_in_words()
def main() -> int:
    """Measure, print, and return the exit code: 0 within all bounds, 1 not, 2 could not measure."""
    asked = _arguments()
    # Ending in any way that can be caught removes what was made.
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.default_int_handler)
    commands.refuse_unless_ready(max(asked.servers))
    try:
        seen_on, measured = _measure_all(asked.servers, asked.runs)
    finally:
        _clean_up()
    figures = figures_of(measured)
    return hand_out(asked.json, seen_on, asdict(measured), figures)


def _arguments() -> argparse.Namespace:
    parser = arguments(__doc__, DEFAULT_RUNS)
    parser.add_argument(
        "--servers",
        type=_server_counts,
        default=[3, 8, 16],
        metavar="3,8,16",
        help="sizes to measure (default: 3,8,16)",
    )
    return parser.parse_args()


def _server_counts(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.isdigit() and LEAST_SERVERS <= int(part) <= MOST_SERVERS for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r}: numbers from {LEAST_SERVERS} to {MOST_SERVERS}, with commas")
    return sorted({int(part) for part in parts})


def _measure_all(servers: list[int], runs: int) -> tuple[str, Measured]:
    """Return the machine's line and the figures of `runs` pairs a size, both sides by turns."""
    load = os.getloadavg()[0]
    for count in servers:
        # Images, the environment, the server's verdicts on each my.cnf and the page cache, on both sides.
        print(f"warming up with {count} servers, not counted", flush=True)
        commands.topology_up(count, commands.FIRST_UP_TIMEOUT_S)
        commands.take_down(commands.INSTANCE)
        commands.plain(count, commands.base_image())
    image = commands.base_image()
    seen_on = machine(image, load)
    measured = Measured()
    for run in range(1, runs + 1):
        for count in servers:
            _measure_pair(count, image, measured)
            ours, theirs = measured.topology_up[count][-1], measured.plain[count][-1]
            print(
                f"run {run} of {runs}, {count} servers: {ours:.2f} s, the plain way {theirs:.2f} s",
                flush=True,
            )
    return seen_on, measured


def _measure_pair(servers: int, image: str, measured: Measured) -> None:
    """Add one figure a side, and those of the running instance where it has the size for them."""
    measured.topology_up.setdefault(servers, []).append(commands.topology_up(servers)[0])
    if servers == RUNNING_SERVERS:
        measured.no_change.append(commands.no_change_up(servers))
        measured.check.append(commands.ask("check"))
        measured.status.append(commands.ask("status"))
        measured.node_memory += commands.node_memory()
    commands.take_down(commands.INSTANCE)
    measured.plain.setdefault(servers, []).append(commands.plain(servers, image))


def _clean_up() -> None:
    """Remove what is left of both sides; a second Ctrl-C must not leave half of it."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    commands.remove_plain()
    commands.take_down(commands.INSTANCE)


if __name__ == "__main__":
    sys.exit(main())
