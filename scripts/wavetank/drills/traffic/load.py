"""What clients offer: when, how many of them, and how often."""

import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from wavetank.drills.traffic.log import WRITE


@dataclass(frozen=True)
class Load:
    """The traffic of a drill.

    Attributes:
        began_s: when the first operation was due, in seconds of the monotonic clock.
        ended_s: from when on nothing was due any more; what had been sent was still waited for.
        clients: how many wrote, and as many read, numbered from 1.
        writes_per_s: how many writes all of them together offered a second.
        reads_per_s: the same of reads.
    """

    began_s: float
    ended_s: float
    clients: int
    writes_per_s: float
    reads_per_s: float

    def __post_init__(self) -> None:
        """Refuse what no drill offers: it comes from a file.

        Raises:
            ValueError: there are no clients, or they offer nothing.
        """
        if self.clients < 1 or min(self.writes_per_s, self.reads_per_s) <= 0:
            raise ValueError("somebody offers something")

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return max(0.0, self.ended_s - self.began_s)

    def per_s(self, kind: Literal["write", "read"]) -> float:
        """Return how many operations of a kind were offered a second."""
        return self.writes_per_s if kind == WRITE else self.reads_per_s

    def period_s(self, kind: Literal["write", "read"]) -> float:
        """Return how many seconds lie between two operations of one client."""
        return self.clients / self.per_s(kind)


def ticks(per_s: float, over: threading.Event) -> Iterator[float]:
    """Yield, so often a second until it is over, when an operation is due: at that time, or later where one is late.

    Who was held up does the latest that is due and no other: to make up for what was missed would be a burst, another
    load than the one that is offered. What was missed had to wait all the same, and the latencies count it.
    """
    period_s, due_s = 1 / per_s, time.monotonic()
    while not over.is_set():
        yield due_s
        now_s = time.monotonic()
        due_s += period_s * max(1, math.floor((now_s - due_s) / period_s))
        over.wait(max(0.0, due_s - now_s))
