"""Another source because the old one is gone: detection, choice, fence, collection, record; a file each."""

from wavetank.failover.candidates import SILENCE_S, NoCandidateError, Witness, choose
from wavetank.failover.detection import SourceAnswersError, ask_witnesses
from wavetank.failover.dry_run import plan_failover
from wavetank.failover.run import fail_over

__all__ = [
    "SILENCE_S",
    "NoCandidateError",
    "SourceAnswersError",
    "Witness",
    "ask_witnesses",
    "choose",
    "fail_over",
    "plan_failover",
]
