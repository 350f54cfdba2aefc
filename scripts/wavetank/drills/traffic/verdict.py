"""What clients lost, waited for and saw, from their log and from what the servers hold. Pure: asks nobody."""

import bisect
import itertools
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from wavetank.drills.traffic.availability import Availability, availability_failures, availability_of
from wavetank.drills.traffic.load import Load
from wavetank.drills.traffic.log import READ, WRITE, Operation
from wavetank.drills.traffic.promises import Promises, Thresholds

# Ids that a sentence names; the report has all of them.
EXAMPLES = 5


@dataclass(frozen=True)
class Verdict(Availability):
    """How clients were served, and what came of what they wrote.

    Attributes:
        lost: acknowledged writes that the source does not hold afterwards (RPO).
        held_known: whether it is known what the source holds; where not, nothing of it is in here.
        duplicates: writes that it holds more than once.
        split_brain_writes: what a server acknowledged after another one had begun to: two servers took writes.
        unexpected: rows that no client sent.
        stale_reads: reads that saw less than their session had been acknowledged before, and that is not lost.
        oldest_stale_s: by how many seconds the oldest of them was behind.
        forgotten: how many of them were answered by the very server that had acknowledged what they did not see.
        uncertain: failed writes that are there all the same, as they may.
    """

    lost: tuple[int, ...] = ()
    held_known: bool = True
    duplicates: tuple[int, ...] = ()
    split_brain_writes: tuple[int, ...] = ()
    unexpected: tuple[int, ...] = ()
    stale_reads: int = 0
    oldest_stale_s: float = 0.0
    forgotten: int = 0
    uncertain: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it; reports have always called the split-brain writes `late_takers`."""
        found = super().as_dict()
        return {"late_takers" if name == "split_brain_writes" else name: value for name, value in found.items()}


def judge(
    operations: Sequence[Operation], held: Sequence[int] | None, load: Load, storm_s: float, mended_s: float
) -> Verdict:
    """Return the verdict on a history.

    Args:
        operations: every operation that a client sent, or would have sent if there had been anybody to take it.
        held: the ids of the rows that the source holds afterwards, as often as it does; None where nobody knows.
        load: what the clients offered.
        storm_s: when the storm began, in seconds of the monotonic clock.
        mended_s: when it was mended.
    """
    writes = [each for each in operations if each.kind == WRITE]
    acknowledged = [each for each in writes if each.acknowledged]
    times = Counter(held or ())
    lost = set() if held is None else {each.id for each in acknowledged} - times.keys()
    stale = list(stale_reads(operations, lost))
    return Verdict(
        **vars(availability_of(operations, load, storm_s, mended_s)),
        lost=tuple(sorted(lost)),
        held_known=held is not None,
        duplicates=tuple(sorted(id_ for id_, count in times.items() if count > 1)),
        split_brain_writes=tuple(_split_brain_writes(acknowledged)),
        unexpected=tuple(sorted(times.keys() - {each.id for each in writes if each.id})),
        stale_reads=len(stale),
        oldest_stale_s=round(max((each.behind_s for each in stale), default=0.0), 3),
        forgotten=sum(each.forgotten for each in stale),
        uncertain=len({each.id for each in writes if not each.acknowledged} & times.keys()),
    )


def _split_brain_writes(acknowledged: Sequence[Operation]) -> list[int]:
    """Return the writes that were sent to a server after another one, which took over, had acknowledged one.

    Who takes over is who acknowledged for the first time last; a write that was under way then is no second side.
    """
    firsts: dict[str, float] = {}
    for each in sorted(acknowledged, key=lambda each: each.done_s):
        firsts.setdefault(each.server, each.done_s)
    order = sorted(firsts, key=lambda server: firsts[server])
    later = dict(itertools.pairwise(order))
    return sorted(each.id for each in acknowledged if each.server in later and each.sent_s > firsts[later[each.server]])


@dataclass(frozen=True)
class Stale:
    """A read that saw less than its client had been acknowledged before it was sent.

    Attributes:
        read: the read.
        behind_s: the age of the oldest own write that it should have seen, in seconds.
        forgotten: whether the server that answered had itself acknowledged such a write.
    """

    read: Operation
    behind_s: float
    forgotten: bool


def stale_reads(operations: Sequence[Operation], lost: set[int]) -> Iterator[Stale]:
    """Yield the stale ones of the reads; a lost write is lost, and nobody can see it."""
    written = [each for each in operations if each.kind == WRITE and each.acknowledged and each.id not in lost]
    of_client = _Since(written, lambda each: each.client)
    of_server = _Since(written, lambda each: (each.client, each.server))
    for read in operations:
        if read.kind == READ and read.acknowledged:
            since_s = of_client.oldest(read.client, read.id)
            if since_s < read.sent_s:
                here_s = of_server.oldest((read.client, read.server), read.id)
                yield Stale(read, read.sent_s - since_s, here_s < read.sent_s)


class _Since:
    """Since when writes were there to be seen, by whatever they are grouped by."""

    def __init__(self, writes: Sequence[Operation], group: Any) -> None:  # noqa: ANN401
        self._ids: dict[Hashable, list[int]] = defaultdict(list)
        self._ends: dict[Hashable, list[float]] = defaultdict(list)
        for each in sorted(writes, key=lambda each: each.id, reverse=True):
            ends = self._ends[group(each)]
            # Of this id and all higher ones, the first to be acknowledged.
            ends.append(min(each.done_s, ends[-1]) if ends else each.done_s)
            self._ids[group(each)].append(-each.id)

    def oldest(self, group: Hashable, newer_than: int) -> float:
        """Return when the first write with a higher id was acknowledged, infinity where there is none."""
        higher = bisect.bisect_left(self._ids.get(group, ()), -newer_than)
        return self._ends[group][higher - 1] if higher else float("inf")


def failures(verdict: Verdict, promises: Promises, thresholds: Thresholds) -> list[str]:
    """Return what the drill must not have ended with, a sentence each."""
    return [
        *_rows(verdict, promises, thresholds),
        *availability_failures(verdict, promises, thresholds),
        *_stale(verdict, promises),
    ]


def _rows(verdict: Verdict, promises: Promises, thresholds: Thresholds) -> Iterator[str]:
    if not verdict.held_known:
        yield "what the source holds is not known: nobody can say what is lost"
    if verdict.lost and not promises.may_lose:
        yield f"{_count(verdict.lost)} acknowledged and lost"
    if thresholds.lost is not None and len(verdict.lost) > thresholds.lost:
        yield f"{_count(verdict.lost)} acknowledged and lost, where at most {thresholds.lost} was demanded"
    if verdict.duplicates:
        yield f"{_count(verdict.duplicates)} there more than once"
    if verdict.split_brain_writes:
        yield f"{_count(verdict.split_brain_writes)} taken by a server that another one had replaced"
    if verdict.unexpected:
        yield f"{_count(verdict.unexpected)} there that nobody sent"


def _stale(verdict: Verdict, promises: Promises) -> Iterator[str]:
    if verdict.forgotten:
        yield f"{_reads(verdict.forgotten)} did not see what the server that answered had acknowledged itself"
    if promises.own_writes and verdict.stale_reads:
        yield (
            f"{_reads(verdict.stale_reads)} did not see what their client had been told is written, "
            f"at most {verdict.oldest_stale_s:.3f} s old"
        )


def _reads(count: int) -> str:
    return f"{count} read{'s' * (count > 1)}"


def _count(ids: Sequence[int]) -> str:
    examples = ", ".join(map(str, ids[:EXAMPLES])) + (", ..." if len(ids) > EXAMPLES else "")
    return f"{len(ids)} write{'s' * (len(ids) > 1)} ({examples})"
