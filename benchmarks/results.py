"""What all benchmarks do with what they measured, and how they are asked."""

import argparse
import contextlib
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
from figures import Figure, exit_code
from rich.console import Console
from rich.table import Table
from timing import timed
from wavetank.errors import UnreachableError, UsageError

MOST_RUNS = 30
VERSION_TIMEOUT_S = 60
USAGE, INTERRUPTED = 2, 130


@contextlib.contextmanager
def ends_in_words(interrupted: str = "what it made is gone") -> Iterator[None]:
    """Make what stops a benchmark a line on stderr and its exit code; `interrupted` is what a Ctrl-C leaves behind."""
    name = Path(sys.argv[0]).stem
    try:
        yield
    except (UsageError, UnreachableError) as refusal:
        print(f"{name}: {refusal}", file=sys.stderr)
        sys.exit(USAGE)
    except KeyboardInterrupt:
        print(f"{name}: interrupted; {interrupted}", file=sys.stderr)
        sys.exit(INTERRUPTED)


def arguments(what: str | None, default_runs: int) -> argparse.ArgumentParser:
    """Return what reads a benchmark's arguments: those that all have, and its docstring's first line as help."""
    parser = argparse.ArgumentParser(description=(what or "").partition("\n")[0])
    parser.add_argument(
        "--runs", type=run_count, default=default_runs, metavar="N", help=f"pairs (default: {default_runs})"
    )
    parser.add_argument("--json", type=new_file, metavar="FILE", help="write all raw figures there")
    return parser


def run_count(text: str) -> int:
    """Return how often to measure, from the command line."""
    if not (text.isdigit() and 1 <= int(text) <= MOST_RUNS):
        raise argparse.ArgumentTypeError(f"{text!r}: a number from 1 to {MOST_RUNS}")
    return int(text)


def new_file(text: str) -> Path:
    """Return a path from the command line that can be written."""
    # Said now and not after minutes of measuring.
    path = Path(text)
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text!r} cannot be written")
    return path


def mysql_version(image: str) -> str:
    """Return the version of the server in `image`."""
    command = ["docker", "run", "--rm", "--network=none", "--entrypoint=mysqld", image, "--version"]
    found = re.search(r"Ver (\S+)", timed(command, VERSION_TIMEOUT_S)[1])
    return found[1] if found else "unknown"


def machine(image: str, load: float) -> str:
    """Return what the figures were taken on, in a line; the load is that of the beginning."""
    memory = psutil.virtual_memory().total / 2**30
    server = f"MySQL {mysql_version(image)} from {image}"
    return f"{psutil.cpu_count()} cores, {memory:.1f} GiB, {server}, load {load:.1f} at the start"


def hand_out(path: Path | None, seen_on: str, raw: object, figures: Sequence[Figure]) -> int:
    """Write all figures for machines where a path was given, print them for people, and return the exit code."""
    if path:
        content = {"machine": seen_on, "raw": raw, "figures": [figure.as_dict() for figure in figures]}
        path.write_text(json.dumps(content, indent=2) + "\n")
    _print_table(seen_on, figures)
    return exit_code(figures)


def _print_table(seen_on: str, figures: Sequence[Figure]) -> None:
    table = Table(title=seen_on, title_justify="left")
    table.add_column("figure")
    for heading in ("min", "median", "max", "unit", "bound", "verdict"):
        table.add_column(heading, justify="right")
    for figure in figures:
        digits = 0 if figure.unit == "MiB" else 2
        row = [f"{value:.{digits}f}" for value in (min(figure.samples), figure.median, max(figure.samples))]
        bound, verdict = "", ""
        if figure.bound is not None:
            bound = f"{figure.judged_by} ≤ {figure.bound:g}"
            verdict = "[green]good[/]" if figure.good else "[red]exceeded[/]"
        table.add_row(figure.name, *row, figure.unit, bound, verdict)
    # A log has no width of its own; a table cut to 80 columns would lose its right side.
    Console(width=None if sys.stdout.isatty() else 110).print(table)
