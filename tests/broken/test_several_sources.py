"""An instance with a source a shard: the one that is gone is replaced, and no other."""

from collections.abc import Callable, Iterator

import pytest
from commands import own, wavetank
from mending import mend_unless_green
from wavetank.change.failover.run import fail_over
from wavetank.change.failover_log import FailoverLog
from wavetank.change.switchover import switch_over
from wavetank.errors import UsageError
from wavetank.machine import containers
from wavetank.servers.node import Servers
from wavetank.topology.instance import Instance

pytestmark = pytest.mark.group("four-shard")


@pytest.fixture(scope="module")
def brought(bring_up: Callable[..., str]) -> Iterator[str]:
    """Two shards, a source and a replica each; afterwards the sources are those of the inventory again."""
    name = bring_up(own("four-shard"), TOPOLOGY="four-shard", SHARDS=2)
    declared = [node.name for node in Instance(name).topology().sources]
    yield name
    for source in declared:
        with Servers(Instance(name).topology()) as servers:
            if not servers.topology.node(source).is_source:
                switch_over(servers, source)


@pytest.fixture
def servers(brought: str) -> Iterator[Servers]:
    """The instance in order, whoever is a source by now, and with no failover a moment ago."""
    FailoverLog(Instance(brought)).end_recovery_block()
    with Servers(Instance(brought).topology()) as servers:
        yield servers
    mend_unless_green(brought)


def sources(servers: Servers) -> list[str]:
    return [node.name for node in Instance(servers.topology.instance).topology().sources]


def kill(servers: Servers, *names: str) -> None:
    for name in names:
        containers.kill(servers.topology.container(servers.topology.node(name)))


def test_a_switchover_of_one_shard_leaves_the_other(servers: Servers) -> None:
    first, second = sources(servers)
    (replica,) = servers.topology.replicas_of(servers.topology.node(second))
    switch_over(servers, replica.name)
    assert sorted(sources(servers)) == sorted([first, replica.name])


def test_of_several_sources_the_one_that_is_gone_is_replaced(servers: Servers) -> None:
    first, second = sources(servers)
    (replica,) = servers.topology.replicas_of(servers.topology.node(second))
    kill(servers, second)
    done = wavetank("failover", INSTANCE=servers.topology.instance)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{replica.name} is the source instead of {second}" in done.stdout
    assert sorted(sources(servers)) == sorted([first, replica.name])


def test_where_several_are_gone_it_must_be_said_which(servers: Servers) -> None:
    first, second = sources(servers)
    kill(servers, first, second)
    with pytest.raises(UsageError, match=f"{first}, {second} do not answer: NODE= says which one to replace"):
        fail_over(servers)
    assert fail_over(servers, first).old == first
    # What is left to replace is not in doubt any more.
    assert fail_over(servers).old == second


def test_none_is_replaced_while_all_answer(servers: Servers) -> None:
    before = sources(servers)
    with pytest.raises(UsageError, match="all sources answer: make switchover TO= says which one to replace"):
        fail_over(servers)
    replica = servers.topology.replicas[0].name
    with pytest.raises(UsageError, match=f"{replica} is not a source, which {before[0]}, {before[1]} are"):
        fail_over(servers, replica)
    assert sources(servers) == before
