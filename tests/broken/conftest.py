"""Instances to damage: one a module of tests/damages/, and a semi-synchronous one."""

import contextlib
from collections.abc import Callable, Iterator

import pytest
from commands import own
from damages import DATA, instances
from wavetank.instance import Instance
from wavetank.node import Servers


@pytest.fixture(scope="session")
def damaged(bring_up: Callable[..., str]) -> Iterator[Callable[[str], Servers]]:
    """Return what brings the instance of a module of damages up, with a little data, when it is first asked for."""
    there: dict[str, Servers] = {}
    with contextlib.ExitStack() as stack:

        def get(module: str) -> Servers:
            if module not in there:
                name = bring_up(own(f"broken-{module.replace('_', '-')}"), **instances()[module].OPTIONS)
                there[module] = stack.enter_context(Servers(Instance(name).topology()))
                there[module][there[module].topology.sources[0].name].execute(*DATA)
            return there[module]

        yield get


@pytest.fixture(scope="session")
def servers(damaged: Callable[[str], Servers]) -> Servers:
    """The asynchronous source with two replicas."""
    return damaged("master_slave")


@pytest.fixture(scope="session")
def semi_sync_servers(bring_up: Callable[..., str]) -> Iterator[Servers]:
    """The semi-synchronous instance."""
    with Servers(Instance(bring_up(own("semi"), SEMI_SYNC=1)).topology()) as servers:
        yield servers
