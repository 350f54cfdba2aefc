"""An instance with a source a shard: the one that is gone is replaced, and no other."""

from collections.abc import Iterator

import pytest
from commands import wavetank
from mending import up_unless_green
from wavetank import containers
from wavetank.errors import UsageError
from wavetank.failover import fail_over
from wavetank.failover_log import FailoverLog
from wavetank.instance import Instance
from wavetank.node import Servers
from wavetank.switchover import switch_over

pytestmark = pytest.mark.group("four-shard")


@pytest.fixture
def changing(servers: Servers) -> Iterator[Servers]:
    """The instance in order, whoever is a source by now, and with no failover a moment ago."""
    name = servers.topology.instance
    FailoverLog(Instance(name)).forget()
    with Servers(Instance(name).topology()) as now:
        yield now
    up_unless_green(name)


def sources(servers: Servers) -> list[str]:
    return [node.name for node in Instance(servers.topology.instance).topology().sources]


def kill(servers: Servers, *names: str) -> None:
    for name in names:
        containers.kill(servers.topology.container(servers.topology.node(name)))


def test_a_switchover_of_one_shard_leaves_the_other(changing: Servers) -> None:
    first, second = sources(changing)
    (replica,) = changing.topology.replicas_of(changing.topology.node(second))
    switch_over(changing, replica.name)
    assert sorted(sources(changing)) == sorted([first, replica.name])


def test_of_several_sources_the_one_that_is_gone_is_replaced(changing: Servers) -> None:
    first, second = sources(changing)
    (replica,) = changing.topology.replicas_of(changing.topology.node(second))
    kill(changing, second)
    done = wavetank("failover", INSTANCE=changing.topology.instance)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{replica.name} is the source instead of {second}" in done.stdout
    assert sorted(sources(changing)) == sorted([first, replica.name])


def test_where_several_are_gone_it_must_be_said_which(changing: Servers) -> None:
    first, second = sources(changing)
    kill(changing, first, second)
    with pytest.raises(UsageError, match=f"{first}, {second} do not answer: NODE= says which one to replace"):
        fail_over(changing)
    assert fail_over(changing, first).old == first
    # What is left to replace is not in doubt any more.
    assert fail_over(changing).old == second


def test_none_is_replaced_while_all_answer(changing: Servers) -> None:
    before = sources(changing)
    with pytest.raises(UsageError, match="all sources answer: make switchover TO= says which one to replace"):
        fail_over(changing)
    replica = changing.topology.replicas[0].name
    with pytest.raises(UsageError, match=f"{replica} is not a source, which {before[0]}, {before[1]} are"):
        fail_over(changing, replica)
    assert sources(changing) == before
