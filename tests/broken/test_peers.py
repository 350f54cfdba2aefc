"""Several sources: one of them takes the writes, another takes over, a third joins; and nothing is lost."""

from collections.abc import Callable, Iterator

import pytest
from commands import own, up, wavetank
from damages import expect_green, expect_red
from wavetank.change import handover
from wavetank.change.handover import hand_over
from wavetank.checks.asking import ask_all
from wavetank.errors import UsageError
from wavetank.servers.node import Servers
from wavetank.topology.instance import Instance
from writer import Writer

CLOSED = "SELECT @@GLOBAL.super_read_only"


def connected(instance: str) -> Servers:
    return Servers(Instance(instance).topology())


def closed(servers: Servers) -> list[str]:
    return [node.name for node in servers.topology.nodes if servers[node.name].value(CLOSED)]


@pytest.fixture
def instance(bring_up: Callable[..., str]) -> Iterator[str]:
    """Two sources of which the first takes the writes, again for each test."""
    name = bring_up(own("pair"), TOPOLOGY="master-master", ACTIVE="db1")
    yield name
    with connected(name) as servers:
        as_before = closed(servers) == ["db2"] and ask_all(servers).proven
    if not as_before:
        up(name, ACTIVE="db1")


def test_only_the_active_one_is_open_and_that_is_remembered(instance: str) -> None:
    assert "nothing had to change" in up(instance).stdout
    with connected(instance) as servers:
        assert closed(servers) == ["db2"]
        expect_green(servers)


def test_a_passive_one_that_somebody_opens_is_seen_and_closed_again(instance: str) -> None:
    with connected(instance) as servers:
        servers["db2"].execute("SET GLOBAL super_read_only = OFF")
        expect_red(ask_all(servers), "writable", "db2")
        up(instance)
        assert closed(servers) == ["db2"]


def test_the_other_one_takes_over_under_load_and_nothing_is_lost(instance: str) -> None:
    with connected(instance) as servers, Writer(servers["db1"], servers["db2"]) as writer:
        writer.wait_for(50)
        up(instance, ACTIVE="db2")
        writer.wait_for(50)
        written = writer.stop()
        assert writer.missing_on(servers["db1"]) == writer.missing_on(servers["db2"]) == set()
        # The ids are in the order of the writes: never was one taken by both sides in turn.
        sources = [writer.acknowledged[id_] for id_ in sorted(written)]
        assert sources == sorted(sources)
        assert set(sources) == {"db1", "db2"}
        assert closed(servers) == ["db1"]


def test_one_that_cannot_catch_up_is_not_opened(instance: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "CATCH_UP_S", 2)
    with connected(instance) as servers:
        up(instance, ACTIVE="db2")
        topology = Instance(instance).topology()
        up(instance, ACTIVE="db1")
        servers.topology = topology  # asks for db2 to become the active one
        with servers["db2"].connection("admin") as held, held.cursor() as cursor:
            cursor.execute("FLUSH TABLES WITH READ LOCK")
            servers["db1"].execute("CREATE SCHEMA IF NOT EXISTS late")
            with pytest.raises(UsageError, match="waited 2 s for db2 to catch up with db1"):
                hand_over(servers)
            cursor.execute("UNLOCK TABLES")
        assert closed(servers) == ["db1", "db2"]
        # What was interrupted goes on, or back, by one more up.
        up(instance, ACTIVE="db2")
        assert closed(servers) == ["db1"]
        expect_green(servers)


def test_all_of_them_can_be_open_again(instance: str) -> None:
    up(instance, ACTIVE="all")
    with connected(instance) as servers:
        assert closed(servers) == []
        expect_green(servers)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"ACTIVE": "db9"}, "active=db9 is none of the sources db1, db2"),
        ({"SOURCES": "1"}, "sources=1 leaves nobody to replicate from"),
        ({"SOURCES": "99"}, "sources=99 is not a number from 0 to 9"),
        ({"REBUILD": "db1"}, "REBUILD=db1 would replace a source's data"),
    ],
)
def test_nonsense_is_one_line(instance: str, options: dict[str, str], reason: str) -> None:
    done = wavetank("up", INSTANCE=instance, **options)
    assert done.returncode == 2
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_third_source_joins_with_a_replica_each_and_gets_all_there_is(bring_up: Callable[..., str]) -> None:
    name = bring_up(own("ring"), TOPOLOGY="master-master", SEMI_SYNC=1)
    assert wavetank("load", "1000", INSTANCE=name).returncode == 0
    up(name, SOURCES=3, REPLICAS=1)
    with connected(name) as servers:
        expect_green(servers)
        assert [node.name for node in servers.topology.peers] == ["db1", "db2", "db3"]
        for number, node in enumerate(servers.topology.peers, start=1):
            found = servers[node.name].query("SELECT @@auto_increment_increment AS n, @@auto_increment_offset AS k")
            assert found == [{"n": 3, "k": number}]
            replicas = servers.topology.replicas_of(node)
            assert len([replica for replica in replicas if not replica.peer]) == 1
        orders = {servers[node.name].value("SELECT COUNT(*) FROM shop.orders", account="app_ro")
                  for node in servers.topology.nodes}  # fmt: skip
        assert orders == {1000}
