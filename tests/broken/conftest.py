"""Two instances to damage: one asynchronous, one semi-synchronous, each with two replicas."""

from collections.abc import Callable, Iterator

import pytest
from commands import own
from wavetank.instance import Instance
from wavetank.node import Servers
from wavetank.topology import Topology


@pytest.fixture(scope="session")
def servers(bring_up: Callable[..., str]) -> Iterator[Servers]:
    """The asynchronous instance, with a little data."""
    with Servers(_topology(bring_up(own("broken")))) as servers:
        servers["db1"].execute(
            "CREATE SCHEMA IF NOT EXISTS shop",
            "CREATE TABLE shop.proof (id INT PRIMARY KEY, word VARCHAR(20) NULL)",
            "INSERT INTO shop.proof VALUES (1, 'one'), (2, 'two'), (3, NULL)",
        )
        yield servers


@pytest.fixture(scope="session")
def semi_sync_servers(bring_up: Callable[..., str]) -> Iterator[Servers]:
    """The semi-synchronous instance."""
    with Servers(_topology(bring_up(own("semi"), SEMI_SYNC=1))) as servers:
        yield servers


def _topology(instance: str) -> Topology:
    return Instance(instance).topology()
