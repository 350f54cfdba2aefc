"""Brings the instances of a comparison up, lets the storms loose, and takes everything down again, however it ends."""

import contextlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wavetank.drills.comparing.figures import NO_END, Row, Run
from wavetank.drills.comparing.settings import Plan, Setting
from wavetank.drills.runner import PAGE
from wavetank.drills.temporary_instances import take_down_leftovers, temporary_instance
from wavetank.errors import UsageError
from wavetank.own_command import UP_TIMEOUT_S, alone, last_line, run_command

# Of the names of its instances, and of nobody else's.
PREFIX = "compare-"
DRILL_TIMEOUT_S = 600

Say = Callable[[str], None]


def run_all(plan: Plan, directory: Path, say: Say) -> list[Row]:
    """Run everything, and keep each run's report in `directory`.

    Raises:
        UsageError: another comparison is running, or no instance comes up.
    """
    runs: dict[Setting, list[Run]] = {setting: [] for setting in plan.settings}
    with alone("comparison"):
        take_down_leftovers(PREFIX)
        for acknowledgements in plan.acknowledgements:
            settings = [setting for setting in plan.settings if setting.acknowledgements == acknowledgements]
            try:
                with _instance(plan, acknowledgements, say) as instance:
                    _take_turns(plan, settings, instance, directory, runs, say)
            except UsageError as refusal:
                # What has been measured by then is worth a report; where nothing has, there is none to make.
                if not any(run.report for each in runs.values() for run in each):
                    raise
                say(str(refusal))
                for setting in settings:
                    runs[setting].append(Run(passed=False, failures=(str(refusal),)))
    return [Row(setting, tuple(each)) for setting, each in runs.items()]


def _take_turns(  # noqa: PLR0913, PLR0917 - all that a comparison is made of
    plan: Plan, settings: Sequence[Setting], instance: str, directory: Path, runs: dict[Setting, list[Run]], say: Say
) -> None:
    """Run each setting of an instance once, then each again: what else the machine does is not one way's bad luck."""
    for number in range(1, plan.runs + 1):
        for setting in settings:
            run = _run(plan, setting, instance, directory / "runs" / f"{setting.slug}-{number}")
            runs[setting].append(run)
            say(f"{setting.name}, run {number} of {plan.runs}: {_in_words(run)}")


def _instance(plan: Plan, acknowledgements: int, say: Say) -> contextlib.AbstractContextManager[str]:
    """Bring up an instance of the comparison's own, which is gone afterwards, also after Ctrl-C."""
    name = f"{PREFIX}semi-sync-{acknowledgements}" if acknowledgements else f"{PREFIX}async"
    say(f"{name}: bringing a source and {plan.replicas} replicas up")
    options = {"TOPOLOGY": plan.topology, "REPLICAS": str(plan.replicas), "SEMI_SYNC": str(acknowledgements)}
    return temporary_instance(name, say, options)


def _run(plan: Plan, setting: Setting, instance: str, directory: Path) -> Run:
    done = run_command(
        "drill", DRILL_TIMEOUT_S, plan.drill, "--json", options={"INSTANCE": instance, "VIA": setting.via}
    )
    try:
        report: Mapping[str, Any] = json.loads(done.stdout if done else "")
    except json.JSONDecodeError:
        # What it left behind must not be the next run's: it would be refused.
        run_command("up", UP_TIMEOUT_S, options={"INSTANCE": instance})
        return Run(passed=False, failures=(last_line(done),))
    shutil.copytree(report["directory"], directory)
    if not (file := directory / "verdict.json").exists():
        return Run(passed=False, failures=tuple(report["failures"]))
    verdict = json.loads(file.read_text())
    return read_run(report, verdict, f"runs/{directory.name}/{PAGE}")


def read_run(report: Mapping[str, Any], verdict: Mapping[str, Any], page: str) -> Run:
    """Return the figures of a run that came to a report."""
    return Run(
        passed=report["passed"],
        writes_s=_seconds(verdict["writes"]),
        reads_s=_seconds(verdict["reads"]),
        lost=len(verdict["lost"]),
        acknowledged=verdict["acknowledged"],
        before_per_s=verdict["before"]["writes_per_s"],
        failures=tuple(report["failures"]),
        report=page,
    )


def _seconds(outage: Mapping[str, float]) -> float:
    return NO_END if outage["unfinished"] else outage["seconds"]


def _in_words(run: Run) -> str:
    if not run.report:
        return f"no report: {run.failures[0]}"
    outage = "no write any more" if run.writes_s == NO_END else f"{run.writes_s:.3f} s without a write"
    return f"{outage}, {run.lost} lost{'' if run.passed else ', failed: ' + '; '.join(run.failures)}"
