"""Comparisons: which settings, what becomes of their runs, and how both are shown."""

import contextlib
import io
import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console
from wavetank import own_command
from wavetank.cli.options import DEFAULT_TOPOLOGY
from wavetank.drills.comparing import report, runner
from wavetank.drills.comparing.figures import NO_END, Row, Run, middle_and_worst
from wavetank.drills.comparing.runner import read_run
from wavetank.drills.comparing.settings import Plan, Setting, make_plan
from wavetank.drills.reporting.plots import Bars, bars
from wavetank.errors import UsageError
from wavetank.provision import proxy_images


@pytest.fixture
def said() -> list[str]:
    """What was said while a plan was made."""
    return []


@pytest.fixture
def plan(said: list[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Plan]:
    """Return what makes a plan where ProxySQL's image is; `proxysql` says why it is not."""

    def make(drill: str = "source-killed", *, proxysql: str = "", **asked: str) -> Plan:
        def find(name: str) -> str:
            if proxysql:
                raise UsageError(proxysql)
            return name

        monkeypatch.setattr(proxy_images, "find_proxysql", find)
        usual = {"runs": "3", "acknowledgements": "", "ways": ""}
        return make_plan(drill, **usual | asked, plain=DEFAULT_TOPOLOGY, say=said.append)  # type: ignore[arg-type]

    return make


def test_without_more_words_every_replication_meets_every_way(plan: Callable[..., Plan], said: list[str]) -> None:
    made = plan()
    assert [(each.acknowledgements, each.via) for each in made.settings] == [
        (acknowledgements, via) for acknowledgements in (0, 1, 2) for via in ("direct", "proxysql", "routing")
    ]
    # A failover leaves as many replicas as the most acknowledgements need.
    assert (made.runs, made.replicas, made.topology) == (3, 3, "proxysql")
    assert said == []


def test_what_is_asked_for_is_compared_and_nothing_else(plan: Callable[..., Plan]) -> None:
    made = plan(acknowledgements="4,0", ways="routing, direct", runs="1")
    assert [each.slug for each in made.settings] == [
        "async-routing", "async-direct", "semi-sync-4-routing", "semi-sync-4-direct",
    ]  # fmt: skip
    assert (made.replicas, made.topology) == (5, DEFAULT_TOPOLOGY)


def test_without_an_image_of_proxysql_its_rows_are_left_out_in_a_line(
    plan: Callable[..., Plan], said: list[str]
) -> None:
    made = plan(proxysql="the image is not here")
    assert {each.via for each in made.settings} == {"direct", "routing"}
    assert made.topology == DEFAULT_TOPOLOGY
    assert said == ["without the rows through ProxySQL: the image is not here"]
    assert "ithout the rows through ProxySQL: the image is not here" in report.page(made, ROWS[:1], "today")
    assert report.as_dict(made, ROWS[:1], "today")["left_out"] == said[0]
    with pytest.raises(UsageError, match="the image is not here"):
        plan(proxysql="the image is not here", ways="proxysql")


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"drill": ""}, "say which storm: make compare DRILL=, one of .*source-killed"),
        ({"drill": "flood"}, "no drill 'flood'; there are: "),
        ({"drill": "conflict"}, "the drill conflict is not for "),
        ({"runs": "0"}, "runs=0 is not a number from 1 to 50"),
        ({"runs": "many"}, "runs=many is not a number from 1 to 50"),
        ({"acknowledgements": "1,6"}, "semi_sync=6 is not a number of acknowledgements from 0 to 5"),
        ({"ways": "direct,pigeon"}, "via=pigeon is no way to the servers; there are: direct, "),
    ],
)
def test_bad_input_is_refused_before_anything_is_brought_up(
    plan: Callable[..., Plan], asked: dict[str, str], reason: str
) -> None:
    with pytest.raises(UsageError, match=reason) as refusal:
        plan(**asked)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], None), ([2.0], (2.0, 2.0)), ([3.0, 1.0, 2.0], (2.0, 3.0)), ([1.0, 3.0], (2.0, 3.0)),
     ([1.0, NO_END, 2.0], (2.0, NO_END)), ([NO_END, NO_END, 1.0], (NO_END, NO_END))],
)  # fmt: skip
def test_of_several_runs_the_median_and_the_worst_count(values: list[float], expected: Any) -> None:  # noqa: ANN401
    assert middle_and_worst(values) == expected


VERDICT = {
    "writes": {"seconds": 0.4, "began_s": 7.0, "unfinished": False},
    "reads": {"seconds": 3.0, "began_s": 7.0, "unfinished": True}, "acknowledged": 900, "lost": [3, 4],
    "before": {"writes_per_s": 198.0, "reads_per_s": 199.0},
}  # fmt: skip


def test_a_run_is_read_from_its_report() -> None:
    run = read_run({"passed": False, "failures": ["2 writes lost"]}, VERDICT, "runs/a-1/report.html")
    assert run == Run(
        passed=False, writes_s=0.4, reads_s=NO_END, lost=2, acknowledged=900, before_per_s=198.0,
        failures=("2 writes lost",), report="runs/a-1/report.html",
    )  # fmt: skip


def good(writes_s: float, lost: int = 0) -> Run:
    return Run(True, writes_s, 0.1, lost, 900, 198.0, (), "runs/x/report.html")  # noqa: FBT003 - passed


ROWS = [
    Row(Setting(0, "direct"), (good(0.4), good(2.0, lost=7), good(0.6))),
    Row(Setting(2, "routing"), (good(0.5), good(NO_END), Run(passed=False, failures=("it <took> too long",)))),
    Row(Setting(2, "proxysql"), (Run(passed=False, failures=("nothing came up",)),)),
]
PLAN = Plan("source-killed", "proxysql", 3, (0, 2), ("direct", "routing"), 3)


def test_a_run_without_a_report_has_no_figures_and_has_not_passed() -> None:
    assert (ROWS[1].passed, ROWS[1].writes_s) == (2, (NO_END, NO_END))
    assert (ROWS[2].writes_s, ROWS[2].before_per_s) == (None, None)
    assert not report.passed(ROWS)
    assert report.passed(ROWS[:1])


def test_the_table_and_the_page_have_the_same_figures() -> None:
    console = Console(width=130, record=True, file=io.StringIO())
    console.print(report.table(PLAN, ROWS))
    shown = console.export_text()
    page = report.page(PLAN, ROWS, "today")
    cells = report.cells(ROWS[0])
    assert cells == ["0.600 s", "2.000 s", "0.100 s", "0.100 s", "0", "7", "198"]
    for cell in [*cells, "no end", "semi-sync, 2 acks", "0 of 1", "2 of 3"]:
        assert cell in shown
        assert cell in page


def test_the_page_says_first_whether_every_run_passed_and_needs_nothing_but_itself() -> None:
    page = report.page(PLAN, ROWS, "today")
    assert "not every run passed" in page.split("<table>", maxsplit=1)[0]
    assert "every run passed" in report.page(PLAN, ROWS[:1], "today").split("<table>", maxsplit=1)[0]
    assert "http" not in page
    assert "semi-sync, 2 acks, routing, run 3: it &lt;took&gt; too long" in page
    titles = re.findall(r"<figure>\s*<h2>(.*?)</h2>", page)
    assert titles == [
        "Time without an acknowledged write (RTO)", "Time without an acknowledged read (RTO)",
        "Writes before the storm", "Acknowledged writes lost (RPO)",
    ]  # fmt: skip


def test_bars_are_as_long_as_their_values_in_the_order_of_the_table() -> None:
    drawn = bars(["calm", "storm"], [Bars("median", [1.0, 2.0], "blue"), Bars("worst", [4.0, NO_END], "orange")], "s")
    svg = ET.fromstring(drawn.plot)  # noqa: S314 - our own
    lengths = {
        series.get("class"): [round(float(bar.get("width") or 0)) for bar in series.iter("rect")]
        for series in svg.iter("g")
        if (series.get("class") or "").startswith("bar-")
    }
    one = lengths["bar-orange"][0] / 4
    # The vertical axis begins at the bottom; what has no end has no bar.
    assert [round(length / one) for length in lengths["bar-blue"]] == [2, 1]
    assert len(lengths["bar-orange"]) == 1
    labels = [text.text for text in svg.iter("text") if text.text in ("calm", "storm")]
    assert labels == ["storm", "calm"]


def test_json_has_null_where_an_outage_had_no_end(tmp_path: Path) -> None:
    report.write(PLAN, ROWS, "today", tmp_path)
    written = json.loads((tmp_path / "compare.json").read_text())
    assert written["settings"][0]["writes_s"] == {"median": 0.6, "worst": 2.0}
    assert written["settings"][0]["lost"] == {"median": 0, "worst": 7}
    assert written["settings"][1]["writes_s"] == {"median": None, "worst": None}
    assert written["settings"][2]["writes_s"] is None
    assert not written["passed"]
    assert "Infinity" not in (tmp_path / "compare.json").read_text()
    assert math.isinf(ROWS[1].runs[1].writes_s)


def test_two_comparisons_at_once_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_command, "STATE", tmp_path)
    with (
        own_command.alone("comparison"),
        pytest.raises(UsageError, match="another comparison is running"),
        own_command.alone("comparison"),
    ):
        pass


def test_an_instance_that_does_not_come_up_costs_its_own_rows_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def bring_up(_: Plan, acknowledgements: int, __: Any) -> Iterator[str]:  # noqa: ANN401
        if acknowledgements == PLAN.acknowledgements[1]:
            raise UsageError("compare-semi-sync-2 did not come up: no memory")
        yield "compare-async"

    monkeypatch.setattr(own_command, "STATE", tmp_path)
    monkeypatch.setattr(runner, "_instance", bring_up)
    monkeypatch.setattr(runner, "_run", lambda *_: good(0.5))
    said: list[str] = []
    rows = runner.run_all(PLAN, tmp_path, said.append)
    assert [len(row.measured) for row in rows] == [3, 3, 0, 0]
    assert rows[2].runs[0].failures == ("compare-semi-sync-2 did not come up: no memory",)
    # The ways take turns.
    assert [line.split(":")[0] for line in said[:3]] == [
        "asynchronous, direct, run 1 of 3", "asynchronous, routing, run 1 of 3", "asynchronous, direct, run 2 of 3",
    ]  # fmt: skip
    monkeypatch.setattr(runner, "_run", lambda *_: Run(passed=False, failures=("refused",)))
    with pytest.raises(UsageError, match="no memory"):
        runner.run_all(PLAN, tmp_path, said.append)
