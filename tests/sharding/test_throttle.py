"""A replica that does not come along holds the copying back, until it does."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from appliers import held_back
from wavetank.servers.node import Server, Servers
from wavetank.sharding.reshard.copying import Throttle

pytestmark = pytest.mark.group("four-shard")
BOUND_S, HELD_S = 0.5, 1.0
TIMEOUT_S = 30


@pytest.fixture
def source(servers: Servers) -> Server:
    return servers[servers.topology.shard(1).source.name]


@pytest.fixture
def replica(servers: Servers) -> Server:
    return servers[servers.topology.shard(1).replicas[0].name]


def begun(source: Server, replica: Server) -> Throttle:
    """Return a throttle that has been asked once, right after a write and longer ago than its bound."""
    throttle = Throttle(source, [replica], BOUND_S)
    source.execute("CREATE TABLE shop_1.throttled (id INT PRIMARY KEY)", "DROP TABLE shop_1.throttled")
    throttle.wait()
    source.execute(f"DO SLEEP({BOUND_S})")
    return throttle


def test_a_replica_that_comes_along_holds_nobody_back(source: Server, replica: Server) -> None:
    throttle = begun(source, replica)
    throttle.wait()
    assert throttle.waited_s < HELD_S


def test_a_replica_that_lags_holds_the_copying_back(servers: Servers, source: Server, replica: Server) -> None:
    with ThreadPoolExecutor(1) as pool, held_back(servers, replica.name):
        throttle = begun(source, replica)
        asked = pool.submit(throttle.wait)
        with pytest.raises(TimeoutError):
            asked.result(HELD_S)
    asked.result(TIMEOUT_S)
    assert throttle.waited_s >= HELD_S
