"""The arithmetic of the benchmark: what is a ratio, and what exceeds a bound."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

# The benchmark is a script in a directory of its own, not a part of the package.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from figures import Figure, Measured, exit_code, figures_of, mib, ratios


def measured(**changed: object) -> Measured:
    good = {
        "topology_up": {3: [4.0, 5.0, 4.5], 8: [9.0, 8.0, 8.5]},
        "plain": {3: [4.0, 4.0, 4.5], 8: [10.0, 10.0, 10.0]},
        "no_change": [3.0, 4.0, 3.5],
        "check": [1.0, 1.5, 1.2],
        "node_memory": [340.0, 345.0, 349.0],
    }
    return Measured(**good | changed)  # type: ignore[arg-type]


def figure(name: str, figures: list[Figure]) -> Figure:
    return next(figure for figure in figures if figure.name == name)


def test_ratios_are_taken_pair_by_pair() -> None:
    # A machine twice as slow for one pair leaves the ratio where it was.
    assert ratios([4, 8], [5, 10]) == (0.8, 0.8)


def test_a_side_without_its_other_is_no_pair() -> None:
    with pytest.raises(ValueError, match="zip"):
        ratios([4, 8], [5])


def test_within_all_bounds() -> None:
    figures = figures_of(measured())
    assert figure("ratio, 3 servers", figures).median == 1.0
    assert figure("ratio, 8 servers", figures).median == 0.85
    assert exit_code(figures) == 0


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("ratio, 3 servers", {"topology_up": {3: [6.5, 6.5, 6.5]}, "plain": {3: [4.0, 4.0, 4.0]}}),
        ("ratio, 8 servers", {"topology_up": {8: [10.1, 10.1, 9.0]}, "plain": {8: [10.0, 10.0, 10.0]}}),
        ("no-change topology-up", {"no_change": [5.1, 5.2, 1.0]}),
        ("wavetank check", {"check": [2.1]}),
        ("idle memory a node", {"node_memory": [340.0, 340.0, 351.0]}),
    ],
)
def test_an_exceeded_bound_is_red(name: str, changed: dict[str, Any]) -> None:
    figures = figures_of(measured(**changed))
    assert [each.name for each in figures if not each.good] == [name]
    assert exit_code(figures) == 1


def test_a_bound_that_is_met_exactly_is_green() -> None:
    assert Figure("check", "s", (2.0,), bound=2.0).good


def test_one_slow_run_does_not_fail_a_time_but_one_full_node_fails_the_memory() -> None:
    samples = (1.0, 1.0, 9.0)
    assert Figure("time", "s", samples, bound=2.0).good
    assert not Figure("memory", "MiB", samples, bound=2.0, judged_by="max").good


def test_what_was_not_measured_has_no_line_and_an_unusual_size_no_bound() -> None:
    figures = figures_of(Measured(topology_up={5: [9.0]}, plain={5: [3.0]}))
    assert [each.name for each in figures] == [
        "topology-up, 5 servers",
        "the plain way, 5 servers",
        "ratio, 5 servers",
    ]
    assert exit_code(figures) == 0


def test_figures_can_be_written_as_json() -> None:
    assert json.loads(json.dumps(Figure("check", "s", (1.0, 2.0, 4.0), bound=3.0).as_dict())) == {
        "name": "check",
        "unit": "s",
        "min": 1.0,
        "median": 2.0,
        "max": 4.0,
        "bound": 3.0,
        "judged_by": "median",
        "good": True,
    }


@pytest.mark.parametrize(
    ("usage", "expected"),
    [("346.8MiB / 512MiB", 346.8), ("1.5GiB / 2GiB", 1536.0), ("512KiB / 1GiB", 0.5), ("0B / 0B", 0.0)],
)
def test_memory_as_docker_stats_says_it(usage: str, expected: float) -> None:
    assert mib(usage) == expected


def test_memory_that_docker_stats_does_not_know_is_not_zero() -> None:
    with pytest.raises(ValueError, match="--"):
        mib("-- / --")
