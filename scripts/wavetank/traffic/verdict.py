"""What clients lost, waited for and saw, from their log and from what the servers hold. Pure: asks nobody."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from wavetank.traffic.log import READ, WRITE, Operation, OperationLog

# Ids that a sentence names; the report has all of them.
EXAMPLES = 5


@dataclass(frozen=True)
class Outage:
    """The longest time without an acknowledged operation of a kind; `began_s` is the last one before it."""

    seconds: float
    began_s: float


@dataclass(frozen=True)
class Verdict:
    """What came of the operations.

    Attributes:
        writes: the longest time without an acknowledged write from the storm on (RTO), None without any write.
        reads: the same of reads.
        worst_client: the same of the writes of the one client that had to wait longest.
        acknowledged: how many writes were.
        lost: acknowledged writes that the source does not hold afterwards (RPO).
        duplicates: writes that it holds more than once.
        late_takers: writes that a server acknowledged after another one had begun to: two sides took writes.
        unexpected: rows that no client sent.
        stale_reads: reads that saw less than their session had been acknowledged before.
        oldest_stale_s: by how many seconds the oldest of them was behind.
        uncertain: failed writes that are there all the same, as they may.
        errors: failed operations by their kind and reason.
    """

    writes: Outage | None
    reads: Outage | None
    acknowledged: int
    worst_client: Outage | None = None
    lost: tuple[int, ...] = ()
    duplicates: tuple[int, ...] = ()
    late_takers: tuple[int, ...] = ()
    unexpected: tuple[int, ...] = ()
    stale_reads: int = 0
    oldest_stale_s: float = 0.0
    uncertain: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return asdict(self)


def judge(log: OperationLog, held: Sequence[int], storm_s: float) -> Verdict:
    """Return the verdict on a log.

    Args:
        log: every operation that a client sent, before and after the storm.
        held: the ids of the rows that the source holds afterwards, as often as it does.
        storm_s: when the storm began, in seconds of the monotonic clock.
    """
    writes = log.all(WRITE)
    acknowledged = [each for each in writes if each.acknowledged]
    times = Counter(held)
    sent = {each.id for each in writes}
    failed = {each.id for each in writes if not each.acknowledged}
    stale = [age_s for age_s in _stale_ages(log) if age_s > 0]
    return Verdict(
        writes=longest_outage(acknowledged, storm_s),
        reads=longest_outage([each for each in log.all(READ) if each.acknowledged], storm_s),
        acknowledged=len(acknowledged),
        worst_client=_worst_client(acknowledged, storm_s),
        lost=tuple(sorted(each.id for each in acknowledged if not times[each.id])),
        duplicates=tuple(sorted(id_ for id_, count in times.items() if count > 1)),
        late_takers=tuple(_late_takers(acknowledged)),
        unexpected=tuple(sorted(times.keys() - sent)),
        stale_reads=len(stale),
        oldest_stale_s=round(max(stale, default=0.0), 3),
        uncertain=sum(id_ in times for id_ in failed),
        errors=dict(Counter(f"{each.kind}: {each.error}" for each in log.all() if each.error)),
    )


def longest_outage(acknowledged: Sequence[Operation], storm_s: float) -> Outage | None:
    """Return the longest time between two acknowledgements of which the second is after the storm."""
    ends = sorted(each.done_s for each in acknowledged)
    gaps = [Outage(round(after - before, 3), before) for before, after in itertools.pairwise(ends) if after >= storm_s]
    return max(gaps, key=lambda gap: gap.seconds, default=None)


def _worst_client(acknowledged: Sequence[Operation], storm_s: float) -> Outage | None:
    """Return the longest outage of any one client; one that was never served again is not in it."""
    mine: dict[int, list[Operation]] = defaultdict(list)
    for each in acknowledged:
        mine[each.client].append(each)
    outages = [outage for writes in mine.values() if (outage := longest_outage(writes, storm_s))]
    return max(outages, key=lambda outage: outage.seconds, default=None)


def _late_takers(acknowledged: Sequence[Operation]) -> list[int]:
    """Return the writes that were sent to a server after another one, which took over, had acknowledged one.

    Who takes over is who acknowledged for the first time last; a write that was under way then is no second side.
    """
    firsts: dict[str, float] = {}
    for each in sorted(acknowledged, key=lambda each: each.done_s):
        firsts.setdefault(each.server, each.done_s)
    order = sorted(firsts, key=lambda server: firsts[server])
    return sorted(
        each.id
        for each in acknowledged
        for later in order[order.index(each.server) + 1 :][:1]
        if each.sent_s > firsts[later]
    )


def _stale_ages(log: OperationLog) -> list[float]:
    """Return by how much each read was behind: the age of the oldest own write that it should have seen."""
    writes: dict[int, list[Operation]] = defaultdict(list)
    for each in log.all(WRITE):
        if each.acknowledged:
            writes[each.client].append(each)
    ages = []
    for read in log.all(READ):
        unseen = [each for each in writes[read.client] if each.id > read.id and each.done_s <= read.sent_s]
        if read.acknowledged and unseen:
            ages.append(read.sent_s - min(each.done_s for each in unseen))
    return ages


def failures(verdict: Verdict, *, may_lose: bool) -> list[str]:
    """Return what no drill may end with, a sentence each; `may_lose` where replication promises nothing."""
    found = []
    if verdict.writes is None:
        found.append("no write was acknowledged after the storm")
    if verdict.lost and not may_lose:
        found.append(f"{_count(verdict.lost)} acknowledged and lost")
    if verdict.duplicates:
        found.append(f"{_count(verdict.duplicates)} there more than once")
    if verdict.late_takers:
        found.append(f"{_count(verdict.late_takers)} taken by a server that another one had replaced")
    if verdict.unexpected:
        found.append(f"{_count(verdict.unexpected)} there that nobody sent")
    return found


def _count(ids: Sequence[int]) -> str:
    examples = ", ".join(map(str, ids[:EXAMPLES])) + (", ..." if len(ids) > EXAMPLES else "")
    return f"{len(ids)} write{'s' * (len(ids) > 1)} ({examples})"
