"""Availability: how long clients were not served, and how quickly they were, from their log. Pure: asks nobody."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from wavetank.drills.traffic.latency import Answered, Latency, Spans, latencies, refusals
from wavetank.drills.traffic.load import Load
from wavetank.drills.traffic.log import READ, WRITE, Operation
from wavetank.drills.traffic.outages import Outage, Series, is_unfinished, longest
from wavetank.drills.traffic.promises import Promises, Thresholds

Kind = Literal["write", "read"]


@dataclass(frozen=True)
class OngoingOutage:
    """An outage of one client that the traffic's end has not seen the end of: at least `seconds` long."""

    kind: Kind
    client: int
    seconds: float


@dataclass(frozen=True)
class Availability:
    """How clients were served.

    Attributes:
        writes: the longest time without an acknowledged write from the storm on (RTO).
        reads: the same of reads.
        worst_client: the same of the writes of the one client that had to wait longest.
        worst_reader: the same of the reads of one client.
        acknowledged: how many writes were.
        acknowledged_after: how many of them after the storm began.
        unfinished: outages of single clients that the traffic's end did not see the end of.
        before: how many writes and reads a second were acknowledged before the storm.
        errors: failed operations by their kind and reason.
        latency_ms: how long acknowledged operations took from when they were due, by kind and by time of the storm.
        not_served: how many were due and were not, by the same; also those that were missed while a client was held up.
    """

    writes: Outage
    reads: Outage
    worst_client: Outage
    worst_reader: Outage
    acknowledged: int
    acknowledged_after: int
    unfinished: tuple[OngoingOutage, ...] = ()
    before: Mapping[str, float] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)
    latency_ms: Mapping[Kind, Mapping[str, Latency | None]] = field(default_factory=dict)
    not_served: Mapping[Kind, Mapping[str, int]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return asdict(self)


def availability_of(operations: Sequence[Operation], load: Load, storm_s: float, mended_s: float) -> Availability:
    """Return how clients were served.

    Args:
        operations: every operation that a client sent, or would have sent if there had been anybody to take it.
        load: what the clients offered.
        storm_s: when the storm began, in seconds of the monotonic clock.
        mended_s: when it was mended.
    """
    acknowledged = [each for each in operations if each.kind == WRITE and each.acknowledged]
    spans = Spans(storm_s, mended_s)
    writing, reading = (_Waiting(operations, kind, load, storm_s) for kind in (WRITE, READ))
    return Availability(
        writes=writing.of_all,
        reads=reading.of_all,
        worst_client=writing.of_one,
        worst_reader=reading.of_one,
        acknowledged=len(acknowledged),
        acknowledged_after=sum(each.done_s >= storm_s for each in acknowledged),
        unfinished=(*writing.unfinished, *reading.unfinished),
        before=_before(operations, load, storm_s),
        errors=dict(Counter(f"{each.kind}: {each.error}" for each in operations if each.error)),
        latency_ms={
            kind: latencies(_ended(operations, kind, acknowledged=True), load.period_s(kind), spans)
            for kind in (WRITE, READ)
        },
        not_served={
            kind: refusals(_ended(operations, kind, acknowledged=False), load.period_s(kind), spans)
            for kind in (WRITE, READ)
        },
    )


def ongoing_outages(operations: Sequence[Operation], load: Load) -> list[OngoingOutage]:
    """Return the outages of single clients that have not ended."""
    return [each for kind in (WRITE, READ) for each in _Waiting(operations, kind, load, load.ended_s).unfinished]


class _Waiting:
    """How long clients waited for one kind of operation."""

    def __init__(self, operations: Sequence[Operation], kind: Kind, load: Load, storm_s: float) -> None:
        ends: dict[tuple[int, bool], list[float]] = defaultdict(list)
        for each in operations:
            if each.kind == kind:
                ends[each.client, each.acknowledged].append(each.done_s)
        # Also of a client that nothing is known of: it was to come.
        clients = range(1, load.clients + 1)
        series = {client: Series(ends[client, True], ends[client, False]) for client in clients}
        out = {client: is_unfinished(each, load) for client, each in series.items()}
        alone = [longest(each, load, storm_s, unfinished=out[client]) for client, each in series.items()]
        self.of_one = max(alone, key=lambda outage: (outage.seconds, outage.unfinished))
        together = Series(
            [end for each in series.values() for end in each.acknowledged],
            [end for each in series.values() for end in each.refused],
        )
        # As long as one of them is served, it is not over for all.
        self.of_all = longest(together, load, storm_s, unfinished=all(out.values()))
        self.unfinished = [
            OngoingOutage(kind, client, round(load.ended_s - max(series[client].acknowledged, default=load.began_s), 3))
            for client in clients
            if out[client]
        ]


def _before(operations: Sequence[Operation], load: Load, storm_s: float) -> dict[str, float]:
    seconds = max(storm_s - load.began_s, 1e-9)
    done = Counter(each.kind for each in operations if each.acknowledged and each.done_s < storm_s)
    return {"writes_per_s": round(done[WRITE] / seconds, 1), "reads_per_s": round(done[READ] / seconds, 1)}


def _ended(operations: Sequence[Operation], kind: Kind, *, acknowledged: bool) -> Iterator[Answered]:
    for each in operations:
        if each.kind == kind and each.acknowledged is acknowledged:
            yield Answered(each.done_s - each.took_s, each.done_s)


def availability_failures(verdict: Availability, promises: Promises, thresholds: Thresholds) -> Iterator[str]:
    """Yield how clients must not have been served, a sentence each."""
    if not verdict.acknowledged_after:
        yield "no write was acknowledged after the storm"
    if not promises.may_stay_out:
        for kind in (WRITE, READ):
            if found := [each for each in verdict.unfinished if each.kind == kind]:
                worst_s = max(each.seconds for each in found)
                who = ", ".join(str(each.client) for each in found)
                yield (
                    f"the {kind}s of client{'s' * (len(found) > 1)} {who} were not served any more when the traffic "
                    f"ended, for {worst_s:.3f} s at least"
                )
    worst = verdict.worst_client
    if thresholds.rto_s is not None and (worst.seconds > thresholds.rto_s or worst.unfinished):
        yield (
            f"a client was without an acknowledged write for {'at least ' * worst.unfinished}{worst.seconds:.3f} s, "
            f"where at most {thresholds.rto_s:g} s was demanded"
        )
