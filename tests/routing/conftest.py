"""One instance to route over: a source with two replicas."""

import contextlib
from collections.abc import Callable, Iterator

import pytest
from commands import own
from wavetank.client.splitting import Router, router_of
from wavetank.servers.node import Servers
from wavetank.topology.instance import Instance
from wavetank.waiting import wait_until

MakeRouter = Callable[..., Router]


@pytest.fixture(scope="module")
def servers(bring_up: Callable[..., str]) -> Iterator[Servers]:
    """The servers themselves, to see from behind what was routed."""
    with Servers(Instance(bring_up(own("routing"))).topology()) as servers:
        yield servers


@pytest.fixture
def make_router(servers: Servers) -> Iterator[MakeRouter]:
    """Return a function that makes a router of the instance, so many of whose replicas get reads."""
    with contextlib.ExitStack() as stack:

        def make(replicas: int = 2, **options: object) -> Router:
            router = stack.enter_context(router_of(servers.instance, **options))  # type: ignore[arg-type]
            wait_until("the replicas", lambda: len(router.replicas), good=lambda count: count == replicas, timeout_s=20)
            return router

        yield make
