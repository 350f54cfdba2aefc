"""How stale each server's answers were, and how far it was behind, from the clients' log. Pure: asks nobody."""

from collections.abc import Sequence
from typing import Literal

from wavetank.drills.traffic.lag import Seen, lags
from wavetank.drills.traffic.log import READ, WRITE, Operation, OperationLog
from wavetank.drills.traffic.verdict import stale_reads


def stale_by_server(log: OperationLog, storm_s: float) -> dict[str, tuple[int, int, float]]:
    """Return of each server how many reads it answered from the storm on, how many of them stale, and the oldest's age.

    The age is in seconds; see Verdict.oldest_stale_s.
    """
    reads = [each for each in log.all(READ) if each.acknowledged and each.sent_s >= storm_s]
    stale = list(stale_reads([*log.all(WRITE), *reads], lost=set()))
    found = {}
    for server in sorted({each.server for each in reads}):
        behind = [each.behind_s for each in stale if each.read.server == server]
        answered = sum(each.server == server for each in reads)
        found[server] = (answered, len(behind), round(max(behind, default=0.0), 3))
    return found


def most_behind(seen: Sequence[Seen], log: OperationLog, from_s: float) -> dict[str, float]:
    """Return by how many seconds each server was behind at most, from a moment of the monotonic clock on."""
    found = lags(seen, log.all(WRITE))
    return {name: max((lag.behind_s for lag in found[name] if lag.at_s >= from_s), default=0.0) for name in found}


def per_second(operations: Sequence[Operation], kind: Literal["write", "read"], from_s: float, to_s: float) -> float:
    """Return how many operations of a kind were acknowledged in a second, within a span of the monotonic clock."""
    done = sum(each.acknowledged and each.kind == kind and from_s <= each.done_s < to_s for each in operations)
    return done / max(to_s - from_s, 1e-9)
