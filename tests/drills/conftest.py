"""Sources that replicate from each other, for storms: two of them, and three."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest
from commands import own
from wavetank.servers.node import Servers
from wavetank.servers.replication import channels_of
from wavetank.topology.instance import Instance
from wavetank.waiting import wait_until

Diverge = Callable[[Servers, Mapping[str, Sequence[str]]], None]


def _servers(instance: str) -> Iterator[Servers]:
    with Servers(Instance(instance).topology()) as servers:
        yield servers


@pytest.fixture(scope="module")
def pair(bring_up: Callable[..., str]) -> Iterator[Servers]:
    """Two sources."""
    yield from _servers(bring_up(own("conflict"), TOPOLOGY="master-master"))


@pytest.fixture(scope="module")
def three(bring_up: Callable[..., str]) -> Iterator[Servers]:
    """Three sources, each of which replicates from the two others."""
    yield from _servers(bring_up(own("conflict-3"), TOPOLOGY="master-master", SOURCES=3))


@pytest.fixture
def settle() -> Callable[[Servers], None]:
    """Return what waits until all servers have executed the same."""

    def wait(servers: Servers) -> None:
        def equal() -> bool:
            names = [node.name for node in servers.topology.nodes]
            return len({servers[name].value("SELECT @@GLOBAL.gtid_executed") for name in names}) == 1

        wait_until("the same transactions on all servers", equal, timeout_s=30, interval_s=0.05)

    return wait


@pytest.fixture
def diverge() -> Diverge:
    """Return what lets each server execute its statements before it hears of the others'."""

    def write(servers: Servers, statements: Mapping[str, Sequence[str]]) -> None:
        for name in statements:
            servers[name].execute("STOP REPLICA")
        for name, each in statements.items():
            servers[name].execute(*each)
        for name in statements:
            servers[name].execute(*(f"START REPLICA FOR CHANNEL '{each}'" for each in channels_of(servers[name])))

    return write
