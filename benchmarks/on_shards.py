#!/usr/bin/env python3
"""The benchmarks of a running instance with shards, one after the other, on one that is brought up for them.

Usage: make bench, or .venv/bin/python benchmarks/on_shards.py [--orders N] [--runs N]
"""

import argparse
import subprocess
import sys
from pathlib import Path

import commands
from results import ends_in_words, run_count
from spreading import DEFAULT_ORDERS, DEFAULT_RUNS, SHARDS, load, order_count, up

HERE = Path(__file__).parent
# Each says by its exit code how it went.
BENCHMARKS = {"cross_shard_queries.py": ["--instance", SHARDS.name], "resharding.py": [SHARDS.name]}


@ends_in_words()
def main() -> int:
    """Run them, and return the worst of their exit codes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--orders", type=order_count, default=DEFAULT_ORDERS, metavar="N", help="orders in all")
    parser.add_argument("--runs", type=run_count, default=DEFAULT_RUNS, metavar="N", help="pairs")
    asked = parser.parse_args()
    commands.refuse_others(SHARDS)
    try:
        up(SHARDS)
        load(SHARDS, asked.orders)
        return max(_run(name, [*arguments, "--runs", str(asked.runs)]) for name, arguments in BENCHMARKS.items())
    finally:
        commands.take_down(SHARDS)


def _run(name: str, arguments: list[str]) -> int:
    return subprocess.run([sys.executable, str(HERE / name), *arguments], cwd=commands.HOME, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
