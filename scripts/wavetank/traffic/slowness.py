"""How long clients waited, and how stale each server's answers were, from their log. Pure: asks nobody."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from wavetank.traffic.lag import Seen, lags
from wavetank.traffic.log import READ, WRITE, Operation, OperationLog
from wavetank.traffic.verdict import judge


@dataclass(frozen=True)
class Waits:
    """How long acknowledged operations took, in seconds: `median_s`, `slowest_s`, the 99th percentile and `count`."""

    count: int
    median_s: float
    p99_s: float
    slowest_s: float

    def __str__(self) -> str:
        """Say it in milliseconds."""
        return (
            f"median {self.median_s * 1000:.0f} ms, 99th percentile {self.p99_s * 1000:.0f} ms, "
            f"slowest {self.slowest_s * 1000:.0f} ms"
        )


def waits(operations: Sequence[Operation], from_s: float, to_s: float) -> Waits | None:
    """Return how long the acknowledged of these took that were sent in a span of the monotonic clock; None for none."""
    sent = [each for each in operations if each.acknowledged and from_s <= each.sent_s < to_s]
    took = sorted(each.done_s - each.sent_s for each in sent)
    if not took:
        return None
    return Waits(len(took), statistics.median(took), took[min(len(took) - 1, len(took) * 99 // 100)], took[-1])


def stale_by_server(log: OperationLog, storm_s: float) -> dict[str, tuple[int, int, float]]:
    """Return of each server how many reads it answered from the storm on, how many of them stale, and the oldest's age.

    The age is in seconds; see Verdict.oldest_stale_s.
    """
    reads = [each for each in log.all(READ) if each.acknowledged and each.sent_s >= storm_s]
    found = {}
    for server in sorted({each.server for each in reads}):
        answered = [each for each in reads if each.server == server]
        verdict = judge(OperationLog([*log.all(WRITE), *answered]), (), storm_s)
        found[server] = (len(answered), verdict.stale_reads, verdict.oldest_stale_s)
    return found


def most_behind(seen: Sequence[Seen], log: OperationLog, from_s: float) -> dict[str, float]:
    """Return by how many seconds each server was behind at most, from a moment of the monotonic clock on."""
    found = lags(seen, log.all(WRITE))
    return {name: max((lag.behind_s for lag in found[name] if lag.at_s >= from_s), default=0.0) for name in found}


def per_second(operations: Sequence[Operation], kind: Literal["write", "read"], from_s: float, to_s: float) -> float:
    """Return how many operations of a kind were acknowledged in a second, within a span of the monotonic clock."""
    done = sum(each.acknowledged and each.kind == kind and from_s <= each.done_s < to_s for each in operations)
    return done / max(to_s - from_s, 1e-9)
