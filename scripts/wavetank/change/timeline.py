"""What has been done, and when: the steps that a change tells of."""

import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Step:
    """One thing done, and how many seconds after the beginning."""

    what: str
    at_s: float


@dataclass
class Timeline:
    """What has been done, and when."""

    steps: list[Step] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic, repr=False)

    def add(self, what: str) -> None:
        """Note that something has been done just now."""
        self.steps.append(Step(what, round(time.monotonic() - self._started, 3)))
