"""Instances to damage: one a module of tests/damages/, and a semi-synchronous one that sources are moved in."""

import contextlib
from collections.abc import Callable, Iterator

import pytest
from commands import own
from damages import DATA, expect_green, instances, lane_of
from mending import mend, wait_for_green
from wavetank.servers.node import Server, Servers
from wavetank.topology.instance import Instance


@pytest.fixture(scope="module")
def damaged(bring_up: Callable[..., str]) -> Iterator[Callable[[str], Servers]]:
    """Return what brings the instance of a module of damages up, with a little data, when it is first asked for."""
    there: dict[str, Servers] = {}
    with contextlib.ExitStack() as stack:

        def get(module: str) -> Servers:
            if module not in there:
                damages = instances()[module]
                name = bring_up(own(lane_of(module)), **damages.OPTIONS)
                there[module] = stack.enter_context(Servers(Instance(name).topology()))
                there[module][there[module].topology.sources[0].name].execute(*DATA, *getattr(damages, "MORE", ()))
            return there[module]

        yield get


@pytest.fixture(scope="module")
def servers(damaged: Callable[[str], Servers]) -> Servers:
    """The asynchronous source with two replicas."""
    return damaged("master_slave")


@pytest.fixture(scope="module")
def changing(bring_up: Callable[..., str]) -> str:
    """A semi-synchronous source with two replicas; who is the source changes."""
    return bring_up(own("change"), SEMI_SYNC=1)


@pytest.fixture
def proxied(damaged: Callable[[str], Servers]) -> Iterator[Servers]:
    """An instance behind ProxySQL, whole before and after."""
    servers = damaged("proxysql")
    expect_green(servers)
    yield servers
    mend(servers)
    wait_for_green(servers)


@pytest.fixture
def through(proxied: Servers) -> Server:
    """What leads through the proxy."""
    return proxied[proxied.topology.proxies[0].name]
