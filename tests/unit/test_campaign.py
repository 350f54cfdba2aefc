"""Campaigns: which storms a seed has, what is kept of them, and how they are summed up."""

import json
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from wavetank import own_command
from wavetank.drills.campaign import command, report, runner
from wavetank.drills.campaign.choices import MOST_SERVERS, all_choices
from wavetank.drills.campaign.drawing import Choice, Setting, Storm, draw
from wavetank.drills.campaign.figures import ALL, Spread, spread, summed_up
from wavetank.drills.campaign.progress import Progress
from wavetank.drills.campaign.report import Campaign
from wavetank.drills.campaign.results import Result, Results
from wavetank.drills.runner import all_drills
from wavetank.errors import UsageError
from wavetank.waiting import wait_until

ASYNC, SEMI_SYNC = Setting("master-slave", 0), Setting("master-slave", 1)
CHOICES = [
    Choice("source-killed", ASYNC, ("direct", "routing"), ("command-killed", "up-killed")),
    Choice("source-killed", SEMI_SYNC, ("direct",), ("command-killed",)),
    Choice("switchover", SEMI_SYNC, (), ()),
]
STORM = Storm(7, "source-killed", SEMI_SYNC, "direct", "command-killed", 0.25, 4711)
RESULT = Result(STORM, passed=True, seconds=20.0, writes_s=0.5, reads_s=0.1, acknowledged=1000, report="storms/0007")


def test_the_same_seed_has_the_same_storms_and_more_begin_with_the_same_ones() -> None:
    assert draw(CHOICES, 1, 20) == draw(CHOICES, 1, 50)[:20]
    assert draw(CHOICES, 1, 20) != draw(CHOICES, 2, 20)


def test_each_drill_is_as_likely_whatever_it_is_for() -> None:
    drawn = draw(CHOICES, 1, 1000)
    of_switchover = sum(storm.drill == "switchover" for storm in drawn)
    assert 430 < of_switchover < 570
    assert {storm.setting for storm in drawn if storm.drill == "source-killed"} == {ASYNC, SEMI_SYNC}


def test_a_second_fault_is_drawn_from_those_that_the_drill_has() -> None:
    drawn = draw(CHOICES, 3, 500)
    seconds = {(storm.drill, storm.setting, storm.second) for storm in drawn}
    assert ("source-killed", ASYNC, "up-killed") in seconds
    assert ("source-killed", SEMI_SYNC, "up-killed") not in seconds
    assert {second for drill, _, second in seconds if drill == "switchover"} == {""}
    assert 200 < sum(bool(storm.second) for storm in drawn if storm.drill == "source-killed") * 2 < 450
    assert all(0 <= storm.second_at <= 1 for storm in drawn)


def test_without_a_choice_there_is_no_campaign() -> None:
    with pytest.raises(UsageError, match="no drill here"):
        draw([], 1, 1)


def test_every_drill_can_be_drawn_and_none_on_too_many_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wavetank.drills.campaign.choices.why_no_proxysql", lambda: "none here")
    said: list[str] = []
    choices = all_choices("", said.append)
    # Those through a proxy need one; the test of the drills says for which topologies.
    assert {choice.drill for choice in choices} >= all_drills().keys() - {"proxy-killed"}
    assert said == ["without four-shard-proxysql: none here", "without proxysql: none here"]
    assert {choice.setting.semi_sync for choice in choices} == {0, 1, 2}
    assert all(choice.setting.replicas == "3" for choice in choices if choice.setting.semi_sync == 2)
    assert MOST_SERVERS >= 8
    with pytest.raises(UsageError, match="no drill 'flood'; there are: conflict"):
        all_choices("flood", said.append)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("0", 1, "", "", "1"), "storms=0 is not a number from 1 to 10000"),
        (("many", 1, "", "", "1"), "storms=many is not a number"),
        (("10", 1, "11", "", "1"), "storm=11 is not a number from 1 to 10"),
        (("10", 1, "", "", "9"), "jobs=9 is not a number from 1 to 4"),
    ],
)
def test_nonsense_is_refused(words: tuple[str, int, str, str, str], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        command.asked(*words)


def test_a_result_is_read_as_it_was_kept(tmp_path: Path) -> None:
    results = Results(tmp_path / "kept" / "results.jsonl")
    failed = replace(RESULT, storm=replace(STORM, number=2), passed=False, failures=("1 write lost",), lost=1)
    results.add(RESULT)
    results.add(failed)
    assert results.of([failed.storm, STORM]) == [failed, RESULT]


def test_a_line_that_was_cut_off_costs_its_own_storm_only(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    results = Results(path)
    results.add(RESULT)
    other = replace(RESULT, storm=replace(STORM, number=8))
    with path.open("a") as file:
        file.write(json.dumps(other.as_dict())[:100])
    assert results.of([STORM, other.storm]) == [RESULT]
    results.add(other)
    assert results.of([STORM, other.storm]) == [RESULT, other]


def test_a_result_of_another_storm_with_the_number_is_not_taken_for_it(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.jsonl")
    results.add(RESULT)
    assert results.of([replace(STORM, second_at=0.5)]) == []


@given(st.lists(st.floats(0, 1000, allow_nan=False), min_size=1))
def test_the_99th_percentile_is_the_least_that_one_in_a_hundred_is_above(values: list[float]) -> None:
    found = spread(values)
    assert found is not None
    assert found.worst == max(values)
    assert sum(value > found.p99 for value in values) <= len(values) / 100
    assert all(sum(each > value for each in values) > len(values) / 100 for value in values if value < found.p99)


def test_figures_are_by_drill_and_then_of_all() -> None:
    failed = replace(
        RESULT, storm=replace(STORM, number=8, drill="switchover", second=""), passed=False, writes_s=2.5, lost=3,
        unfinished=True, failures=("3 writes lost",), refused="no replica",
    )  # fmt: skip
    bare = Result(replace(STORM, number=9), passed=False, failures=("no answer",))
    one, other, everything = summed_up([failed, RESULT, bare])
    assert (one.name, one.storms, one.passed, one.second, one.lost) == ("source-killed", 2, 1, 2, 0)
    assert (other.name, other.refused, other.unfinished, other.lost) == ("switchover", 1, 1, 3)
    assert (everything.name, everything.storms, everything.acknowledged) == (ALL, 3, 2000)
    assert everything.writes_s == Spread(1.5, 2.5, 2.5)
    assert everything.failures == {"3 writes lost": 1, "no answer": 1}
    assert summed_up([bare])[0].writes_s is None


def test_the_time_left_is_by_what_each_drill_takes() -> None:
    waiting = [replace(STORM, number=number) for number in (8, 9)] + [replace(STORM, number=10, drill="switchover")]
    progress = Progress([RESULT], waiting, 1)
    assert progress.left_s() == 20 + 20 + 25
    line = progress.line(replace(RESULT, storm=waiting[0], seconds=40.0))
    assert line.startswith(
        "   2 of 4     8  source-killed on master-slave semi-sync 1 via direct then command-killed at"
    )
    assert line.endswith(": passed, 0.500 s without a write; about 1 min left")
    assert progress.left_s() == 30 + 25


class Kept:
    """A drill's report directory as far as a campaign reads it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def write(self, **verdict: Any) -> Path:  # noqa: ANN401
        self.directory.mkdir()
        (self.directory / "verdict.json").write_text(json.dumps(verdict))
        return self.directory


def test_a_verdict_that_its_files_do_not_bear_out_is_a_failure(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "0007").write(writes={"seconds": 0.5}, reads=None, acknowledged=10, lost=[3])
    said = {"passed": True, "failures": [], "facts": {}}
    good = runner.read_result(STORM, said, kept, 20.0, judged=True)
    assert (good.passed, good.writes_s, good.reads_s, good.lost, good.report) == (
        True,
        0.5,
        None,
        1,
        "storms/0007/report.html",
    )
    doubtful = runner.read_result(STORM, said, kept, 20.0, judged=False)
    assert not doubtful.passed
    assert doubtful.failures[0].startswith("judged anew from its files it failed: make judge REPORT=")


def test_storms_of_a_setting_share_an_instance_until_one_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ups: list[str] = []
    storms = [replace(STORM, number=number) for number in (1, 2, 3)]

    def pretend(what: str, _timeout_s: float, *words: str, options: dict[str, str], own_session: bool) -> Any:  # noqa: ANN401, ARG001
        if what == "up":
            ups.append(options["INSTANCE"])
            return own_command.subprocess.CompletedProcess([], 0, "", "")
        return own_command.subprocess.CompletedProcess([], 2, "", "wavetank: no such luck")

    monkeypatch.setattr("wavetank.drills.temporary_instances.run_command", pretend)
    monkeypatch.setattr(runner, "run_command", pretend)
    monkeypatch.setattr(runner, "left_behind", lambda _: ["volume wavetank-x"])
    monkeypatch.setattr(runner, "end_orphans", lambda _: None)
    monkeypatch.setattr(own_command, "STATE", tmp_path)
    said: list[str] = []
    results = runner.run_campaign(storms, tmp_path / "one", 1, said.append)
    assert [result.failures for result in results] == [("no such luck",)] * 3
    assert ups == ["campaign-master-slave-semi-sync-1"] * 3
    assert len(Results(tmp_path / "one" / "results.jsonl").left()) == 3
    # What has a result is not run again.
    assert runner.run_campaign(storms, tmp_path / "one", 1, said.append) == results
    assert len(ups) == 3


def test_a_campaign_is_shown_with_how_each_failed_storm_is_run_again(tmp_path: Path) -> None:
    failed = replace(RESULT, storm=replace(STORM, number=8), passed=False, failures=("1 <write> lost",))
    campaign = Campaign(5, "", 2, [RESULT, failed], ["campaign-x: volume y"])
    assert not campaign.passed
    assert report.failure_lines(campaign) == [
        "✗ 8 source-killed on master-slave semi-sync 1 via direct then command-killed at 0.25: 1 <write> lost",
        "  again: make campaign STORMS=2 SEED=5 STORM=8",
        "✗ left on this machine: campaign-x: volume y",
    ]
    console = Console(width=200, record=True, file=(tmp_path / "console").open("w"))
    console.print(report.table(campaign))
    shown = console.export_text()
    assert "source-killed" in shown
    assert ALL in shown
    written = report.write(campaign, tmp_path).read_text()
    assert "1 &lt;write&gt; lost" in written
    assert "http" not in written
    assert json.loads((tmp_path / "campaign.json").read_text())["figures"][-1]["storms"] == 2


def test_a_campaign_passes_when_all_its_storms_have() -> None:
    assert Campaign(1, "", 1, [RESULT]).passed
    assert not Campaign(1, "", 2, [RESULT]).passed
    assert not Campaign(1, "", 1, [RESULT], ["x: volume y"]).passed


def test_a_storm_that_is_run_again_says_the_command_that_runs_it_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The storm is the one of that number because so many were drawn."""
    monkeypatch.setattr(command, "all_choices", lambda _drill, _say: CHOICES)
    monkeypatch.setattr(command, "directory_of", lambda _seed, _drill: tmp_path)
    failed = replace(RESULT, storm=replace(STORM, number=8), passed=False, failures=("1 lost",))
    monkeypatch.setattr(command, "run_campaign", lambda *_of: [failed])
    campaign, _ = command.run(command.asked("20", 5, "8", "", "1"), print)
    assert report.failure_lines(campaign)[1] == "  again: make campaign STORMS=20 SEED=5 STORM=8"
    assert not campaign.passed
    monkeypatch.setattr(command, "run_campaign", lambda *_of: [RESULT])
    assert command.run(command.asked("20", 5, "8", "", "1"), print)[0].passed


def test_a_campaign_that_is_ended_ends_its_storm_and_takes_its_instance_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The storm is in another thread and in a session of its own: nobody tells it but the campaign."""
    said, program = tmp_path / "said", tmp_path / "program"
    program.write_text(
        f'#!/bin/sh\ntrap "echo calmed >>{said}; exit 1" TERM\necho "$1" >>{said}\n'
        '[ "$1" = drill ] && { sleep 30 >/dev/null 2>&1 & wait; }\nexit 0\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(own_command, "program", lambda: str(program))
    monkeypatch.setattr(own_command, "STATE", tmp_path)
    monkeypatch.setattr(
        "wavetank.drills.temporary_instances.instance_names", lambda: ["campaign-master-slave-semi-sync-1"]
    )
    monkeypatch.setattr(runner, "take_down_leftovers", lambda _: None)
    monkeypatch.setattr(runner, "left_behind", lambda _: [])
    monkeypatch.setattr(runner, "end_orphans", lambda _: None)

    # Whoever runs the tests in the background may ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt() -> None:
        wait_until("the storm", lambda: "drill" in said.read_text() if said.exists() else False, timeout_s=20)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            runner.run_campaign([STORM], tmp_path / "one", 1, lambda _: None)
    finally:
        signal.signal(signal.SIGINT, before)
    assert said.read_text().split() == ["up", "drill", "calmed", "down"]
    assert Results(tmp_path / "one" / "results.jsonl").of([STORM]) == []
