"""What came of the runs of each setting: medians and worst cases. Pure: asks nobody."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from wavetank.drills.comparing.settings import Setting

# An outage that did not end within the run.
NO_END = math.inf


@dataclass(frozen=True)
class Run:
    """One run of a drill.

    Attributes:
        passed: whether its verdict found nothing wrong.
        writes_s: RTO of writes in seconds, NO_END where none was acknowledged any more.
        reads_s: the same of reads.
        lost: RPO, how many acknowledged writes were lost.
        acknowledged: how many there were.
        before_per_s: acknowledged writes a second before the storm.
        failures: what was wrong, a sentence each.
        report: where the run's own page is, from the comparison's page; '' where it came to none.
    """

    passed: bool
    writes_s: float = NO_END
    reads_s: float = NO_END
    lost: int = 0
    acknowledged: int = 0
    before_per_s: float = 0.0
    failures: tuple[str, ...] = ()
    report: str = ""


@dataclass(frozen=True)
class Row:
    """The runs of one setting. Those that came to no report have no figures, and are counted as not passed."""

    setting: Setting
    runs: tuple[Run, ...]

    @property
    def measured(self) -> list[Run]:
        """The runs that have figures."""
        return [run for run in self.runs if run.report]

    @property
    def passed(self) -> int:
        """How many runs passed."""
        return sum(run.passed for run in self.runs)

    @property
    def writes_s(self) -> tuple[float, float] | None:
        """RTO of writes: median and worst in seconds, None without figures."""
        return middle_and_worst([run.writes_s for run in self.measured])

    @property
    def reads_s(self) -> tuple[float, float] | None:
        """RTO of reads: median and worst in seconds, None without figures."""
        return middle_and_worst([run.reads_s for run in self.measured])

    @property
    def lost(self) -> tuple[float, float] | None:
        """RPO: median and worst number of lost writes, None without figures."""
        return middle_and_worst([run.lost for run in self.measured])

    @property
    def before_per_s(self) -> float | None:
        """The median of acknowledged writes a second before the storm, None without figures."""
        found = middle_and_worst([run.before_per_s for run in self.measured])
        return found and found[0]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it: null where an outage had no end."""
        return {
            "receipts": self.setting.acknowledgements,
            "via": self.setting.via,
            "name": self.setting.name,
            "passed": self.passed,
            "writes_s": _named(self.writes_s),
            "reads_s": _named(self.reads_s),
            "lost": _named(self.lost),
            "before_per_s": self.before_per_s,
            "runs": [{key: _finite(value) for key, value in asdict(run).items()} for run in self.runs],
        }


def middle_and_worst(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the median and the highest of values, None of nothing."""
    return (float(statistics.median(values)), float(max(values))) if values else None


def _named(pair: tuple[float, float] | None) -> dict[str, float | None] | None:
    return pair and {"median": _finite(pair[0]), "worst": _finite(pair[1])}


def _finite(value: Any) -> Any:  # noqa: ANN401
    return None if value == NO_END else value
