"""Clients that people use come through a proxy: over TLS, and through ProxySQL on loopback also without."""

import contextlib
import ctypes.util
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import mysql.connector
import pymysql
import pytest
from wavetank.servers.node import Servers
from wavetank.topology.instance import Instance
from wavetank.topology.model import Topology
from wavetank.topology.proxies import PROXYSQL, Proxy

ACCOUNT = "app_rw"
ROW, WORD = 10_001, "mädel 😀"
# What each client says: a write, then, at the source, what became of it; a read for a replica; an end.
WRITE = f"REPLACE INTO wavetank.routed SELECT {ROW}, @@server_uuid, '{WORD}'"
READ_BACK = f"/* wavetank:source */ SELECT word, @@report_host FROM wavetank.routed WHERE id = {ROW}"
READ = "SELECT @@report_host"
FORGET = f"DELETE FROM wavetank.routed WHERE id = {ROW}"
SBTEST = (
    "CREATE SCHEMA IF NOT EXISTS shop",
    "CREATE TABLE shop.sbtest1 (id INT AUTO_INCREMENT PRIMARY KEY, k INT, c CHAR(120), pad CHAR(60), KEY k_1 (k))",
    "INSERT INTO shop.sbtest1 (id) WITH RECURSIVE a AS (SELECT 1 n UNION SELECT n + 1 FROM a LIMIT 100) TABLE a",
)

# MariaDB's client library loads this plugin at a thread's first login, and fails that of a second thread meanwhile;
# docs/topologies/mysql-router.md has the story.
PRELOADED = {"LIBMYSQL_PLUGINS": "caching_sha2_password"}
LOGINS = Path(__file__).parents[1] / "mariadb_logins.py"
# Threads that log in at the same moment, and processes: a race in the client's library is over once one has logged in.
THREADS, PROCESSES = 8, 10

TLS, PLAIN = TRANSPORTS = ("TLS", "no TLS")
Say = Callable[[Topology, Proxy, str], tuple[str, str, str]]


def installed(program: str) -> str:
    """Return the path of a program that this machine may lack."""
    if not (path := shutil.which(program)):
        pytest.skip(f"NOT TESTED: {program} is not installed here")
    return path


def mariadb_client(topology: Topology, front: Proxy, transport: str) -> tuple[str, str, str]:
    instance = Instance(topology.instance)
    trust = ["--ssl", f"--ssl-ca={instance.ca}", "--ssl-verify-server-cert"] if transport == TLS else ["--skip-ssl"]
    said = subprocess.run(
        [installed("mariadb"), "--no-defaults", "--default-character-set=utf8mb4", "-N", "--comments", *trust,
         "-h127.0.0.1", f"-P{front.port}", f"-u{ACCOUNT}", "-e", f"{WRITE}; {READ_BACK}; {READ}; {FORGET}"],
        env={**os.environ, "MYSQL_PWD": instance.password(ACCOUNT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    (word, wrote), (read,) = (line.split("\t") for line in said.stdout.splitlines())
    return word, wrote, read


def python_driver(connect: Callable[[Topology, Proxy, str], object]) -> Say:
    def say(topology: Topology, front: Proxy, transport: str) -> tuple[str, str, str]:
        with contextlib.closing(connect(topology, front, transport)) as connection:  # type: ignore[type-var]
            cursor = connection.cursor()  # type: ignore[attr-defined]
            cursor.execute(WRITE)
            cursor.execute(READ_BACK)
            word, wrote = cursor.fetchone()
            cursor.execute(READ)
            (read,) = cursor.fetchone()
            cursor.execute(FORGET)
        return word, wrote, read

    return say


def by_pymysql(topology: Topology, front: Proxy, transport: str) -> object:
    instance = Instance(topology.instance)
    trust = {"ssl_ca": str(instance.ca), "ssl_verify_cert": True, "ssl_verify_identity": True}
    return pymysql.connect(
        host="127.0.0.1", port=front.port, user=ACCOUNT, password=instance.password(ACCOUNT), autocommit=True,
        **(trust if transport == TLS else {"ssl_disabled": True}),
    )  # fmt: skip


def by_connector(topology: Topology, front: Proxy, transport: str) -> object:
    instance = Instance(topology.instance)
    trust = {"ssl_ca": str(instance.ca), "ssl_verify_cert": True, "ssl_verify_identity": True}
    return mysql.connector.connect(
        host="127.0.0.1", port=front.port, user=ACCOUNT, password=instance.password(ACCOUNT), autocommit=True,
        **(trust if transport == TLS else {"ssl_disabled": True}),
    )  # fmt: skip


CLIENTS: dict[str, Say] = {
    "mariadb": mariadb_client,
    "PyMySQL": python_driver(by_pymysql),
    "mysql-connector-python": python_driver(by_connector),
}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_writes_at_the_source_and_reads_at_a_replica(
    client: str, transport: str, topology: Topology, front: Proxy
) -> None:
    if not lets_in(front, transport):
        with pytest.raises((AssertionError, pymysql.err.OperationalError, mysql.connector.Error)):
            CLIENTS[client](topology, front, transport)
        return
    word, wrote, read = CLIENTS[client](topology, front, transport)
    replicas = {node.name for node in topology.nodes if not node.is_source}
    assert (word, wrote) == (WORD, topology.sources[0].name)
    # A Router does not look into statements: what comes to its port for writes is at the source.
    assert read in (replicas if front.kind == PROXYSQL else {wrote})


def lets_in(front: Proxy, transport: str) -> bool:
    """Return whether a proxy takes such a connection: a Router requires TLS as the servers do."""
    return transport == TLS or front.kind == PROXYSQL


@pytest.fixture
def sbtest(servers: Servers) -> Iterator[None]:
    """The table that sysbench works on."""
    source = servers[servers.topology.sources[0].name]
    source.execute(*SBTEST)
    yield
    source.execute("DROP TABLE shop.sbtest1")


@pytest.mark.disturbs
@pytest.mark.usefixtures("sbtest")
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_sysbench_comes_through(transport: str, topology: Topology, front: Proxy, tmp_path: Path) -> None:
    instance = Instance(topology.instance)
    # It looks for its certificates in the current directory, under these names.
    node = instance.node_directory(front.name)
    for name, source in (("cacert", instance.ca), ("client-cert", node / "server-cert.pem"),
                         ("client-key", node / "server-key.pem")):  # fmt: skip
        shutil.copy(source, tmp_path / f"{name}.pem")
    settings = {
        "mysql-host": "127.0.0.1", "mysql-port": front.port, "mysql-user": ACCOUNT,
        "mysql-password": instance.password(ACCOUNT), "mysql-db": "shop",
        # In a file, "off" would be taken for yes.
        **({"mysql-ssl": "on"} if transport == TLS else {}),
    }  # fmt: skip
    (tmp_path / "settings").write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    command = [installed("sysbench"), "--config-file=settings", "oltp_read_write", "--tables=1", "--table-size=100",
               f"--threads={THREADS}", "--time=1", "run"]  # fmt: skip
    said = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, **PRELOADED}, capture_output=True, text=True, check=False
    )
    assert (said.returncode == 0) == lets_in(front, transport), said.stdout + said.stderr
    if not lets_in(front, transport):
        return
    transactions = next(line for line in said.stdout.splitlines() if "transactions:" in line)
    assert int(transactions.split()[1]) > 0


def test_threads_that_log_in_at_the_same_moment_all_come_in(topology: Topology, front: Proxy) -> None:
    if not ctypes.util.find_library("mariadb"):
        pytest.skip("NOT TESTED: libmariadb is not installed here")
    instance = Instance(topology.instance)
    said = [
        subprocess.run(
            [sys.executable, LOGINS, str(front.port), str(THREADS), instance.secret(ACCOUNT), instance.ca, "wavetank"],
            env={**os.environ, **PRELOADED}, capture_output=True, text=True, check=True, timeout=60,
        ).stdout
        for _ in range(PROCESSES)
    ]  # fmt: skip
    assert Counter(said) == {f"{THREADS} x ok\n": PROCESSES}
