"""How long operations took from when they were due, without coordinated omission. Pure: asks nobody.

A client that waits sends nothing meanwhile, so that a second's stall would be one slow operation among hundreds of
fast ones. But operations were due in that second, and a user who had come then would have waited, too. So each one
counts from when it was due, and each one that was due while another one of its client was under way counts as well: it
waited until that one was done. Gil Tene calls what this mends "coordinated omission"; his histogram counts here.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from hdrh.histogram import HdrHistogram

# From a microsecond to an hour, with three significant digits.
_LEAST_US, _MOST_US, _DIGITS = 1, 3_600_000_000, 3
PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99_9": 99.9}
# Of an operation, by when it was due.
BEFORE, DURING, AFTER = "before", "during", "after"


@dataclass(frozen=True)
class Answered:
    """An operation that was acknowledged, or refused: when it was due, and when, in seconds of the monotonic clock."""

    due_s: float
    done_s: float


@dataclass(frozen=True)
class Latency:
    """How long operations took, in milliseconds: percentiles and the slowest; `count` with those that were missed."""

    count: int
    p50: float
    p90: float
    p99: float
    p99_9: float
    max: float

    def __str__(self) -> str:
        """Say it in a line."""
        return (
            f"p50 {self.p50:.1f} ms, p90 {self.p90:.1f} ms, p99 {self.p99:.1f} ms, "
            f"p99.9 {self.p99_9:.1f} ms, max {self.max:.1f} ms"
        )


def waited(operation: Answered, period_s: float) -> Iterator[Answered]:
    """Yield an operation, and those that were due while it was under way and were not sent."""
    due_s = operation.due_s
    yield operation
    while operation.done_s - (due_s := due_s + period_s) >= period_s:
        yield Answered(due_s, operation.done_s)


@dataclass(frozen=True)
class Spans:
    """The time of a drill: before its storm, from then until it was mended, and after."""

    storm_s: float
    mended_s: float

    def of(self, due_s: float) -> str:
        """Return in which of them something was due."""
        return BEFORE if due_s < self.storm_s else DURING if due_s < self.mended_s else AFTER


def latencies(operations: Iterable[Answered], period_s: float, spans: Spans) -> Mapping[str, Latency | None]:
    """Return how long the acknowledged operations of one kind took, by when they were due.

    `period_s` is how many seconds lie between two of one client.
    """
    took_us: dict[str, list[float]] = {BEFORE: [], DURING: [], AFTER: []}
    for operation in operations:
        for each in waited(operation, period_s):
            took_us[spans.of(each.due_s)].append((each.done_s - each.due_s) * 1e6)
    return {span: _latency(took) for span, took in took_us.items()}


def refusals(operations: Iterable[Answered], period_s: float, spans: Spans) -> Mapping[str, int]:
    """Return how many operations were due and not served, by when: the refused ones, and those missed meanwhile."""
    found = Counter(spans.of(each.due_s) for operation in operations for each in waited(operation, period_s))
    return {span: found[span] for span in (BEFORE, DURING, AFTER)}


def _latency(took_us: list[float]) -> Latency | None:
    if not took_us:
        return None
    histogram = HdrHistogram(_LEAST_US, _MOST_US, _DIGITS)
    for took in took_us:
        histogram.record_value(min(_MOST_US, max(_LEAST_US, round(took))))
    slowest_ms = max(took_us) / 1000
    # The histogram names the upper end of a bucket, which is beyond what any operation took.
    found = {
        name: round(min(slowest_ms, histogram.get_value_at_percentile(percent) / 1000), 3)
        for name, percent in PERCENTILES.items()
    }
    return Latency(len(took_us), **found, max=round(slowest_ms, 3))
