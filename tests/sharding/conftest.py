"""Two shards, each with a replica, which tests/live/ has too, and a client of them."""

from collections.abc import Callable, Iterator

import pytest
from commands import own
from sharding.mover import Mover
from sharding.rows import customers_of
from wavetank.client.shards import Shards, connect
from wavetank.drills.traffic.proxied import ProxiedShards
from wavetank.servers.node import Connection, Servers
from wavetank.topology.instance import Instance


@pytest.fixture(scope="module")
def servers(bring_up: Callable[..., str]) -> Iterator[Servers]:
    """The servers themselves, to see from behind what a client did."""
    name = bring_up(own("four-shard"), TOPOLOGY="four-shard", SHARDS=2)
    with Servers(Instance(name).topology()) as servers:
        yield servers


@pytest.fixture
def shards(servers: Servers) -> Iterator[Shards]:
    with connect(servers.instance.name) as shards:
        yield shards


@pytest.fixture
def proxied(shards: Shards, servers: Servers) -> Iterator[ProxiedShards]:
    """The shards as through a proxy that has led each session to the source of its shard."""

    def opener(number: int) -> Connection:
        shard = servers.topology.shard(number)
        return servers[shard.source.name].connect("app_rw", 5, database=shard.schema)

    proxied = ProxiedShards(shards, servers.instance.name, opener)
    yield proxied
    proxied.close()


@pytest.fixture(params=["shards", "proxied"])
def client(request: pytest.FixtureRequest) -> Shards | ProxiedShards:
    """Who writes: by the client library, or without it and by what the page says."""
    found: Shards | ProxiedShards = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def pair(shards: Shards) -> tuple[int, int]:
    """A new customer on each shard."""
    first, second = customers_of(shards, 1), customers_of(shards, 2)
    return first, second


@pytest.fixture
def mover(servers: Servers) -> Iterator[Mover]:
    mover = Mover(servers)
    yield mover
    mover.go_back()
