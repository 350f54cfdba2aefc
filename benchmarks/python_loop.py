"""What sysbench does, in Python: the same statements on the same table, with and without wavetank.client.splitting."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from mysql.connector import errorcode
from sysbench import ROWS, TABLE
from wavetank.client.splitting import PoolSize, Router, router_of
from wavetank.servers.node import Server, Servers, StatementError
from wavetank.topology.instance import Instance

Run = Callable[..., Any]
RANGE = 100
# For all threads to have connected.
READY_S = 30
_BETWEEN = f"FROM {TABLE} WHERE id BETWEEN %s AND %s"
_RANGES = (
    f"SELECT c {_BETWEEN}",
    f"SELECT SUM(k) {_BETWEEN}",
    f"SELECT c {_BETWEEN} ORDER BY c",
    f"SELECT DISTINCT c {_BETWEEN} ORDER BY c",
)


def oltp_point_select(run: Run) -> None:
    """Read one row by its key."""
    run(f"SELECT c FROM {TABLE} WHERE id = %s", [_row()])


def oltp_read_write(run: Run) -> None:
    """Say what sysbench's transaction of the same name says between its ends."""
    for _ in range(10):
        oltp_point_select(run)
    for statement in _RANGES:
        first = _row()
        run(statement, [first, first + RANGE - 1])
    run(f"UPDATE {TABLE} SET k = k + 1 WHERE id = %s", [_row()])
    run(f"UPDATE {TABLE} SET c = %s WHERE id = %s", ["c" * 119, _row()])
    row = _row()
    run(f"DELETE FROM {TABLE} WHERE id = %s", [row])
    run(f"INSERT INTO {TABLE} (id, k, c, pad) VALUES (%s, %s, %s, %s)", [row, _row(), "c" * 119, "p" * 59])


WORKLOADS = {work.__name__: work for work in (oltp_point_select, oltp_read_write)}


def plainly(instance: Instance, workload: str, threads: int, seconds: float) -> float:
    """Return the transactions a second with a connection of the driver's for each thread, to the source."""
    topology = instance.topology()
    with Servers(topology) as servers:
        source = servers[topology.sources[0].name]
        return _rate(lambda: _plain(source, workload), threads, seconds)


def routed(instance: Instance, workload: str, threads: int, seconds: float) -> float:
    """Return the transactions a second through wavetank.client.splitting, with a session for each."""
    with router_of(instance, pool_size=PoolSize(kept=threads)) as router:
        return _rate(lambda: _routed(router, workload), threads, seconds)


@contextmanager
def _plain(source: Server, workload: str) -> Iterator[Callable[[], None]]:
    with source.connection("app_rw") as connection:
        # One for all statements: the driver pings the server for each cursor that it makes.
        cursor = connection.cursor(dictionary=True)

        def run(statement: str, parameters: Any = ()) -> None:  # noqa: ANN401
            cursor.execute(statement, parameters)
            if cursor.description:
                cursor.fetchall()

        def transaction() -> None:
            run("START TRANSACTION")
            oltp_read_write(run)
            run("COMMIT")

        yield transaction if workload == oltp_read_write.__name__ else lambda: oltp_point_select(run)


@contextmanager
def _routed(router: Router, workload: str) -> Iterator[Callable[[], None]]:
    def transaction() -> None:
        with router.session() as session, session.transaction():
            oltp_read_write(session.run)

    def select() -> None:
        with router.session() as session:
            oltp_point_select(session.run)

    yield transaction if workload == oltp_read_write.__name__ else select


def _rate(enter: Callable[[], Any], threads: int, seconds: float) -> float:
    """Have each thread do it over and over, and return how often a second all of them together did."""
    ready = threading.Barrier(threads)

    def work() -> int:
        with enter() as once:
            _done(once)
            ready.wait(READY_S)
            count, end = 0, time.monotonic() + seconds
            while time.monotonic() < end:
                count += _done(once)
            return count

    with ThreadPoolExecutor(threads) as pool:
        counts = [pool.submit(work) for _ in range(threads)]
        return sum(count.result() for count in counts) / seconds


def _done(once: Callable[[], None]) -> int:
    """Return 1, or 0 where it lost to another thread, as sysbench does not count it either."""
    try:
        once()
    except StatementError as error:
        if error.errno not in (errorcode.ER_LOCK_DEADLOCK, errorcode.ER_LOCK_WAIT_TIMEOUT):
            raise
        return 0
    return 1


def _row() -> int:
    return random.randint(1, ROWS)  # noqa: S311 - which row, not a secret
