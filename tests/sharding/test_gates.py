"""A client with an old map never writes to the wrong shard."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sharding.mover import Mover, wait_for_lock
from sharding.rows import INSERT, NAME, RENAME, add, names, new_key
from wavetank.client.shards import OutdatedMapError, Shards, cached_map
from wavetank.drills.traffic.proxied import ProxiedShards
from wavetank.servers.node import Server, Servers, StatementError, query_on

pytestmark = pytest.mark.group("four-shard")


def test_an_old_client_is_refused_refreshed_and_writes_where_the_key_is_now(
    shards: Shards, servers: Servers, mover: Mover
) -> None:
    moving, staying = new_key(shards, 2), new_key(shards, 1)
    old = shards.published.version
    mover.prepare()
    mover.cut()
    mover.arrive()
    with shards.at(moving) as session:
        assert session.shard == 1
        add(session, moving)
    with shards.at(staying) as session:
        add(session, staying)
    assert shards.published.version == old + 2
    assert names(servers, moving) == names(servers, staying) == {1: "new"}


def test_a_cut_over_waits_for_the_transactions_of_moving_keys(
    client: Shards | ProxiedShards, servers: Servers, mover: Mover
) -> None:
    moving = new_key(client, 2)
    mover.prepare()
    with ThreadPoolExecutor(1) as pool:
        with client.at(moving) as session:
            add(session, moving)
            cut = pool.submit(mover.cut)
            wait_for_lock(servers["s2"])
            assert not cut.done()
            assert session.execute(NAME, [moving]).rows == [{"name": "new"}]
        cut.result(timeout=20)
    assert names(servers, moving) == {2: "new"}


def test_who_works_on_staying_keys_does_not_hold_a_cut_over(shards: Shards, mover: Mover) -> None:
    staying = new_key(shards, 1)
    mover.prepare()
    with shards.at(staying) as session:
        add(session, staying)
        mover.cut()


def test_a_refused_client_goes_on_when_the_map_is_there(
    client: Shards | ProxiedShards, servers: Servers, mover: Mover
) -> None:
    moving = new_key(client, 2)
    mover.prepare()
    version = mover.cut()
    began = threading.Event()

    def write() -> int:
        began.set()
        with client.at(moving) as session:
            add(session, moving)
            return session.shard

    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(write)
        assert began.wait(20)
        with pytest.raises(TimeoutError):
            written.result(timeout=0.5)
        mover.arrive()
        assert written.result(timeout=20) == 1
    assert client.published.version == version
    assert names(servers, moving) == {1: "new"}
    assert client.read(moving, NAME, [moving]).rows == [{"name": "new"}]


def test_a_map_that_never_comes_is_waited_for_within_a_bound(
    shards: Shards, servers: Servers, mover: Mover, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached_map, "NEWER_MAP_S", 0.3)
    moving = new_key(shards, 2)
    mover.prepare()
    mover.cut()
    with pytest.raises(OutdatedMapError, match=r"^waited 0.3 s for shard map \d+"), shards.at(moving):
        pytest.fail("it has begun")
    with pytest.raises(OutdatedMapError):
        shards.read(moving, NAME, [moving])
    assert names(servers, moving) == {}


def test_a_read_by_an_old_map_is_not_believed(shards: Shards, servers: Servers, mover: Mover) -> None:
    """What the old owner still has was left behind; the row that counts is on the new one."""
    moving = new_key(shards, 2)
    with shards.at(moving) as session:
        add(session, moving, "left behind")
    mover.prepare()
    mover.cut()
    here = INSERT.replace("customers", "shop_1.customers")
    servers["s1"].query(here, [moving, "moved", f"{moving}@example.com"], account="admin")
    mover.arrive()
    assert shards.read(moving, NAME, [moving]).value == "moved"


def raise_at_once(server: Server) -> None:
    with contextlib.closing(server.connect("admin")) as connection:
        query_on(connection, "SET innodb_lock_wait_timeout = 1", node=server.name)
        query_on(connection, "UPDATE sharding.gates SET least = least + 1 WHERE gate = 'move'", node=server.name)


def test_a_transaction_across_shards_goes_through_all_its_gates(shards: Shards, servers: Servers, mover: Mover) -> None:
    staying, moving = new_key(shards, 1), new_key(shards, 2)
    mover.prepare()
    with shards.transaction([staying, moving], across=True) as transaction:
        assert transaction.shards == (1, 2)
        with pytest.raises(StatementError, match="Lock wait timeout"):
            raise_at_once(servers["s2"])
    mover.cut()
    mover.arrive()
    with shards.transaction([staying, moving], across=True) as transaction:
        assert transaction.shards == (1,)
        transaction.at(moving).execute(RENAME, ["x", moving])
