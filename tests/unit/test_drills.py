"""The drills: found by their files, refused where they mean nothing, and what their reports say."""

import html
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from histories import honest
from wavetank.conflicts.resolve import Strategy, read_strategy
from wavetank.conflicts.survey import peer_names
from wavetank.drills import runner
from wavetank.drills.drill import Options
from wavetank.drills.judging.history import DrillHistory, read_history
from wavetank.drills.judging.judges import judge
from wavetank.drills.runner import DrillReport, all_drills, drill_list, find_drill, run_drill
from wavetank.drills.traffic.promises import Promises
from wavetank.errors import UnreachableError, UsageError
from wavetank.machine import containers
from wavetank.servers.node import Servers
from wavetank.topology.instance import HOME
from wavetank.topology.model import Topology

RING = {
    "db1": {"server_id": 1, "writable": True, "replicates_from": "db2"},
    "db2": {"server_id": 2, "writable": True, "replicates_from": "db1"},
}


def test_every_file_in_drills_is_a_drill() -> None:
    files = {path.stem for path in (HOME / "scripts" / "wavetank" / "drills" / "storms").glob("*.py")} - {"__init__"}
    assert {name.replace("-", "_") for name in all_drills()} == files


@pytest.mark.parametrize("name", sorted(all_drills()))
def test_a_drill_says_in_a_sentence_what_its_storm_is(name: str) -> None:
    drill = all_drills()[name]
    assert drill.__doc__
    assert drill.STORM.endswith(".")
    assert "\n" not in drill.STORM
    pages = [page.read_text() for page in (HOME / "docs" / "drills").glob("*.md")]
    assert any(f"`{name}`" in page or f"DRILL={name}\n" in page for page in pages)


def test_the_list_says_which_topologies_a_drill_is_for() -> None:
    listed = drill_list()
    assert listed.keys() == all_drills().keys()
    assert listed["conflict"]["topologies"] == ["master-master"]


def test_an_unknown_drill_is_refused_with_those_that_there_are(make_topology: Callable[..., Topology]) -> None:
    with pytest.raises(UsageError, match=r"no drill 'flood'; there are: .*conflict"):
        find_drill("flood", make_topology(RING))


def test_a_drill_that_means_nothing_to_a_topology_is_refused(make_topology: Callable[..., Topology]) -> None:
    with pytest.raises(UsageError, match="the drill conflict is not for sea"):
        find_drill("conflict", make_topology())


def test_without_peers_there_are_no_conflicts(make_topology: Callable[..., Topology]) -> None:
    with pytest.raises(UsageError, match="no servers that replicate from each other"):
        peer_names(Servers(make_topology()))


@pytest.mark.parametrize(
    ("text", "strategy"),
    [
        ("latest-wins", Strategy("latest-wins")),
        ("manual", Strategy("manual")),
        ("source-wins=db2", Strategy("source-wins", "db2")),
    ],
)
def test_a_strategy_reads_back_as_it_is_written(
    make_topology: Callable[..., Topology], text: str, strategy: Strategy
) -> None:
    assert read_strategy(text, make_topology(RING)) == strategy
    assert str(strategy) == text


class Breeze:
    """A drill that does nothing, but for what the test wants."""

    breaks_with: BaseException = UsageError("the mast is gone")

    def __init__(self, failures: list[str], breaks: str = "") -> None:
        self.facts: dict[str, Any] = {"wind": {"from": "west", "knots": {"mean": 3, "gusts": 5}}, "boats": ["a", "b"]}
        self.reverted = False
        self.done: list[str] = []
        self._failures = failures
        self._breaks = breaks
        self._history = honest("switchover").operations, honest("switchover").held

    def _phase(self, name: str) -> None:
        self.done.append(name)
        if name == self._breaks:
            raise self.breaks_with

    def baseline(self) -> None:
        self._phase("baseline")

    def storm(self) -> None:
        self._phase("storm")

    def recovery(self) -> None:
        self._phase("recovery")

    def mend(self) -> None:
        self.done.append("mended")
        self._phase("mending")

    def history(self) -> DrillHistory:
        self._phase("verdict")
        return DrillHistory(replace(honest("switchover").declared, witnessed=tuple(self._failures)), *self._history)

    def files(self) -> dict[str, list[str]]:
        return {"log.txt": ["one\n", "two\n"]}

    def recorded(self, _: object) -> None:
        pass

    def revert_faults(self) -> None:
        self.reverted = True
        self._phase("reverting faults")


@pytest.fixture
def breeze(monkeypatch: pytest.MonkeyPatch, make_topology: Callable[..., Topology]) -> Callable[..., Any]:
    """Return a function that runs a drill of the test's own."""

    def run(drill: Breeze) -> DrillReport:
        module = SimpleNamespace(
            STORM="A breeze.", PROMISES=Promises(), MENDED_BY="", concerns=lambda _: True, prepare=lambda *_: drill
        )
        monkeypatch.setattr(runner, "all_drills", lambda: {"breeze": module})
        monkeypatch.setattr(containers, "log_since", lambda name, _: f"{name} creaks\n" if "db1" in name else "")
        return run_drill("breeze", Servers(make_topology()), Options(), lambda _: None)

    return run


def test_a_report_is_written_and_says_how_long_each_phase_took(breeze: Callable[[Breeze], DrillReport]) -> None:
    report = breeze(Breeze([]))
    assert report.passed
    assert list(report.phases) == ["baseline", "storm", "recovery", "mending", "verdict"]
    written = json.loads((Path(report.directory) / "report.json").read_text())
    assert written["passed"]
    assert written["facts"]["boats"] == ["a", "b"]
    summary = (Path(report.directory) / "summary.txt").read_text()
    assert "knots" in summary
    assert "mean 3, gusts 5" in summary
    assert "breeze of sea: passed" in summary
    assert summary.splitlines()[-1] == f"report: {report.directory}/report.html"


def test_beside_a_report_lie_its_files_the_servers_logs_and_a_page_that_links_to_them(
    breeze: Callable[[Breeze], DrillReport],
) -> None:
    report = breeze(Breeze([]))
    files = {path.name for path in Path(report.directory).iterdir()}
    logs = {"db1.log", "db2.log", "db3.log"}
    kept = {"declared.json", "operations.jsonl", "held.jsonl", "verdict.json"}
    assert files == {"report.json", "summary.txt", "log.txt", *logs, *kept, "report.html"}
    assert (Path(report.directory) / "db1.log").read_text() == "wavetank-sea-db1 creaks\n"
    page = Path(report.page).read_text()
    assert all(f'href="{name}"' in page for name in files - {"report.html"})


def test_a_verdict_with_a_failure_is_none_that_passed(breeze: Callable[[Breeze], DrillReport]) -> None:
    report = breeze(Breeze(["boat b is lost"]))
    assert not report.passed
    assert "✗ boat b is lost" in list(report.lines())
    assert list(report.lines())[-2] == "breeze of sea: failed"


def test_a_verdict_is_that_of_the_judge_of_the_kept_files(breeze: Callable[[Breeze], DrillReport]) -> None:
    report = breeze(Breeze(["boat b is lost"]))
    judgement = judge(read_history(Path(report.directory)))
    assert list(judgement.failures) == report.failures == ["boat b is lost"]
    assert json.loads((Path(report.directory) / "verdict.json").read_text()) == json.loads(
        json.dumps(judgement.as_dict())
    )
    assert judgement.declared.drill == "breeze"


def test_what_is_refused_before_the_storm_is_no_failed_drill(breeze: Callable[[Breeze], DrillReport]) -> None:
    drill = Breeze([], breaks="baseline")
    with pytest.raises(UsageError, match="the mast is gone"):
        breeze(drill)
    assert drill.reverted
    assert drill.done == ["baseline", "reverting faults"]


@pytest.mark.parametrize("error", [UsageError("the mast is gone"), UnreachableError("db1", "refused"), TypeError("oh")])
@pytest.mark.parametrize("phase", ["storm", "recovery", "mending", "verdict", "reverting faults"])
def test_a_phase_that_fails_is_a_failure_with_a_whole_report(
    breeze: Callable[[Breeze], DrillReport], phase: str, error: Exception
) -> None:
    drill = Breeze([], breaks=phase)
    drill.breaks_with = error
    report = breeze(drill)
    assert drill.reverted
    # The traffic is ended and the mending done whatever went wrong before.
    assert "mended" in drill.done
    assert ("recovery" in drill.done) == (phase != "storm")
    assert len(report.failures) == 1
    assert report.failures[0].startswith(f"{phase} failed: ")
    assert str(error) in report.failures[0]
    directory = Path(report.directory)
    files = {path.name for path in directory.iterdir()}
    assert files >= {"report.json", "report.html", "summary.txt", "traceback.txt", "db1.log"}
    assert ("operations.jsonl" in files) == (phase != "verdict")
    assert phase == "verdict" or list(judge(read_history(directory)).failures) == report.failures
    assert report.failures[0] in html.unescape((directory / "report.html").read_text())


def test_an_error_that_nobody_expected_before_the_storm_is_a_failure_too(
    breeze: Callable[[Breeze], DrillReport],
) -> None:
    drill = Breeze([], breaks="baseline")
    drill.breaks_with = TypeError("oh")
    report = breeze(drill)
    assert report.failures == ["baseline failed: TypeError: oh"]
    assert "storm" not in drill.done


@pytest.mark.parametrize("phase", ["baseline", "storm", "recovery", "mending", "verdict"])
def test_ctrl_c_reverts_the_fault_and_leaves_no_report(
    breeze: Callable[[Breeze], DrillReport], phase: str, state: Path
) -> None:
    drill = Breeze([], breaks=phase)
    drill.breaks_with = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        breeze(drill)
    assert drill.reverted
    assert drill.done[-2:] == [phase, "reverting faults"]
    assert not list(state.rglob("report.json"))
