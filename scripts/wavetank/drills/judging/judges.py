"""The one judge: of the history of a drill it says what went wrong and what was measured. Pure: asks nobody."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from wavetank.drills.judging import conflict_judge, outage_judge, reshard_judge
from wavetank.drills.judging.drill_spec import CLIENTS, CONFLICTS, CUSTOMERS, DrillSpec
from wavetank.drills.judging.history import HELD_FILE, OPERATIONS_FILE, DrillHistory
from wavetank.drills.judging.judge_result import JudgeResult

_JUDGES: dict[str, Callable[[DrillHistory], JudgeResult]] = {
    CLIENTS: outage_judge.judge,
    CUSTOMERS: reshard_judge.judge,
    CONFLICTS: conflict_judge.judge,
}


@dataclass(frozen=True)
class Judgement:
    """What came of a drill.

    Attributes:
        declared: the drill, and what was promised of it.
        failures: what must not be, a sentence each; nothing is good.
        facts: what was found, as people read it, by its name.
        figures: the same for machines.
        verdict: the figures as they were computed.
    """

    declared: DrillSpec
    failures: tuple[str, ...]
    facts: Mapping[str, Any]
    figures: Mapping[str, Any]
    verdict: Any = field(compare=False)

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.failures

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "drill": self.declared.drill,
            "instance": self.declared.instance,
            "passed": self.passed,
            "failures": list(self.failures),
            "promised": list(self.declared.promises.lines()),
            **self.figures,
        }

    def lines(self) -> Iterator[str]:
        """Yield it as people read it."""
        for promise in self.declared.promises.lines():
            yield f"promised: {promise}"
        yield from said(self.facts)
        yield from (f"✗ {failure}" for failure in self.failures)
        yield f"{self.declared.drill} of {self.declared.instance}: {'passed' if self.passed else 'failed'}"


def said(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield facts as people read them."""
    for name, value in facts.items():
        if isinstance(value, dict):
            yield f"{name}:"
            yield from (f"  {key:<16} {_inline(inner)}" for key, inner in value.items())
        elif isinstance(value, list):
            yield f"{name}:"
            yield from (f"  {inner}" for inner in value)
        else:
            yield f"{name}: {value}"


def _inline(value: object) -> str:
    return ", ".join(f"{key} {inner}" for key, inner in value.items()) if isinstance(value, dict) else str(value)


def judge(history: DrillHistory) -> Judgement:
    """Return the verdict on a drill's history."""
    found = _JUDGES[history.declared.kind](history)
    failures = (*history.declared.witnessed, *_contradicted(history.declared), *_miscounted(history), *found.failures)
    return Judgement(history.declared, failures, found.facts, found.figures, found.verdict)


def _contradicted(declared: DrillSpec) -> Iterator[str]:
    if declared.promises.may_lose and declared.semi_sync:
        yield (
            f"it is declared that writes may be lost, and that a commit waited for {declared.semi_sync} "
            "acknowledgements, so that none may"
        )


def _miscounted(history: DrillHistory) -> Iterator[str]:
    """Yield which file has not as many lines as it had when the drill ended."""
    declared, held = history.declared, None if history.held is None else len(history.held)
    for name, there, known in (
        (OPERATIONS_FILE, len(history.operations), declared.operations),
        (HELD_FILE, held, declared.held),
    ):
        if there != known:
            yield f"{name} has {there or 0} lines, where {known or 0} were declared"
