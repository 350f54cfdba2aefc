"""Who writes without the client library, by what the page says: no acknowledged write is lost to a cut-over."""

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sharding.mover import Mover, wait_for_lock
from sharding.rows import RENAME, add, names, new_key
from wavetank.client.shards import Shards
from wavetank.drills.traffic.proxied import HOLD, START, ProxiedShards
from wavetank.servers.node import Connection, Row, Servers, StatementError, query_on

pytestmark = pytest.mark.group("four-shard")


def connect(servers: Servers, name: str) -> Connection:
    return servers[name].connect("app_rw", 5, database="shop_2")


@pytest.fixture
def proxied(shards: Shards, servers: Servers) -> Iterator[ProxiedShards]:
    """The shards as through a proxy that has led each session to the source of its shard."""

    def opener(number: int) -> Connection:
        shard = servers.topology.shard(number)
        return servers[shard.source.name].connect("app_rw", 5, database=shard.schema)

    proxied = ProxiedShards(shards, servers.instance.name, opener)
    yield proxied
    proxied.close()


def test_a_cut_over_waits_for_a_transaction_that_holds_the_gates(
    shards: Shards,
    proxied: ProxiedShards,
    servers: Servers,
    mover: Mover,
) -> None:
    moving = new_key(shards, 2)
    mover.prepare()
    with ThreadPoolExecutor(1) as pool:
        with proxied.at(moving) as session:
            add(session, moving)
            cut = pool.submit(mover.cut)
            wait_for_lock(servers["s2"])
            assert not cut.done()
        cut.result(timeout=20)
    assert names(servers, moving) == {2: "new"}


def test_who_is_refused_reads_the_map_and_writes_where_the_key_is_now(
    shards: Shards,
    proxied: ProxiedShards,
    servers: Servers,
    mover: Mover,
) -> None:
    moving = new_key(shards, 2)
    mover.prepare()
    version = mover.cut()
    began = threading.Event()

    def write() -> int:
        began.set()
        with proxied.at(moving) as session:
            add(session, moving)
            return session.shard

    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(write)
        assert began.wait(20)
        with pytest.raises(TimeoutError):
            written.result(timeout=0.5)
        mover.arrive()
        assert written.result(timeout=20) == 1
    assert proxied.published.version == version
    assert names(servers, moving) == {1: "new"}
    assert proxied.read(moving, "SELECT name FROM customers WHERE customer_id = %s", [moving]).rows == [{"name": "new"}]


def test_those_who_hold_the_gates_do_not_hold_each_other(shards: Shards, proxied: ProxiedShards) -> None:
    one, other = new_key(shards, 2), new_key(shards, 2)
    with proxied.at(one) as session, ThreadPoolExecutor(1) as pool:
        add(session, one)

        def write() -> None:
            with proxied.at(other) as inner:
                add(inner, other)
                inner.execute(RENAME, ["both", other])

        pool.submit(write).result(timeout=4)


@pytest.mark.parametrize(
    ("name", "before", "known", "refusal"),
    [
        ("s2", START, 0, r"map version \d+ is wanted, 0 is known"),
        ("s2", START, None, r"map version \d+ is wanted, none is known"),
        ("s2", "DO 0", 9999, "START TRANSACTION comes first"),
        ("s2", "COMMIT", 9999, "START TRANSACTION comes first"),
        ("s2r", START, 9999, "this server takes no writes"),
    ],
)
def test_who_must_not_write_is_refused(  # noqa: PLR0913, PLR0917
    servers: Servers,
    mover: Mover,
    name: str,
    before: str,
    known: int | None,
    refusal: str,
) -> None:
    mover.prepare()
    with contextlib.closing(connect(servers, name)) as connection:

        def run(statement: str, *parameters: int | None) -> list[Row]:
            return query_on(connection, statement, parameters, node=name)

        run(before)
        with pytest.raises(StatementError, match=refusal):
            run(HOLD, known)


def test_gates_are_held_without_autocommit_as_well(servers: Servers) -> None:
    with contextlib.closing(connect(servers, "s2")) as connection:
        query_on(connection, "SET autocommit = 0", node="s2")
        query_on(connection, "SELECT 1 FROM sharding.gates LIMIT 1", node="s2")
        query_on(connection, HOLD, [9999], node="s2")
