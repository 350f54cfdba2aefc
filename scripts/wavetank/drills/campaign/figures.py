"""The results of a campaign in figures, by drill and in all. Pure: asks nobody."""

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from wavetank.drills.campaign.results import Result

ALL = "all storms"
PERCENTILE = 99


@dataclass(frozen=True)
class Spread:
    """Outages in seconds: the median, the 99th percentile by the nearest-rank method, and the worst one."""

    median: float
    p99: float
    worst: float


@dataclass(frozen=True)
class Figures:
    """What came of some storms.

    Attributes:
        name: which ones.
        storms: how many.
        passed: how many of them a verdict found nothing wrong with.
        second: how many were hit by a second fault.
        refused: in how many the command that mends refused to.
        writes_s: the spread of the longest times without an acknowledged write, None without any.
        reads_s: the same of reads.
        unfinished: how many outages of writes had not ended with the traffic; they are at least as long as they say.
        acknowledged: how many writes were.
        lost: how many of them were not there afterwards.
        failures: what was wrong, and how often.
    """

    name: str
    storms: int
    passed: int
    second: int
    refused: int
    writes_s: Spread | None
    reads_s: Spread | None
    unfinished: int
    acknowledged: int
    lost: int
    failures: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return asdict(self)


def spread(values: Sequence[float]) -> Spread | None:
    """Return the spread of some outages, None of none.

    Source of the 99th percentile: the nearest-rank method, the smallest value that 99 % of all are not above.
    """
    if not values:
        return None
    ordered = sorted(values)
    rank = math.ceil(len(ordered) * PERCENTILE / 100)
    return Spread(round(statistics.median(ordered), 3), ordered[rank - 1], ordered[-1])


def summed_up(results: Sequence[Result]) -> list[Figures]:
    """Return the figures of each drill, in the order of their names, and then those of all."""
    by_drill: dict[str, list[Result]] = {}
    for result in results:
        by_drill.setdefault(result.storm.drill, []).append(result)
    return [*(_figures(name, by_drill[name]) for name in sorted(by_drill)), _figures(ALL, results)]


def _figures(name: str, results: Sequence[Result]) -> Figures:
    return Figures(
        name=name,
        storms=len(results),
        passed=sum(result.passed for result in results),
        second=sum(bool(result.storm.second) for result in results),
        refused=sum(bool(result.refused) for result in results),
        writes_s=spread([result.writes_s for result in results if result.writes_s is not None]),
        reads_s=spread([result.reads_s for result in results if result.reads_s is not None]),
        unfinished=sum(result.unfinished for result in results),
        acknowledged=sum(result.acknowledged for result in results),
        lost=sum(result.lost for result in results),
        failures=dict(Counter(failure for result in results for failure in result.failures)),
    )
