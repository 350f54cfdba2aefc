"""How long nothing was acknowledged: the gaps of a series of operations, closed at the traffic's end. Pure."""

import itertools
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from wavetank.drills.traffic.load import Load

# Without a word for so long a client does not come back. One that is served is acknowledged many times meanwhile, and
# what is under way when the traffic ends is waited for.
SILENCE_S = 1.0


@dataclass(frozen=True)
class Outage:
    """A time without an acknowledged operation.

    Attributes:
        seconds: how long it was, or, where it is unfinished, at least was.
        began_s: when the last one before it was acknowledged, by the monotonic clock; the traffic's begin without one.
        unfinished: whether the traffic ended before it did.
    """

    seconds: float
    began_s: float
    unfinished: bool = False


@dataclass(frozen=True)
class Series:
    """Operations of one kind, of one client or of all: when they were acknowledged, and when they were refused."""

    acknowledged: Collection[float]
    refused: Collection[float]


def is_unfinished(series: Series, load: Load) -> bool:
    """Return whether the traffic ended in an outage of this series.

    It did where the last word was a refusal, and where there was none for SILENCE_S.
    """
    last_s = max(series.acknowledged, default=load.began_s)
    return max(series.refused, default=last_s) > last_s or load.ended_s - last_s > SILENCE_S


def gaps(series: Series, load: Load, storm_s: float, *, unfinished: bool) -> Iterable[Outage]:
    """Yield the times without an acknowledgement that ended after the storm began, the one at the end included.

    Args:
        series: the operations.
        load: when the traffic began and ended.
        storm_s: when the storm began.
        unfinished: whether the last of them is an outage that has not ended.
    """
    times = sorted([load.began_s, *series.acknowledged])
    for before, after in itertools.pairwise(times):
        if after >= storm_s:
            yield Outage(round(after - before, 3), before)
    # A refusal may come after the traffic's end, and the client has waited for it.
    end_s = max([load.ended_s, *series.refused]) if unfinished else load.ended_s
    if end_s > times[-1]:
        yield Outage(round(end_s - times[-1], 3), times[-1], unfinished)


def longest(series: Series, load: Load, storm_s: float, *, unfinished: bool) -> Outage:
    """Return the longest of them."""
    found = gaps(series, load, storm_s, unfinished=unfinished)
    return max(found, key=lambda gap: (gap.seconds, gap.unfinished), default=Outage(0.0, load.ended_s))
