"""A ProxySQL that crashes as it starts is started again; one that refuses its configuration is not."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from wavetank.errors import UsageError
from wavetank.machine import containers
from wavetank.proxysql.runtime_state import STARTS_AGAIN, wait_for_proxysql
from wavetank.topology.model import Topology
from wavetank.topology.proxies import PROXYSQL, Proxy

if TYPE_CHECKING:
    from wavetank.servers.node import Servers

CRASHED, REFUSED = 139, 1


class Engine:
    """A container that exits so many times with this code before it stays; its administration opens first."""

    def __init__(self, times: int, code: int) -> None:
        self.left, self.code, self.starts = times, code, 1

    @property
    def running(self) -> bool:
        return self.starts > self.left

    def start(self, _name: str) -> None:
        self.starts += 1

    def get(self, _name: str) -> SimpleNamespace:
        state = {"Status": "running" if self.running else "exited", "ExitCode": 0 if self.running else self.code}
        return SimpleNamespace(attrs={"State": state}, status=state["Status"], start=lambda: self.start(""))


@pytest.fixture
def starting(
    make_topology: Callable[..., Topology], monkeypatch: pytest.MonkeyPatch
) -> Callable[[Engine], tuple[int, int]]:
    """Return what waits for a ProxySQL in such a container, and says how often it was started."""
    proxy = Proxy("proxy1", PROXYSQL, 6033, 6032, {})
    topology = make_topology(proxies=(proxy,))

    def wait(engine: Engine) -> tuple[int, int]:
        monkeypatch.setattr(containers, "_client", lambda: SimpleNamespace(containers=engine))
        monkeypatch.setattr(containers, "last_error", lambda _name: "its last words")
        answers = {
            proxy.side: SimpleNamespace(greets=lambda: True),
            proxy.name: SimpleNamespace(greets=lambda: engine.running),
        }
        servers: Servers = type("Pretended", (dict,), {"topology": topology})(answers)
        wait_for_proxysql(servers, proxy)
        return engine.starts, engine.left

    return wait


def test_one_that_crashes_is_started_again(starting: Callable[[Engine], tuple[int, int]]) -> None:
    assert starting(Engine(2, CRASHED)) == (3, 2)


def test_one_that_always_crashes_is_given_up(starting: Callable[[Engine], tuple[int, int]]) -> None:
    engine = Engine(1000, CRASHED)
    with pytest.raises(UsageError, match="proxy1 is not running: its last words"):
        starting(engine)
    assert engine.starts == 1 + STARTS_AGAIN


def test_one_that_refuses_its_configuration_is_not_started_again(
    starting: Callable[[Engine], tuple[int, int]],
) -> None:
    engine = Engine(1, REFUSED)
    with pytest.raises(UsageError, match="proxy1 is not running"):
        starting(engine)
    assert engine.starts == 1
