"""The page of a drill's report: the verdict on top, everything escaped, nothing fetched, and what its plots count."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from wavetank.change.timeline import Step
from wavetank.drills.reporting.page import drill_page
from wavetank.drills.reporting.recorded import Recorded
from wavetank.drills.reporting.series import buckets_of, counted, groups, latencies_ms, percentile, rate
from wavetank.drills.traffic.lag import Seen
from wavetank.drills.traffic.load import Load
from wavetank.drills.traffic.log import READ, WRITE, Operation
from wavetank.drills.traffic.outages import Outage
from wavetank.drills.traffic.promises import Promises
from wavetank.drills.traffic.verdict import Verdict, judge
from wavetank.topology.model import Topology

Page = Callable[..., str]
STORM_S = 100.0


def operation(kind: Any, id_: int, at_s: float, error: str = "") -> Operation:  # noqa: ANN401
    return Operation(kind, 1, id_, at_s - 0.005, at_s, "db1" if at_s < STORM_S else "db2", error)


# Fifty writes and reads a second for three seconds; no write from the storm on for a second, but one that fails.
WRITES = [
    operation(WRITE, number, 97 + number / 50, "error 1290" if number == 160 else "")
    for number in range(1, 300)
    if number <= 150 or number == 160 or number >= 200
]
READS = [operation(READ, number, 97 + number / 50) for number in range(1, 300)]
# From the first of them to the last.
LOAD = Load(97.02, 102.98, 1, 50, 50)
SEEN = [Seen(server, 97 + number / 10, number * 5) for number in range(1, 60) for server in ("db1", "db2")]
STEPS = [Step("db1 is gone", 0.5), Step("db2 opened", 0.51), Step("db3 repointed", 0.9)]


def judged(operations: list[Operation], held: list[int] | None = None) -> Verdict:
    there = [each.id for each in operations if each.kind == WRITE and each.acknowledged] if held is None else held
    return judge(operations, there, LOAD, STORM_S, STORM_S + 0.9)


def recorded(held: list[int] | None = None, *, may_lose: bool = False) -> Recorded:
    operations = [*WRITES, *READS]
    return Recorded(
        operations, SEEN, STORM_S, STORM_S + 0.9, STEPS, judged(operations, held), Promises(may_lose=may_lose)
    )  # fmt: skip


@pytest.fixture
def page(make_topology: Callable[..., Topology]) -> Page:
    """Return what makes a page; `failures` are the verdict's."""

    def make(seen: Recorded | None = None, failures: tuple[str, ...] = (), **facts: Any) -> str:  # noqa: ANN401
        report = {
            "drill": "breeze", "instance": "sea", "started": "today", "passed": not failures,
            "failures": list(failures), "options": {"seed": 1}, "phases": {"baseline": 3.4},
            "facts": {"before": "50 writes a second", "checks": "all good"} | facts,
        }  # fmt: skip
        return drill_page(report, "A breeze blows.", make_topology(semi_sync=1), seen, ["report.json", "db1.log"])

    return make


def above_the_plots(page: str) -> str:
    return page[page.index("<body>") :].split("<figure>", maxsplit=1)[0]


def test_a_failed_verdict_is_on_top_with_its_reasons(page: Page) -> None:
    held = [each.id for each in WRITES if each.acknowledged][:-30]
    made = page(recorded(held), ("30 writes (270, ...) acknowledged and lost",))
    top = above_the_plots(made)
    assert '<span class="verdict failed">failed</span>' in top
    assert "<li>30 writes (270, ...) acknowledged and lost</li>" in top
    assert "30 of 250 acknowledged writes are gone" in " ".join(top.split())
    assert "passed" not in re.sub(r"<[^>]*>", "", top)
    # All ids, not only examples.
    assert ", ".join(str(number) for number in range(270, 300)) in made


def test_a_passed_verdict_says_so_in_words_and_figures(page: Page) -> None:
    top = " ".join(above_the_plots(page(recorded())).split())
    assert '<span class="verdict passed">passed</span>' in top
    assert "failures" not in top
    assert "Nobody could write for 1.000 s" in top
    assert "nobody could read for 0.020 s" in top
    assert "Not one of 250 acknowledged writes is lost" in top


def test_an_outage_without_an_end_is_called_one(page: Page) -> None:
    early = [each for each in WRITES if each.done_s < STORM_S]
    seen = Recorded(early, [], STORM_S, STORM_S + 1, [], judged(early), Promises())
    top = " ".join(above_the_plots(page(seen, ("no write any more",))).split())
    assert top.count("no end") == 2
    assert "Nobody could write for 3.000 s at least, from the last acknowledged write to the end of the traffic" in top


def test_what_was_measured_is_escaped(page: Page) -> None:
    nasty = "<script>alert('&')</script>"
    steps = [Step(nasty, 0.1)]

    made = page(
        Recorded([*WRITES, operation(WRITE, 999, 101.0, nasty)], [Seen(nasty, 99.0, 1), Seen(nasty, 99.1, 1)],
                 STORM_S, STORM_S + 1, steps, judged([operation(WRITE, 999, 101.0, nasty)]), Promises()),
        (nasty,),
        rebuilt=nasty,
    )  # fmt: skip
    assert "<script" not in made
    assert made.count("&lt;script&gt;") >= 5


def test_a_page_needs_nothing_but_itself(page: Page) -> None:
    made = page(recorded(), ("lost",))
    assert "http" not in made
    assert not re.search(r"<script|<link|<img|<iframe|src=|url\(|@import|@font-face|xlink", made)
    # What it links to lies beside it.
    assert re.findall(r'href="([^"]*)"', made) == ["report.json", "db1.log"]
    assert "prefers-color-scheme: dark" in made


def test_every_figure_has_units_and_the_storm_and_its_steps(page: Page) -> None:
    made = page(recorded())
    plots = re.findall(r"<figure>.*?</figure>", made, re.DOTALL)
    titles = [re.search(r"<h2>(.*?)</h2>", plot)[1] for plot in plots]  # type: ignore[index]
    assert titles == [
        "Acknowledged operations", "Failed operations", "Latency of acknowledged operations", "Lag of each server",
    ]  # fmt: skip
    for plot, unit in zip(plots, ["a second", "in 0.1 s", "milliseconds", "milliseconds"], strict=True):
        assert f">{unit}</text>" in plot
        assert ">seconds since the storm began</text>" in plot
        # The first two steps are too near to each other for a mark each.
        for text in ("storm", "1-2", "3"):
            assert f">{text}</text>" in plot
        assert "band-storm" in plot
        assert "band-outage" in plot


def test_without_failures_there_is_no_figure_of_them(page: Page) -> None:
    fine = [each for each in WRITES if each.acknowledged]
    made = page(Recorded(fine, SEEN, STORM_S, STORM_S + 0.9, STEPS, judged(fine), Promises()))
    assert "Failed operations" not in made
    assert "Lag of each server" in made


def test_a_drill_without_traffic_shows_its_facts_and_no_plots(page: Page) -> None:
    made = page(None, conflicts={"insert/insert": {"planned": 3, "found": 3}}, boats=["a", "b"])
    assert '<span class="verdict passed">passed</span>' in made
    assert "<svg" not in made
    assert "RTO" not in made
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", made))
    assert "insert/insert planned 3 found 3" in text
    assert "db2 replica of db1" in text


def test_the_templates_are_where_the_package_is() -> None:
    import wavetank.drills.reporting as package  # noqa: PLC0415

    names = {path.name for path in Path(package.__path__[0]).iterdir()}
    assert {"drill.html.j2", "compare.html.j2", "style.css"} <= names


# --- what the plots count


def test_no_bucket_is_half_before_the_storm() -> None:
    buckets = buckets_of([*WRITES, *READS], STORM_S)
    assert buckets.width_s == 0.1
    assert buckets.of(-0.001) + 1 == buckets.of(0.001)
    assert round(buckets.first_s / buckets.width_s, 6).is_integer()


def test_the_rate_is_a_second_and_a_bucket_that_was_not_whole_has_none() -> None:
    buckets = buckets_of(WRITES, STORM_S)
    points = dict(rate([each for each in WRITES if each.acknowledged], buckets, STORM_S))
    assert points[-1.05] == 50.0
    assert points[0.55] == 0.0
    assert None in (points[buckets.middles_s[0]], points[buckets.middles_s[-1]])


def test_every_failure_is_counted_also_in_the_outermost_buckets() -> None:
    failed = [operation(WRITE, 1, 97.001, "x"), operation(WRITE, 2, 101.0, "x"), operation(WRITE, 3, 102.999, "x")]
    assert sum(count or 0 for _, count in counted(failed, buckets_of(failed, STORM_S), STORM_S)) == 3


def test_latency_is_in_milliseconds_and_nothing_has_none() -> None:
    found = latencies_ms([operation(WRITE, 1, 101.05)], buckets_of(WRITES, STORM_S), STORM_S, (50, 99))
    assert {at: round(value, 3) for at, value in found[99] if value is not None} == {1.05: 5.0}


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([], 99, None), ([3.0], 99, 3.0), ([1.0, 2.0], 50, 1.5), (list(map(float, range(1, 101))), 99, 99.0)],
)
def test_a_percentile_is_of_the_nearest_rank(values: list[float], percent: float, expected: float | None) -> None:
    assert percentile(values, percent) == expected


def test_what_is_near_is_marked_together() -> None:
    assert groups([0.1, 0.11, 0.5, 0.9, 0.95], 0.1) == [[0, 1], [2], [3, 4]]
    assert groups([], 0.1) == []


def test_an_outage_is_where_it_was() -> None:
    assert recorded().verdict.writes == Outage(1.0, 100.0)
