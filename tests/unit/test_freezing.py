"""A container that cannot be frozen at once is asked again, and no other refusal is passed over."""

import docker.errors
import pytest
from wavetank.errors import WaitedInVain
from wavetank.machine import containers

RACE = "Cannot pause container 4c: OCI runtime pause failed: unable to freeze: unknown"


class Reluctant:
    """A container that refuses to freeze so many times."""

    def __init__(self, times: int, reason: str) -> None:
        self.times, self.reason, self.asked = times, reason, 0

    def pause(self) -> None:
        self.asked += 1
        if self.asked <= self.times:
            raise docker.errors.APIError(self.reason)


def freeze(container: Reluctant, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = type("Engine", (), {"containers": type("Known", (), {"get": staticmethod(lambda _name: container)})})
    monkeypatch.setattr(containers, "_client", lambda: engine)
    containers.pause("db1")


def test_what_the_runtime_leaves_to_its_caller_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    container = Reluctant(2, RACE)
    freeze(container, monkeypatch)
    assert container.asked == 3


def test_it_is_not_tried_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "FREEZE_S", 0.2)
    with pytest.raises(WaitedInVain, match=r"waited 0.2 s for db1 to freeze"):
        freeze(Reluctant(1000, RACE), monkeypatch)


def test_another_refusal_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    container = Reluctant(1, "Container 4c is not running")
    with pytest.raises(docker.errors.APIError, match="is not running"):
        freeze(container, monkeypatch)
    assert container.asked == 1
