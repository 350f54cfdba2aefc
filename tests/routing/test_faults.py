"""Replicas that lag, die or freeze get no reads and come back by themselves; the source is followed."""

import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from wavetank.change.switchover import switch_over
from wavetank.client.splitting import Bounds, NoServerError, OutcomeUnknownError, Router, RoutingError
from wavetank.machine import containers
from wavetank.servers.node import Servers, StatementError
from wavetank.waiting import wait_until

pytestmark = pytest.mark.group("routing")
LOG = logging.getLogger(__name__)

# Seconds; on a quiet machine each takes about half of it.
OUT_S, CUT_S, BACK_S, WITHOUT_WRITER_S = 3.0, 4.0, 20.0, 6.0
# What a read takes that is cut while it runs.
RUNS_S = 1.5


def container(servers: Servers, name: str) -> str:
    return servers.topology.container(servers.topology.node(name))


@contextlib.contextmanager
def within(what: str, bound_s: float, look: Callable[[], object]) -> Iterator[None]:
    """Do something, and see what should come of it, in this time from its beginning."""
    began = time.monotonic()
    yield
    wait_until(what, look, timeout_s=bound_s, interval_s=0.02)
    LOG.info("%s: %.2f s", what, time.monotonic() - began)


@contextlib.contextmanager
def reading(router: Router) -> Iterator[Counter[str]]:
    """Have reads go on; yields who answered, by name, and what failed, by complaint."""
    outcome: Counter[str] = Counter()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            with router.session() as session:
                try:
                    outcome[session.run("SELECT COUNT(*) FROM wavetank.routed").server] += 1
                except Exception as error:  # noqa: BLE001 - whatever it is, the test is to show it
                    outcome[repr(error)] += 1

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        try:
            yield outcome
        finally:
            stop.set()
            for reader in readers:
                reader.result()


def expect_taken_back(router: Router) -> None:
    with within("both replicas are back", BACK_S, lambda: router.replicas == {"db2", "db3"}):
        pass


def test_a_killed_replica_is_left_out_and_no_read_fails(servers: Servers, make_router: Callable[..., Router]) -> None:
    router = make_router()
    with reading(router) as outcome:
        wait_until("reads of both", lambda: {"db2", "db3"} <= outcome.keys(), timeout_s=5)
        try:
            with within("a killed replica is out", OUT_S, lambda: router.replicas == {"db2"}):
                containers.kill(container(servers, "db3"))
        finally:
            containers.restart(container(servers, "db3"))
        expect_taken_back(router)
        before = outcome["db3"]
        wait_until("reads of who is back", lambda: outcome["db3"] > before, timeout_s=5)
    assert outcome.keys() <= {"db1", "db2", "db3"}


def test_a_frozen_replica_is_left_out_and_what_runs_there_goes_elsewhere(
    servers: Servers, make_router: Callable[..., Router]
) -> None:
    router = make_router(replicas=1, weights={"db3": 0})
    with ThreadPoolExecutor(1) as pool, router.session() as session:
        running = pool.submit(session.run, f"SELECT SLEEP({RUNS_S})")
        wait_until("the read", lambda: any(figures.borrowed for figures in router.figures()), timeout_s=5)
        try:
            began = time.monotonic()
            with within("a frozen replica is out", OUT_S, lambda: not router.replicas):
                containers.pause(container(servers, "db2"))
            assert running.result().server == "db1"
            cut_s = time.monotonic() - began - RUNS_S
            LOG.info("what ran there ran elsewhere after %.2f s", cut_s)
            assert cut_s < CUT_S
        finally:
            with within("the frozen replica is back", BACK_S, lambda: router.replicas == {"db2"}):
                containers.unpause(container(servers, "db2"))


def test_a_slow_statement_is_not_tried_again(make_router: Callable[..., Router]) -> None:
    router = make_router(bounds=Bounds(statement=1))
    with router.session() as session, pytest.raises(StatementError, match="timed out"):
        session.run("SELECT SLEEP(3)")
    assert router.replicas == {"db2", "db3"}
    assert sum(figures.statements for figures in router.figures()) == 1


def test_a_lagging_replica_is_left_out_and_when_all_lag_the_source_is_read(
    servers: Servers, make_router: Callable[..., Router]
) -> None:
    router = make_router(bounds=Bounds(lag=2.0))
    with reading(router) as outcome:
        try:
            with within("a replica that lags by 2 s is out", 2.0 + OUT_S, lambda: router.replicas == {"db3"}):
                servers["db2"].execute("STOP REPLICA SQL_THREAD")
            with within("all are", 2.0 + OUT_S, lambda: not router.replicas):
                servers["db3"].execute("STOP REPLICA SQL_THREAD")
            before = outcome["db1"]
            wait_until("reads of the source", lambda: outcome["db1"] > before, timeout_s=2)
        finally:
            for name in ("db2", "db3"):
                servers[name].execute("START REPLICA SQL_THREAD")
        expect_taken_back(router)
    assert outcome.keys() <= {"db1", "db2", "db3"}


def test_when_the_source_dies_reads_go_on_and_writes_fail_in_time(
    servers: Servers, make_router: Callable[..., Router]
) -> None:
    bounds = Bounds(lag=1.5, new_source=0.5)
    router = make_router(bounds=bounds)
    with reading(router) as outcome:
        try:
            with within("a killed source is out", OUT_S, lambda: not router.source):
                containers.kill(container(servers, "db1"))
            ages = "both replicas to have grown old"
            wait_until(ages, lambda: min(lag or 0 for lag in lags(router)) > bounds.lag + 1, timeout_s=10)
            before = outcome["db2"]
            wait_until("reads of old data", lambda: outcome["db2"] > before, timeout_s=2)
            with router.session() as session, pytest.raises(NoServerError):
                session.run("DELETE FROM wavetank.routed WHERE id = 1")
        finally:
            containers.restart(container(servers, "db1"))
            wait_until("db1", servers["db1"].greets, timeout_s=BACK_S)
            # It starts closed, and topology-up would open it.
            servers["db1"].execute("SET GLOBAL super_read_only = OFF", "SET GLOBAL read_only = OFF")
        with within("the source is one again", BACK_S, lambda: router.source == "db1"):
            pass
        expect_taken_back(router)
    assert outcome.keys() <= {"db1", "db2", "db3"}


def lags(router: Router) -> list[float | None]:
    return [router.health()[name].lag_s for name in ("db2", "db3")]


# --- another server takes the writes


def move_source(servers: Servers, to: str) -> None:
    """Let another server take the writes, in order."""
    with Servers(servers.instance.topology()) as as_it_is_now:
        switch_over(as_it_is_now, to)


@contextlib.contextmanager
def writing(router: Router, acknowledged: list[tuple[float, int, str]], failed: list[str]) -> Iterator[None]:
    """Have one row after the other written: when, which, and by which server."""
    stop = threading.Event()

    def write() -> None:
        row = 20_000
        while not stop.is_set():
            row += 1
            with router.session() as session:
                try:
                    insert = "INSERT INTO wavetank.routed VALUES (%s, @@server_uuid, 'moved')"
                    server = session.run(insert, [row]).server
                    acknowledged.append((time.monotonic(), row, server))
                except (RoutingError, OutcomeUnknownError) as error:
                    failed.append(str(error))

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write)
        try:
            yield
        finally:
            stop.set()
            writer.result()


@pytest.fixture
def moved_back(servers: Servers) -> Iterator[None]:
    """Let db1 be the source again afterwards."""
    yield
    move_source(servers, "db1")


@pytest.mark.usefixtures("moved_back")
def test_writes_follow_the_source_when_it_moves(servers: Servers, make_router: Callable[..., Router]) -> None:
    router = make_router()
    acknowledged: list[tuple[float, int, str]] = []
    failed: list[str] = []
    with writing(router, acknowledged, failed):
        wait_until("writes", lambda: len(acknowledged), good=lambda count: count > 20, timeout_s=5)
        move_source(servers, "db2")
        wait_until("writes on db2", lambda: acknowledged[-1][2] == "db2", timeout_s=WITHOUT_WRITER_S)
        assert router.source == "db2"
    gap_s = max(later[0] - earlier[0] for earlier, later in pairwise(acknowledged))
    LOG.info("%d writes acknowledged, %d failed, %.2f s without one", len(acknowledged), len(failed), gap_s)
    assert failed == []
    assert gap_s < WITHOUT_WRITER_S
    servers_in_turn = [server for _, _, server in acknowledged]
    assert servers_in_turn == sorted(servers_in_turn)
    # None landed on the old source after it was closed, and all that were acknowledged are there.
    old, new = (servers[name].value("SELECT @@GLOBAL.gtid_executed") for name in ("db1", "db2"))
    assert servers["db2"].value("SELECT GTID_SUBSET(%s, %s)", [old, new]) == 1
    rows = servers["db2"].query("SELECT id FROM wavetank.routed WHERE id > 20000")
    assert {row["id"] for row in rows} == {row for _, row, _ in acknowledged}
    wait_until("reads of db1", lambda: "db1" in router.replicas, timeout_s=BACK_S)
