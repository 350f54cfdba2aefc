"""The pool: sizes, waiting, age, health, and what is left behind in a connection."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fleet import Fleet, PretendedConnection
from wavetank.client.splitting import PoolSize, PoolTimeoutError
from wavetank.client.splitting.pools import Pool
from wavetank.errors import UnreachableError
from wavetank.servers.node import Login

LOGIN = Login("db1", 3306, "rw", "", Path("ca.pem"))
SIZE = PoolSize(kept=1, overflow=1, wait_s=0.05, max_age_s=60, ping_after_s=5)


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


def pool_of(fleet: Fleet, size: PoolSize = SIZE) -> Pool:
    return Pool("db1", "rw", lambda: fleet.connect(LOGIN, 1), size)  # type: ignore[arg-type, return-value]


@pytest.fixture
def pool(fleet: Fleet) -> Iterator[Pool]:
    pool = pool_of(fleet)
    yield pool
    pool.close()
    assert fleet["db1"].open == []


def used_before(pool: Pool) -> PretendedConnection:
    """Return the connection that is pooled next; it is given back."""
    pooled = pool.checkout()
    connection: PretendedConnection = pooled.connection  # type: ignore[assignment]
    pooled.checkin()
    return connection


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let time have passed."""
    clock, monotonic = time.time, time.monotonic
    monkeypatch.setattr(time, "time", lambda: clock() + seconds)
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + seconds)


def test_a_connection_is_used_again(pool: Pool) -> None:
    assert used_before(pool) is used_before(pool)
    assert (pool.figures().opened, pool.figures().idle, pool.figures().borrowed) == (1, 1, 0)


def test_overflow_is_closed_when_it_comes_back(pool: Pool, fleet: Fleet) -> None:
    first, second = pool.checkout(), pool.checkout()
    assert (pool.figures().borrowed, len(fleet["db1"].open)) == (2, 2)
    first.checkin()
    second.checkin()
    assert (pool.figures().idle, pool.figures().discarded, len(fleet["db1"].open)) == (1, 1, 1)


def test_nobody_waits_for_ever(pool: Pool) -> None:
    pooled = [pool.checkout(), pool.checkout()]
    with pytest.raises(PoolTimeoutError, match=r"all 2 connections to db1 as rw are in use.* 0\.05 s"):
        pool.checkout()
    figures = pool.figures()
    assert (figures.waits, figures.timeouts) == (1, 1)
    assert SIZE.wait_s <= figures.waited_s < 1
    for each in pooled:
        each.checkin()


def test_who_waits_gets_what_comes_back(fleet: Fleet) -> None:
    pool = pool_of(fleet, PoolSize(kept=1, overflow=0, wait_s=5))
    pooled = pool.checkout()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(used_before, pool)
        connection = pooled.connection
        pooled.checkin()
        assert waiting.result() is connection
    assert pool.figures().timeouts == 0


def test_an_old_connection_is_replaced(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    old = used_before(pool)
    later(monkeypatch, SIZE.max_age_s + 2)
    assert used_before(pool) is not old
    assert pool.figures().discarded == 1


def test_one_long_idle_is_pinged_and_one_just_used_is_not(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert used_before(pool).done == []
    later(monkeypatch, SIZE.ping_after_s + 1)
    assert used_before(pool).done == ["ping"]


def test_one_that_died_in_the_pool_is_replaced(pool: Pool, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    old = used_before(pool)
    fleet.end("db1")
    later(monkeypatch, SIZE.ping_after_s + 1)
    new = used_before(pool)
    assert new is not old
    assert fleet["db1"].open == [new]


def test_a_dead_server_takes_no_place_in_the_pool(pool: Pool, fleet: Fleet) -> None:
    fleet["db1"].dead = True
    for _ in range(5):
        with pytest.raises(UnreachableError):
            pool.checkout()
    fleet["db1"].dead = False
    used_before(pool)
    assert (pool.figures().borrowed, pool.figures().idle) == (0, 1)


def test_what_was_left_open_is_undone(pool: Pool) -> None:
    pooled = pool.checkout()
    pooled.connection.in_transaction = True  # type: ignore[misc]
    pooled.checkin()
    assert used_before(pool).done == ["rollback"]


def test_what_may_hold_state_is_reset(pool: Pool) -> None:
    pooled = pool.checkout()
    pooled.touched = True
    pooled.checkin()
    assert used_before(pool).done == ["reset"]


@pytest.mark.parametrize("how", ["broken", "touched"])
def test_one_that_broke_is_not_lent_again(pool: Pool, fleet: Fleet, how: str) -> None:
    pooled = pool.checkout()
    old = pooled.connection
    setattr(pooled, how, True)
    fleet.end("db1")
    pooled.checkin()
    assert used_before(pool) is not old
    assert pool.figures().discarded == 1


def test_a_cut_ends_what_is_lent_and_keeps_nothing_that_was_open(fleet: Fleet) -> None:
    pool = pool_of(fleet, PoolSize(kept=2))
    idle, pooled = pool.checkout(), pool.checkout()
    old = idle.connection, pooled.connection
    idle.checkin()
    pool.cut()
    assert old[1] not in fleet["db1"].open
    pooled.checkin()
    again = [pool.checkout(), pool.checkout()]
    assert [each.connection for each in again if each.connection in old] == []
    assert len(fleet["db1"].open) == len(again)
    for each in again:
        each.checkin()


def test_after_the_end_nothing_is_kept(pool: Pool, fleet: Fleet) -> None:
    pooled = pool.checkout()
    pool.close()
    assert len(fleet["db1"].open) == 1
    pooled.checkin()
    assert fleet["db1"].open == []
