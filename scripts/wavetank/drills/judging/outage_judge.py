"""The verdict on clients who wrote and read through a storm."""

from collections import Counter
from collections.abc import Iterator, Sequence

from wavetank.drills.judging.history import DrillHistory
from wavetank.drills.judging.judge_result import JudgeResult, availability_facts, odd_clients
from wavetank.drills.judging.records import Row
from wavetank.drills.traffic import verdict
from wavetank.drills.traffic.log import WRITE, Operation
from wavetank.errors import UsageError


def judge(history: DrillHistory) -> JudgeResult:
    """Judge by the log and by what the source holds.

    Raises:
        UsageError: nothing is declared of what the clients offered.
    """
    declared = history.declared
    if declared.load is None:
        raise UsageError(f"nothing is declared of the load of {declared.drill}")
    operations = history.operations_of(Operation)
    held = None if history.held is None else [row.id for row in history.held_of(Row)]
    found = verdict.judge(operations, held, declared.load, declared.storm_s, declared.mended_s)
    failures = [
        *odd_clients((each.client for each in operations), declared),
        *_impossible(operations),
        *verdict.failures(found, declared.promises, declared.thresholds),
    ]
    return JudgeResult(failures, _facts(found) | availability_facts(found, declared), found.as_dict(), found)


def _impossible(operations: Sequence[Operation]) -> Iterator[str]:
    """Yield what no log can say that a drill wrote."""
    times = Counter(each.id for each in operations if each.kind == WRITE and each.id)
    if twice := sorted(id_ for id_, count in times.items() if count > 1):
        yield f"the log has more than one write {twice[0]}"
    if any(each.done_s < each.sent_s for each in operations):
        yield "the log has an operation that was answered before it was sent"


def _facts(found: verdict.Verdict) -> dict[str, object]:
    lost = len(found.lost) if found.held_known else "nobody knows how many"
    return {
        "acknowledged": f"{found.acknowledged} writes, of which lost: {lost}",
        "lost": list(found.lost) or ("none" if found.held_known else "not known"),
        "stale reads": f"{found.stale_reads}, at most {found.oldest_stale_s:.3f} s behind their own session",
        "uncertain": f"{found.uncertain} writes failed and are there",
    }
