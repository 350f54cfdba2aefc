"""What a drill with traffic recorded, as its report needs it."""

from collections.abc import Sequence
from dataclasses import dataclass

from wavetank.change.timeline import Step
from wavetank.drills.traffic.lag import Seen
from wavetank.drills.traffic.log import Operation
from wavetank.drills.traffic.promises import Promises
from wavetank.drills.traffic.verdict import Verdict


@dataclass(frozen=True)
class Recorded:
    """What clients and samplers saw, in seconds of the monotonic clock, and what was made of it.

    Attributes:
        operations: every write and read.
        seen: what each server held, again and again.
        storm_s: when the storm began.
        mended_s: when what mends it was through, with the traffic still going on.
        steps: what mended it, each in seconds since the storm.
        verdict: the judgement.
        promises: what was promised.
    """

    operations: Sequence[Operation]
    seen: Sequence[Seen]
    storm_s: float
    mended_s: float
    steps: Sequence[Step]
    verdict: Verdict
    promises: Promises

    def operations_of(self, kind: str) -> list[Operation]:
        """Return the writes or the reads."""
        return [each for each in self.operations if each.kind == kind]
