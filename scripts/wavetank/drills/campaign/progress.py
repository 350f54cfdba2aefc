"""How far a campaign is, and how long it is still likely to take."""

import statistics
from collections.abc import Sequence

from wavetank.drills.campaign.drawing import Storm
from wavetank.drills.campaign.results import Result

# What a storm takes as long as none of its drill is over, in seconds.
USUAL_S = 25.0


class Progress:
    """The storms that are over and those that wait."""

    def __init__(self, done: Sequence[Result], waiting: Sequence[Storm], jobs: int) -> None:
        """Begin with what an earlier run has done; `jobs` storms run side by side."""
        self._took: dict[str, list[float]] = {}
        for result in done:
            self._note(result)
        self._waiting = {storm.number: storm for storm in waiting}
        self._total = len(done) + len(waiting)
        self._jobs = jobs

    def _note(self, result: Result) -> None:
        self._took.setdefault(result.storm.drill, []).append(result.seconds)

    def line(self, result: Result) -> str:
        """Note that a storm is over; return the line that says so."""
        self._note(result)
        self._waiting.pop(result.storm.number, None)
        over = self._total - len(self._waiting)
        left = f"about {self.left_s() / 60:.0f} min left" if self._waiting else "the last one"
        return f"{over:>4} of {self._total}  {result.storm.number:>4}  {result.storm.title}: {in_words(result)}; {left}"

    def left_s(self) -> float:
        """Return how many seconds are left, by the medians of the drills so far."""
        return sum(self._usual_s(storm.drill) for storm in self._waiting.values()) / self._jobs

    def _usual_s(self, drill: str) -> float:
        return statistics.median(self._took[drill]) if drill in self._took else USUAL_S


def in_words(result: Result) -> str:
    """Return what came of a storm, in a few words."""
    said = ["passed" if result.passed else "FAILED: " + "; ".join(result.failures)]
    if result.refused:
        said.append("refused to go on")
    if result.writes_s is not None:
        said.append(f"{'at least ' * result.unfinished}{result.writes_s:.3f} s without a write")
    if result.lost:
        said.append(f"{result.lost} lost")
    return ", ".join(said)
