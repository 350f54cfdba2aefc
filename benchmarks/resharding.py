#!/usr/bin/env python3
"""How fast resharding copies, as a multiple of LOAD DATA of the same rows, and for how long it blocks writes.

Each round first loads the rows that are about to move into tables like theirs on the server to which they move, one
LOAD DATA LOCAL a table, then reshards the instance to one shard more, which copies them, and back. Customers order
during both, as often a second as --load says.

Usage: .venv/bin/python benchmarks/resharding.py INSTANCE [--load N] [--runs N] [--json FILE]
"""

import argparse
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import mysql.connector
from figures import Figure, ratios
from results import arguments, ends_in_words, hand_out, machine
from wavetank.client.shards import connect
from wavetank.drills.traffic.shop import ShopTraffic
from wavetank.servers.node import Server, Servers
from wavetank.sharding.catalogue import Catalogue
from wavetank.sharding.reshard.growing import with_servers_for
from wavetank.sharding.reshard.moves import ReshardingContext
from wavetank.sharding.reshard.next_map import changed_map
from wavetank.sharding.reshard.rows import Session, listed
from wavetank.sharding.reshard.run import reshard
from wavetank.topology.instance import Instance, find_instance

SCRATCH = "bench_load"
DEFAULT_RUNS, DEFAULT_LOAD = 3, 200
BLOCK_BOUND_MS = 500.0
LEAST_RATIO = 0.5


@dataclass
class Measured:
    """Raw figures; equal places are one round: rows a second, rows, and ms."""

    load_data: list[float] = field(default_factory=list)
    copy: list[float] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    blocked: list[float] = field(default_factory=list)

    def figures(self) -> list[Figure]:
        """Return the lines of the result."""
        theirs_over_ours = ratios(self.load_data, self.copy)
        return [
            Figure("LOAD DATA of the rows that move", "/s", tuple(self.load_data)),
            Figure("resharding's copy of them", "/s", tuple(self.copy)),
            Figure("ratio, LOAD DATA to copy", "x", theirs_over_ours, 1 / LEAST_RATIO),
            Figure("write block at the cut-over", "ms", tuple(self.blocked), BLOCK_BOUND_MS),
        ]


@ends_in_words("make reshard-abort takes back what was begun")
def main() -> int:
    """Measure, print, and return the exit code: 0 within all bounds, 1 not, 2 could not measure."""
    asked = _arguments()
    load = os.getloadavg()[0]
    instance = find_instance(asked.instance)
    measured = Measured()
    for run in range(1, asked.runs + 1):
        _measure(instance, asked.load, measured)
        print(
            f"run {run} of {asked.runs}, {measured.rows[-1]:,} rows: copied {measured.copy[-1]:,.0f} a second, "
            f"LOAD DATA {measured.load_data[-1]:,.0f}, blocked {measured.blocked[-2:]} ms",
            flush=True,
        )
    figures = measured.figures()
    seen_on = machine(instance.topology().image, load)
    return hand_out(asked.json, seen_on, asdict(measured), figures)


def _arguments() -> argparse.Namespace:
    parser = arguments(__doc__, DEFAULT_RUNS)
    parser.add_argument("instance", help="a sharded instance that is at rest")
    parser.add_argument("--load", type=int, default=DEFAULT_LOAD, help=f"writes a second (default: {DEFAULT_LOAD})")
    return parser.parse_args()


def _measure(instance: Instance, load: int, measured: Measured) -> None:
    with Servers(instance.topology()) as servers:
        count = len(Catalogue(servers).read().map.shards)
    with Servers(with_servers_for(instance, count + 1, quiet=True)) as servers:
        catalogue = Catalogue(servers)
        old = catalogue.read().map
        new = changed_map(old, count + 1, [shard.number for shard in servers.topology.shards])
        with _customers(instance, load):
            rows, seconds = _load_data(ReshardingContext(servers, catalogue, old, new))
            alone = not servers.topology.replicas
            there, back = (reshard(servers, to, without_replica=alone) for to in (count + 1, count))
    measured.load_data.append(rows / seconds)
    measured.copy.append(there.copied_per_s)
    measured.rows.append(there.rows["copy"])
    measured.blocked += [there.blocked_ms, back.blocked_ms]


@contextlib.contextmanager
def _customers(instance: Instance, per_s: int) -> Iterator[None]:
    if not per_s:
        yield
        return
    with connect(instance.name) as shards:
        traffic = ShopTraffic(shards, seed=1, per_s=per_s)
        try:
            traffic.open()
            traffic.start()
            yield
        finally:
            traffic.stop()
            traffic.close()


def _load_data(context: ReshardingContext) -> tuple[int, float]:
    """Load the rows that would move into tables like theirs; return how many, and in how many seconds."""
    (target,) = set(context.new.shards) - set(context.old.shards)
    server, schema = context.source(target), context.shard(target).schema
    with tempfile.TemporaryDirectory() as directory:
        rows = sum(_write(context, source_shard, target, Path(directory)) for source_shard in context.source_shards)
        server.execute(f"DROP SCHEMA IF EXISTS {SCRATCH}", f"CREATE SCHEMA {SCRATCH}", "SET GLOBAL local_infile = ON")
        try:
            for table in context.tables:
                server.execute(f"CREATE TABLE {SCRATCH}.{table.name} LIKE {schema}.{table.name}")
            return rows, _load(server, sorted(Path(directory).iterdir()))
        finally:
            server.execute("SET GLOBAL local_infile = OFF", f"DROP SCHEMA {SCRATCH}")


def _write(context: ReshardingContext, source_shard: int, target: int, directory: Path) -> int:
    """Write the rows that move from a shard into a file a table; return how many they are."""
    rows = 0
    ids = listed(context.going(source_shard).get(target, [0]))
    with contextlib.closing(Session(context.source(source_shard), context.shard(source_shard).schema)) as session:
        for table in context.tables:
            columns = ", ".join(column.quoted for column in table.columns)
            with (directory / table.name).open("a") as file:
                for row in session.run(f"SELECT {columns} {table.of(ids)}"):
                    file.write("\t".join(str(value) for value in row.values()) + "\n")
                    rows += 1
    return rows


def _load(server: Server, files: list[Path]) -> float:
    with mysql.connector.connect(
        **server.login("admin").settings, use_pure=True, allow_local_infile=True, autocommit=True
    ) as connection, connection.cursor() as cursor:  # fmt: skip
        began = time.monotonic()
        for file in files:
            cursor.execute(f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE {SCRATCH}.{file.name}")
        return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
