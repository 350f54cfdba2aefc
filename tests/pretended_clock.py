"""A clock that goes on while somebody waits, however busy the machine is: no wait ends too soon because of that."""

import time

import pytest

TICK_S = 1e-6


class Clock:
    """The time, and for how long each wait slept."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.naps: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds

    def monotonic(self) -> float:
        # What takes no time is divided by its time all the same.
        self.now += TICK_S
        return self.now

    @classmethod
    def instead(cls, monkeypatch: pytest.MonkeyPatch) -> "Clock":
        """Put one in the place of the machine's own."""
        clock = cls()
        monkeypatch.setattr(time, "sleep", clock.sleep)
        monkeypatch.setattr(time, "monotonic", clock.monotonic)
        return clock
