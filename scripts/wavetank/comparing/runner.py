"""Brings the instances of a comparison up, lets the storms loose, and takes everything down again, however it ends."""

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from wavetank.comparing.figures import NO_END, Row, Run
from wavetank.comparing.settings import Plan, Setting
from wavetank.drills import PAGE
from wavetank.errors import UsageError
from wavetank.instance import HOME, STATE, instance_names

# Of the names of its instances, and of nobody else's.
PREFIX = "compare-"
UP_TIMEOUT_S = 600
DRILL_TIMEOUT_S = 600
DOWN_TIMEOUT_S = 120
# How long a command may take to end after Ctrl-C.
END_S = 30
# What else a person has said of an instance is not for these.
_OURS = (
    "TOPOLOGY", "INSTANCE", "SHARDS", "SHARD_BY", "SOURCES", "ACTIVE", "REPLICAS", "SEMI_SYNC", "REBUILD", "VIA",
    "NODE", "TO", "FORCE",
)  # fmt: skip

Say = Callable[[str], None]


def run_all(plan: Plan, directory: Path, say: Say) -> list[Row]:
    """Run everything, and keep each run's report in `directory`.

    Raises:
        UsageError: another comparison is running, or no instance comes up.
    """
    runs: dict[Setting, list[Run]] = {setting: [] for setting in plan.settings}
    with _alone():
        _take_down_leftovers()
        for receipts in plan.receipts:
            settings = [setting for setting in plan.settings if setting.receipts == receipts]
            try:
                with _instance(plan, receipts, say) as instance:
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


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Let no other comparison of this clone run meanwhile: it would use the same instances."""
    STATE.mkdir(exist_ok=True)
    with (STATE / "compare.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError("another comparison is running in this clone: wait for it, or end it") from None
        yield


@contextlib.contextmanager
def _instance(plan: Plan, receipts: int, say: Say) -> Iterator[str]:
    """Lend an instance of the comparison's own, which is gone afterwards, also after Ctrl-C."""
    name = f"{PREFIX}semi-sync-{receipts}" if receipts else f"{PREFIX}async"
    say(f"{name}: bringing a source and {plan.replicas} replicas up")
    try:
        done = _wavetank(
            "up", UP_TIMEOUT_S,
            INSTANCE=name, TOPOLOGY=plan.topology, REPLICAS=str(plan.replicas), SEMI_SYNC=str(receipts),
        )  # fmt: skip
        if done is None or done.returncode:
            raise UsageError(f"{name} did not come up: {_last_line(done)}")
        yield name
    finally:
        _take_down(name)
        say(f"{name}: taken down")


def _take_down_leftovers() -> None:
    """Take down what a comparison that was killed has left: it would be in the way with its ports and its memory."""
    for name in instance_names():
        if name.startswith(PREFIX):
            _take_down(name)


def _take_down(name: str) -> None:
    if name in instance_names():
        # In a session of its own: the Ctrl-C that ended the comparison does not end this, too.
        _wavetank("down", DOWN_TIMEOUT_S, own_session=True, INSTANCE=name)


def _run(plan: Plan, setting: Setting, instance: str, directory: Path) -> Run:
    done = _wavetank("drill", DRILL_TIMEOUT_S, plan.drill, "--json", INSTANCE=instance, VIA=setting.via)
    try:
        report: Mapping[str, Any] = json.loads(done.stdout if done else "")
    except json.JSONDecodeError:
        # What it left behind must not be the next run's: it would be refused.
        _wavetank("up", UP_TIMEOUT_S, INSTANCE=instance)
        return Run(passed=False, failures=(_last_line(done),))
    shutil.copytree(report["directory"], directory)
    verdict = json.loads((directory / "verdict.json").read_text())
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


def _seconds(outage: Mapping[str, float] | None) -> float:
    return outage["seconds"] if outage else NO_END


def _wavetank(
    command: str, timeout_s: int, *arguments: str, own_session: bool = False, **options: str
) -> subprocess.CompletedProcess[str] | None:
    """Run our own command line with these options and no others; None where it took too long."""
    program = str(Path(sys.executable).with_name("wavetank"))
    environment = {name: value for name, value in os.environ.items() if name not in _OURS} | options
    with subprocess.Popen(
        [program, command, *arguments], cwd=HOME, env=environment, text=True, start_new_session=own_session,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            output, errors = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            return None
        except KeyboardInterrupt:
            _let_end(process)
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def _let_end(process: subprocess.Popen[str]) -> None:
    """Let a command that Ctrl-C has reached, too, take back what it did; who is not told by a terminal is told now."""
    for wait_s, tell in ((END_S, process.terminate), (END_S, process.kill)):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=wait_s)
            return
        tell()


def _last_line(done: subprocess.CompletedProcess[str] | None) -> str:
    if done is None:
        return "it took too long"
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return lines[-1].removeprefix("wavetank: ") if lines else f"it ended with {done.returncode} and said nothing"


def _in_words(run: Run) -> str:
    if not run.report:
        return f"no report: {run.failures[0]}"
    outage = "no write any more" if run.writes_s == NO_END else f"{run.writes_s:.3f} s without a write"
    return f"{outage}, {run.lost} lost{'' if run.passed else ', failed: ' + '; '.join(run.failures)}"
