"""Runs a campaign's storms, those of one setting on one instance, and keeps what came of each as it comes."""

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from wavetank.drills.campaign.choices import PREFIX
from wavetank.drills.campaign.drawing import Setting, Storm
from wavetank.drills.campaign.leftovers import end_orphans, left_behind
from wavetank.drills.campaign.progress import Progress
from wavetank.drills.campaign.results import Result, Results
from wavetank.drills.runner import PAGE
from wavetank.drills.temporary_instances import take_down_leftovers, temporary_instance
from wavetank.errors import UsageError
from wavetank.own_command import alone, end_running, last_line, run_command

DRILL_TIMEOUT_S = 900
JUDGE_TIMEOUT_S = 60
# Of an orders' drill, how many writes there are at least: its storm lasts as long as its resharding anyway.
OPERATIONS = "500"

Say = Callable[[str], None]


def run_campaign(storms: Sequence[Storm], directory: Path, jobs: int, say: Say) -> list[Result]:
    """Run those of the storms that have no result yet, `jobs` settings side by side; return the results of all.

    Raises:
        UsageError: another campaign is running.
        KeyboardInterrupt: it was interrupted; the same campaign goes on where this one stopped.
    """
    results = Results(directory / "results.jsonl")
    with alone("campaign"):
        end_orphans(PREFIX)
        take_down_leftovers(PREFIX)
        done = results.of(storms)
        numbers = {result.storm.number for result in done}
        waiting = [storm for storm in storms if storm.number not in numbers]
        run = _Run(results, directory, Progress(done, waiting, jobs), say)
        _side_by_side(run, waiting, jobs)
    return results.of(storms)


def _by_setting(storms: Sequence[Storm]) -> Iterator[tuple[Setting, list[Storm]]]:
    found: dict[Setting, list[Storm]] = {}
    for storm in storms:
        found.setdefault(storm.setting, []).append(storm)
    yield from found.items()


def _side_by_side(run: "_Run", storms: Sequence[Storm], jobs: int) -> None:
    """Run `jobs` settings at a time; whatever ends us ends them, too, once they have taken all back."""
    pool = ThreadPoolExecutor(jobs)
    try:
        for future in [pool.submit(run.setting, setting, some) for setting, some in _by_setting(storms)]:
            future.result()
    except BaseException:
        # Of a Ctrl-C only this thread hears.
        run.over.set()
        end_running()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


class _Run:
    """One run of a campaign, until it is `over`."""

    def __init__(self, results: Results, directory: Path, progress: Progress, say: Say) -> None:
        self.over = threading.Event()
        self._results = results
        self._directory = directory
        self._progress = progress
        self._say = say
        self._lock = threading.Lock()

    def setting(self, setting: Setting, storms: Sequence[Storm]) -> None:
        """Run the storms of one setting; one that failed leaves no instance to the next."""
        waiting = list(storms)
        name = f"{PREFIX}{setting.slug}"
        while waiting and not self.over.is_set():
            try:
                with temporary_instance(name, lambda _: None, setting.options, own_session=True):
                    while waiting and not self.over.is_set():
                        result = self._storm(waiting[0], name)
                        if self.over.is_set():
                            return
                        del waiting[0]
                        self._keep(result)
                        if not result.passed:
                            break
            except UsageError as refusal:
                if not self.over.is_set():
                    self._keep(Result(waiting.pop(0), passed=False, failures=(str(refusal),)))
            if left := left_behind(name):
                self._results.note_left(name, left)
                self._say(f"{name} is down and has left: {', '.join(left)}")

    def _keep(self, result: Result) -> None:
        with self._lock:
            self._results.add(result)
            self._say(self._progress.line(result))

    def _storm(self, storm: Storm, instance: str) -> Result:
        began = time.monotonic()
        done = run_command(
            "drill", DRILL_TIMEOUT_S, storm.drill, "--json",
            options={"INSTANCE": instance, "OPERATIONS": OPERATIONS, **storm.options}, own_session=True,
        )  # fmt: skip
        seconds = round(time.monotonic() - began, 1)
        try:
            report: Mapping[str, Any] = json.loads(done.stdout if done else "")
        except json.JSONDecodeError:
            return Result(storm, passed=False, seconds=seconds, failures=(last_line(done),))
        kept = self._directory / "storms" / f"{storm.number:04d}"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(report["directory"], kept)
        shutil.rmtree(report["directory"])
        return read_result(storm, report, kept, seconds, _judged_anew(kept))


def _judged_anew(directory: Path) -> bool:
    """Return whether the kept files alone lead to a verdict without failures."""
    done = run_command("judge", JUDGE_TIMEOUT_S, str(directory), options={}, own_session=True)
    return done is not None and done.returncode == 0


def read_result(storm: Storm, report: Mapping[str, Any], kept: Path, seconds: float, judged: bool) -> Result:  # noqa: FBT001
    """Return what a report says that was kept in the directory `kept`.

    `judged` is what its files said when they were judged anew: where that is another word than the drill's own, the
    storm has failed.
    """
    verdict = json.loads((kept / "verdict.json").read_text())
    writes, reads = verdict.get("writes"), verdict.get("reads")
    failures = [*report["failures"]]
    if judged != report["passed"]:
        failures.append(f"judged anew from its files it {'passed' if judged else 'failed'}: make judge REPORT={kept}")
    return Result(
        storm,
        passed=not failures,
        seconds=seconds,
        writes_s=writes and writes["seconds"],
        reads_s=reads and reads["seconds"],
        unfinished=bool(writes and writes.get("unfinished")),
        acknowledged=verdict.get("acknowledged", 0),
        lost=len(verdict.get("lost", ())),
        refused=report["facts"].get("refused", ""),
        failures=tuple(failures),
        report=f"storms/{kept.name}/{PAGE}",
    )
