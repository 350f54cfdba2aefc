"""sysbench against one port of an instance, over TLS, as the instance's application."""

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from timing import timed
from wavetank.errors import UsageError
from wavetank.servers.node import Servers
from wavetank.topology.instance import Instance

SCHEMA, ROWS = "shop", 10_000
TABLE = f"{SCHEMA}.sbtest1"
PREPARE_TIMEOUT_S = 120
# Beyond what a run is asked to take, in seconds.
SLACK_S = 30
# What MariaDB's client library, which sysbench uses, loads before there are threads. Left alone it does so at a login,
# fails that of another thread meanwhile, and MySQL Router then ends the run: docs/topologies/mysql-router.md.
PRELOADED = "LIBMYSQL_PLUGINS=caching_sha2_password"


def refuse_unless_ready() -> None:
    """Ask whether there is a sysbench.

    Raises:
        UsageError: there is none.
    """
    if shutil.which("sysbench") is None:
        raise UsageError("sysbench is missing: apt-get install sysbench")


@contextlib.contextmanager
def prepared(instance: Instance) -> Iterator[None]:
    """Have the table that sysbench asks, on every server; it is dropped at the end."""
    topology = instance.topology()
    with Servers(topology) as servers:
        source = servers[topology.sources[0].name]
        source.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}", f"DROP TABLE IF EXISTS {TABLE}")
        try:
            _sysbench(instance, "admin", source.port, "oltp_read_write", "prepare", timeout_s=PREPARE_TIMEOUT_S)
            executed = source.value("SELECT @@GLOBAL.gtid_executed")
            for replica in topology.replicas:
                wait = "SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, %s)"
                if servers[replica.name].value(wait, [executed, PREPARE_TIMEOUT_S // 5]) != 0:
                    raise UsageError(f"{replica.name} does not have the table that sysbench made")
            yield
        finally:
            source.execute(f"DROP TABLE IF EXISTS {TABLE}")


def transactions_a_second(instance: Instance, port: int, workload: str, threads: int, seconds: int) -> float:
    """Run a workload and return its transactions a second."""
    options = [f"--threads={threads}", f"--time={seconds}"]
    return rate_in(_sysbench(instance, "app_rw", port, workload, "run", *options, timeout_s=seconds + SLACK_S))


def rate_in(output: str) -> float:
    """Return the transactions a second in what sysbench prints.

    Raises:
        UsageError: there are none.
    """
    found = re.search(r"transactions: +\d+ +\(([\d.]+) per sec", output)
    if not found or float(found[1]) == 0:
        raise UsageError(f"sysbench counted no transactions:\n{output.strip()}")
    return float(found[1])


def _sysbench(instance: Instance, account: str, port: int, *words: str, timeout_s: float) -> str:
    workload, verb, *options = words
    with tempfile.TemporaryDirectory(prefix="wavetank-sysbench-") as name:
        directory = Path(name)
        _certificates(instance, directory)
        # In a file, where no list of processes shows the password; the folder is ours alone.
        settings = {
            "mysql-host": "127.0.0.1", "mysql-port": port, "mysql-user": account,
            "mysql-password": instance.password(account), "mysql-db": SCHEMA, "mysql-ssl": "on",
            "tables": 1, "table-size": ROWS,
        }  # fmt: skip
        (directory / "settings").write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        surroundings = ["env", f"--chdir={directory}", PRELOADED]
        return timed([*surroundings, "sysbench", "--config-file=settings", workload, *options, verb], timeout_s)[1]


def _certificates(instance: Instance, directory: Path) -> None:
    """Put what TLS needs where sysbench looks for it, under the only names that it knows.

    It does not connect without a certificate of its own; a server's serves.
    """
    node = instance.node_directory(instance.topology().sources[0].name)
    for ours, theirs in (
        ("ca.pem", "cacert.pem"), ("server-cert.pem", "client-cert.pem"), ("server-key.pem", "client-key.pem"),
    ):  # fmt: skip
        shutil.copyfile(node / ours, directory / theirs)
