"""What came of each cell over its runs: the worst outcome, whether it is always the same one, and the times."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from wavetank.client_faults.judging.outcomes import OUTCOMES, Colour, Outcome
from wavetank.client_faults.judging.verdict import Told, Verdict, judge
from wavetank.client_faults.lab.batches import Cell, CellRun
from wavetank.client_faults.matrix.plan import Plan


@dataclass
class Result:
    """A cell, with what was told in each run and what was made of it."""

    cell: Cell
    runs: list[CellRun] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        """The worst of all runs."""
        return min((verdict.outcome for verdict in self.verdicts), key=OUTCOMES.index)

    @property
    def stable(self) -> bool:
        """Whether every run had the same outcome."""
        return len({verdict.outcome.name for verdict in self.verdicts}) <= 1

    @property
    def worst(self) -> Verdict:
        """The verdict on the first run that had the worst outcome."""
        return next(verdict for verdict in self.verdicts if verdict.outcome == self.outcome)

    @property
    def worst_run(self) -> CellRun:
        """The run of that verdict."""
        return self.runs[self.verdicts.index(self.worst)]

    def seconds(self, what: str) -> tuple[float, float, float] | None:
        """Return the least, the median and the greatest of `answered_s` or `again_s`, None where there is none."""
        found = [value for verdict in self.verdicts if (value := getattr(verdict, what)) is not None]
        return (min(found), statistics.median(found), max(found)) if found else None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return {
            **asdict(self.cell),
            "subject": Path(self.cell.subject).stem,
            "outcome": self.outcome.name,
            "colour": self.outcome.colour.value,
            "stable": self.stable,
            "outcomes": [verdict.outcome.name for verdict in self.verdicts],
            "answered_s": self.seconds("answered_s"),
            "again_s": self.seconds("again_s"),
            "error": self.worst.error,
            "findings": self.worst.findings,
            "connections": self.worst_run.connections,
            "exit_code": self.worst_run.exit_code,
        }


class Results:
    """Results by cell, as they come."""

    def __init__(self, plan: Plan) -> None:
        """Begin with none."""
        self._plan = plan
        self._found: dict[Cell, Result] = {}

    def add(self, runs: Sequence[CellRun]) -> list[Verdict]:
        """Judge what came of a batch; return the verdicts."""
        return [self._add(run) for run in runs]

    def _add(self, run: CellRun) -> Verdict:
        subject, fault = self._plan.subject_of(run.cell), self._plan.fault_of(run.cell)
        verdict = judge(
            Told(
                run.events, run.struck_s, run.healed_s, run.held, run.connections, run.exit_code, run.last_words,
                pooled=subject.pooled, must_refuse=fault.must_refuse, cap_s=self._plan.cap_s,
            )
        )  # fmt: skip
        result = self._found.setdefault(run.cell, Result(run.cell))
        result.runs.append(run)
        result.verdicts.append(verdict)
        return verdict

    @property
    def all(self) -> list[Result]:
        """Every cell that was measured, in the plan's order."""
        return [self._found[cell] for cell in self._plan.cells if cell in self._found]

    def of(self, cell: Cell) -> Result | None:
        """Return what came of a cell, None where it was not measured."""
        return self._found.get(cell)

    @property
    def unstable(self) -> list[Result]:
        """The cells that did not always end alike."""
        return [result for result in self.all if not result.stable]

    @property
    def red_though_hardened(self) -> list[Result]:
        """The hardened cells in which something is wrong."""
        return [each for each in self.all if each.cell.hardened and each.outcome.colour is Colour.RED]

    def counts(self) -> Mapping[Colour, int]:
        """Return how many cells there are of each colour."""
        return {colour: sum(each.outcome.colour is colour for each in self.all) for colour in Colour}
