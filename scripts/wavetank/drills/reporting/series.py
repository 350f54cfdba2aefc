"""Operations counted over time: what a plot shows of them. Pure: asks nobody."""

import itertools
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from wavetank.drills.traffic.log import Operation

# A plot of a minute and one of ten seconds have about as many points.
MOST_BUCKETS = 80
_WIDTHS_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)

# A value at a time in seconds; None where there is none, so that a line has a gap there.
Points = list[tuple[float, float | None]]


@dataclass(frozen=True)
class Buckets:
    """Equal spans of time, in seconds since the storm.

    Attributes:
        first_s: where the first one begins.
        width_s: how long each is.
        count: how many there are.
        covered_s: from when to when there were operations: the outermost buckets may be covered in part only.
    """

    first_s: float
    width_s: float
    count: int
    covered_s: tuple[float, float]

    @property
    def middles_s(self) -> list[float]:
        """The middle of each, where a plot has its point."""
        return [round(self.first_s + (at + 0.5) * self.width_s, 3) for at in range(self.count)]

    def of(self, at_s: float) -> int:
        """Return which of them a time belongs to; what is outside of all belongs to the nearest."""
        return min(self.count - 1, max(0, math.floor((at_s - self.first_s) / self.width_s)))

    def is_whole(self, at: int) -> bool:
        """Return whether a bucket is covered from its beginning to its end."""
        begins_s = self.first_s + at * self.width_s
        return self.covered_s[0] <= begins_s and begins_s + self.width_s <= self.covered_s[1]


def buckets_of(operations: Sequence[Operation], storm_s: float) -> Buckets:
    """Return whole buckets that hold all operations; one edge is the storm, so that none is half before it."""
    first_s = min((each.done_s for each in operations), default=storm_s) - storm_s
    last_s = max((each.done_s for each in operations), default=storm_s) - storm_s
    width_s = next((width for width in _WIDTHS_S if (last_s - first_s) / width <= MOST_BUCKETS), _WIDTHS_S[-1])
    first = math.floor(first_s / width_s)
    return Buckets(round(first * width_s, 3), width_s, max(1, math.ceil(last_s / width_s) - first), (first_s, last_s))


def rate(operations: Iterable[Operation], buckets: Buckets, storm_s: float) -> Points:
    """Return how many operations a second ended in each bucket; half a bucket would look like half the rate."""
    counts = counted(operations, buckets, storm_s)
    return [
        (at_s, round((count or 0) / buckets.width_s, 3) if buckets.is_whole(at) else None)
        for at, (at_s, count) in enumerate(counts)
    ]


def counted(operations: Iterable[Operation], buckets: Buckets, storm_s: float) -> Points:
    """Return how many operations ended in each bucket."""
    counts = [0] * buckets.count
    for each in operations:
        counts[buckets.of(each.done_s - storm_s)] += 1
    return list(zip(buckets.middles_s, counts, strict=True))


def latencies_ms(
    operations: Iterable[Operation], buckets: Buckets, storm_s: float, percentiles: Sequence[float]
) -> Mapping[float, Points]:
    """Return percentiles of how long the operations that ended in each bucket took, in milliseconds."""
    took_ms: dict[int, list[float]] = defaultdict(list)
    for each in operations:
        took_ms[buckets.of(each.done_s - storm_s)].append(each.took_s * 1000)
    return {
        percent: [(at_s, percentile(took_ms[at], percent)) for at, at_s in enumerate(buckets.middles_s)]
        for percent in percentiles
    }


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Return the nearest-rank percentile, 50 being the median proper; None of nothing."""
    if not values:
        return None
    if percent == 50:  # noqa: PLR2004 - the median
        return statistics.median(values)
    return sorted(values)[max(0, math.ceil(percent / 100 * len(values)) - 1)]


def groups(times_s: Sequence[float], apart_s: float) -> list[list[int]]:
    """Return the positions of times that are so near to the one before that a plot can mark them only together."""
    found: list[list[int]] = []
    for before, at in itertools.pairwise((None, *range(len(times_s)))):
        if at is None:
            continue
        if before is None or times_s[at] - times_s[found[-1][0]] >= apart_s:
            found.append([])
        found[-1].append(at)
    return found
