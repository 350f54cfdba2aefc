"""The verdict on sources that wrote without knowing of each other."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from wavetank.conflicts.workload import Planned
from wavetank.drills.judging.history import DrillHistory
from wavetank.drills.judging.judge_result import JudgeResult
from wavetank.drills.judging.records import Harmless, Labelled, Told

# How many examples of a kind a verdict names.
_MOST_NAMED = 3


@dataclass(frozen=True)
class Compared:
    """What was planned beside what was found, and the codes of harmless rows that are not as they were written."""

    planned: Counter[Planned]
    found: Counter[Planned]
    lost: tuple[str, ...]
    twice: tuple[str, ...]


def judge(history: DrillHistory) -> JudgeResult:
    """Compare what was found with what was planned, and the sources' rows with what was written."""
    compared = Compared(
        Counter(history.operations_of(Planned)),
        Counter(history.held_of(Planned)),
        *_rows(history),
    )
    failures = [*_untold(history), *_conflicts(compared), *_lost(history, compared)]
    if not compared.planned:
        failures.append("no conflict was planned: there was no storm")
    kinds = sorted({each.kind for each in compared.planned | compared.found})
    conflicts = {kind: {"planned": _of(kind, compared.planned), "found": _of(kind, compared.found)} for kind in kinds}
    facts: dict[str, Any] = {"conflicts": conflicts}
    if history.declared.resolved:
        facts["harmless writes lost"] = len(compared.lost)
    figures = {"conflicts": conflicts, "lost": list(compared.lost), "duplicates": list(compared.twice)}
    return JudgeResult(failures, facts, figures)


def _of(kind: str, conflicts: Counter[Planned]) -> int:
    return sum(count for each, count in conflicts.items() if each.kind == kind)


def _untold(history: DrillHistory) -> Iterator[str]:
    """Yield which source was not told all that it was to be told, or refused some of it."""
    told: dict[str, set[int]] = defaultdict(set)
    for each in history.operations_of(Told):
        if each.error:
            yield f"{each.server} refused transaction {each.number}: {each.error}"
        else:
            told[each.server].add(each.number)
    for server, count in history.declared.transactions.items():
        if told[server] != set(range(1, count + 1)):
            yield f"{server} carried out {len(told[server])} of {count} transactions"


def _rows(history: DrillHistory) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the codes of harmless rows that some source has not as they were written, and of those it has twice."""
    if not history.declared.resolved:
        return (), ()
    labels: dict[str, dict[str, str | None]] = {server: {} for server in history.declared.transactions}
    twice = set()
    for row in history.held_of(Labelled):
        there = labels.setdefault(row.server, {})
        if row.code in there:
            twice.add(row.code)
        there[row.code] = row.label
    lost = {
        each.code
        for each in history.operations_of(Harmless)
        for there in labels.values()
        if there.get(each.code) != each.label
    }
    return tuple(sorted(lost)), tuple(sorted(twice))


def _conflicts(compared: Compared) -> Iterator[str]:
    for what, conflicts in (
        ("planned and not found", compared.planned - compared.found),
        ("found and not planned", compared.found - compared.planned),
    ):
        named = [f"{each.kind} at {each.table} {', '.join(each.key)}" for each in list(conflicts)[:_MOST_NAMED]]
        if named:
            yield f"{conflicts.total()} {what}: {'; '.join(named)}"


def _lost(history: DrillHistory, compared: Compared) -> Iterator[str]:
    if history.held is None:
        yield "what the sources hold is not known: nobody can say what is lost"
        return
    for what, codes in (("are not there", compared.lost), ("are there more than once", compared.twice)):
        if codes:
            yield f"{len(codes)} harmless writes {what}: {', '.join(codes[:_MOST_NAMED])}"
