"""Reshardings as the tests run them, and what must be true afterwards."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from commands import wavetank
from wavetank.checks.asking import ask_all
from wavetank.servers.node import Servers
from wavetank.sharding.catalogue import Catalogue
from wavetank.sharding.gates import read_gates
from wavetank.sharding.reshard.rows import customers_tables, tables_of
from wavetank.topology.instance import Instance
from wavetank.waiting import wait_until

KILLED = Path(__file__).with_name("killed.py")


@contextmanager
def servers_of(instance: str) -> Iterator[Servers]:
    """The servers as they are now: a failover changes who is a source."""
    with Servers(Instance(instance).topology()) as servers:
        yield servers


def contents(instance: str) -> dict[str, str]:
    """Return what the shards hold together, rows and checksum of each table, wherever a row is."""
    found = {}
    with servers_of(instance) as servers:
        shards = servers.topology.shards
        for table in customers_tables(tables_of(servers[shards[0].source.name], shards[0].schema)):
            rows = checksum = 0
            for shard in shards:
                statement = f"SELECT COUNT(*) AS n, {table.checksum} AS hash FROM {shard.schema}.{table.name} t"
                (row,) = servers[shard.source.name].query(statement, account="admin")
                rows, checksum = rows + row["n"], checksum + int(row["hash"])
            found[table.name] = f"{rows} rows, {checksum:x}"
    return found


def damaged_at(instance: str, to: int, *moments: str) -> subprocess.CompletedProcess[str]:
    """Run a resharding in which something dies at moments, as killed.py takes them."""
    command = [sys.executable, str(KILLED), instance, str(to), *moments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


def killed_at(instance: str, to: int, *moments: str) -> None:
    done = damaged_at(instance, to, *moments)
    assert done.returncode == -9, done.stderr


def reshard(instance: str, to: int) -> dict[str, Any]:
    done = wavetank("reshard", "--json", INSTANCE=instance, TO=to)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def assert_in_order(instance: str, shards: int) -> None:
    """Demand that the map has so many shards, that the checks are green, and that no gate wants what is not there."""
    with servers_of(instance) as servers:
        published = Catalogue(servers).read()
        assert len(published.map.shards) == shards
        assert published.pending is None
        for shard in servers.topology.shards:
            assert max(read_gates(servers[shard.source.name]).values()) <= published.version
        # Replicas come to their end by themselves.
        wait_until("green checks", lambda: ask_all(servers).proven, timeout_s=60, interval_s=0.5)
