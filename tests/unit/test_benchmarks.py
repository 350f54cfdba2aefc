"""The arithmetic of the benchmark: what is a ratio, and what exceeds a bound."""

import argparse
import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

# The benchmark is a script in a directory of its own, not a part of the package.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import python_loop
import splitting
import spreading
import sysbench
from figures import Figure, Measured, exit_code, figures_of, mib, ratios
from wavetank.errors import UsageError
from wavetank.topology.instance import Instance


def measured(**changed: object) -> Measured:
    good = {
        "topology_up": {3: [4.0, 5.0, 4.5], 8: [8.0, 7.0, 7.5], 16: [6.0, 7.0, 6.5]},
        "plain": {3: [4.0, 4.0, 4.5], 8: [10.0, 10.0, 10.0], 16: [10.0, 10.0, 10.0]},
        "no_change": [1.3, 1.7, 1.5],
        "check": [0.7, 0.9, 0.8],
        "status": [0.6, 0.9, 0.8],
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
    assert figure("ratio, 8 servers", figures).median == 0.75
    assert exit_code(figures) == 0


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("ratio, 3 servers", {"topology_up": {3: [4.1, 4.1, 4.1]}, "plain": {3: [4.0, 4.0, 4.0]}}),
        ("ratio, 8 servers", {"topology_up": {8: [8.1, 8.1, 7.0]}, "plain": {8: [10.0, 10.0, 10.0]}}),
        ("ratio, 16 servers", {"topology_up": {16: [7.1, 7.1, 7.0]}, "plain": {16: [10.0, 10.0, 10.0]}}),
        ("no-change topology-up", {"no_change": [1.6, 1.7, 1.0]}),
        ("wavetank check", {"check": [0.9]}),
        ("wavetank status", {"status": [0.9]}),
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


# --- what it costs to split reads and writes

SYSBENCH_SAYS = """
SQL statistics:
    transactions:                        22445  (7462.40 per sec.)
    queries:                             22445  (7462.40 per sec.)
"""


def split(pair: str = "Some", threads: int = 8, *samples: tuple[float, float]) -> splitting.Measured:
    direct, through = zip(*(samples or [(100.0, 50.0), (50.0, 30.0), (10.0, 7.0)]), strict=True)
    return splitting.Measured(pair, "oltp_point_select", threads, direct, through)


def test_the_rate_is_read_from_what_sysbench_prints() -> None:
    assert sysbench.rate_in(SYSBENCH_SAYS) == 7462.4


@pytest.mark.parametrize("output", ["", "transactions:      0      (0.00 per sec.)"])
def test_nothing_done_is_no_rate(output: str) -> None:
    with pytest.raises(UsageError, match="counted no transactions"):
        sysbench.rate_in(output)


def test_a_ratio_is_through_over_direct_round_by_round() -> None:
    direct, through, ratio = split().figures
    assert (direct.name, through.name) == ("point select, 8 threads: direct, for Some", "point select, 8 threads: Some")
    assert (ratio.name, ratio.samples) == ("point select, 8 threads: ratio, Some", (0.5, 0.6, 0.7))


def test_the_plot_has_a_bar_for_each_pair_and_group_and_fetches_nothing() -> None:
    drawn = splitting.plot([split("One"), split("Other", 8, (100.0, 91.0)), split("One", 1, (100.0, 42.0))])
    for word in ("One", "Other", "point select, 8", "point select, 1", "0.60", "0.91", "0.42"):
        assert f">{word}<" in drawn
    assert not re.search(r"(src|href)=.?https?:", drawn)


@pytest.mark.parametrize("text", ["ProxySQL", "=lab:1", "Router=lab", "Router=lab:one", "Router=lab:1,two"])
def test_a_proxy_that_is_not_one_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        splitting.through(text)


@pytest.mark.parametrize("text", ["", "0", "1,x", "65"])
def test_threads_that_are_no_numbers_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        splitting.thread_counts(text)


def test_a_proxy_with_two_ports_reads_at_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Instance, "exists", property(lambda _: True))
    router, proxysql = splitting.through("Router=lab:6446,6447"), splitting.through("ProxySQL=lab:6033")
    for workload, ports in (("oltp_read_write", (6446, 6033)), ("oltp_point_select", (6447, 6033))):
        assert (router.port_for(workload), proxysql.port_for(workload)) == ports


def test_the_python_loop_says_what_sysbench_says() -> None:
    said: list[str] = []
    python_loop.oltp_read_write(lambda statement, _parameters: said.append(statement))
    assert Counter(statement.split()[0] for statement in said) == {"SELECT": 14, "UPDATE": 2, "DELETE": 1, "INSERT": 1}


def test_four_shards_are_measured_against_one_server() -> None:
    figures = spreading.figures_of(spreading.Measured(40_000, one=[2.0, 3.0], shards=[1.0, 6.0]))

    assert [figure.samples for figure in figures] == [(2.0, 3.0), (1.0, 6.0), (0.5, 2.0)]
    assert figures[2].name == "ratio, load over four shards"
    assert figures[2].good


@pytest.mark.parametrize("text", ["0", "many", "1000001", "-1"])
def test_a_number_of_orders_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="a number from 1"):
        spreading.order_count(text)
