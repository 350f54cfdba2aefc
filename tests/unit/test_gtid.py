"""GTID sets as text."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wavetank.servers.gtid import (
    common,
    count_transactions,
    intervals,
    is_hole,
    is_subset,
    subtract,
    union,
    without_server,
)

ONE, OTHER = "3e11fa47-71ca-11e1-9e33-c80aa9429562", "4e11fa47-71ca-11e1-9e33-c80aa9429562"


def test_intervals_are_read_with_their_tags() -> None:
    assert intervals(f"{ONE}:1-5:8:aux:2-3,\n{OTHER}:7") == {
        ONE: [(1, 5), (8, 8)],
        f"{ONE}:aux": [(2, 3)],
        OTHER: [(7, 7)],
    }


@pytest.mark.parametrize(("text", "count"), [("", 0), (f"{ONE}:1-5:8", 6), (f"{ONE}:1,{OTHER}:1-10", 11)])
def test_transactions_are_counted(text: str, count: int) -> None:
    assert count_transactions(text) == count


def test_those_of_one_server_can_be_left_out() -> None:
    assert without_server(f"{ONE}:1:aux:4,\n{OTHER}:1-10", ONE) == f"{OTHER}:1-10"
    assert without_server(f"{ONE}:1:aux:4,\n{OTHER}:1-10", "") == f"{ONE}:1:aux:4,{OTHER}:1-10"


@pytest.mark.parametrize(
    ("missing", "executed", "hole"),
    [
        ("", f"{ONE}:1-9", False),
        (f"{ONE}:10-12", f"{ONE}:1-9", False),
        (f"{ONE}:4", f"{ONE}:1-3:5-9", True),
        (f"{ONE}:4:10-12", f"{ONE}:1-3:5-9", True),
        (f"{OTHER}:1-3", f"{ONE}:1-9", False),
    ],
)
def test_a_hole_is_older_than_what_was_executed(missing: str, executed: str, hole: bool) -> None:  # noqa: FBT001
    assert is_hole(missing, executed) is hole


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        (["", ""], ""),
        ([f"{ONE}:1-5", f"{ONE}:6-9"], f"{ONE}:1-9"),
        ([f"{ONE}:1-5:8", f"{ONE}:3-6,{OTHER}:2"], f"{ONE}:1-6:8,{OTHER}:2"),
        ([f"{ONE}:1-9", f"{ONE}:2-3"], f"{ONE}:1-9"),
        ([f"{ONE}:1:aux:4", f"{ONE}:2"], f"{ONE}:1-2,{ONE}:aux:4"),
    ],
)
def test_a_union_names_every_transaction_once(sets: list[str], expected: str) -> None:
    assert union(*sets) == expected
    assert count_transactions(union(*sets, *sets)) == count_transactions(expected)


# --- against plain sets of transactions

Pairs = frozenset[tuple[str, int]]
KEYS = [ONE, OTHER, f"{ONE}:aux", f"{OTHER}:aux"]
PAIRS = st.frozensets(st.tuples(st.sampled_from(KEYS), st.integers(1, 12)), max_size=24)


def pairs_of(gtid_set: str) -> Pairs:
    """Read a set one transaction at a time."""
    return frozenset(
        (key, number)
        for key, ranges in intervals(gtid_set).items()
        for first, last in ranges
        for number in range(first, last + 1)
    )


@st.composite
def written(draw: st.DrawFn) -> str:
    """Write a set in one of the ways in which it can be: intervals in any order, overlapping, empty, with spaces."""
    parts = []
    for key, group in itertools.groupby(sorted(draw(PAIRS)), key=lambda pair: pair[0]):
        tokens = [draw(st.sampled_from([f"{n}", f"{n}-{n}", f"{n}-{n + 2}", f"{n + 1}-{n}"])) for _, n in group]
        parts.append(":".join([key, *draw(st.permutations(tokens))]))
    return draw(st.sampled_from([",", ",\n", ", "])).join(draw(st.permutations(parts)))


@given(written(), written())
def test_sets_are_added_subtracted_and_compared_as_sets(one: str, other: str) -> None:
    mine, theirs = pairs_of(one), pairs_of(other)
    assert pairs_of(union(one, other)) == mine | theirs
    assert pairs_of(subtract(one, other)) == mine - theirs
    assert pairs_of(common(one, other)) == mine & theirs
    assert is_subset(one, other) is (mine <= theirs)
    assert count_transactions(one) == len(mine)


@given(written(), written(), written())
def test_several_sets_are_subtracted_at_once(one: str, other: str, third: str) -> None:
    assert subtract(one, other, third) == subtract(subtract(one, other), third)
    assert is_subset(one, other, third) is (pairs_of(one) <= pairs_of(other) | pairs_of(third))


@given(written())
def test_a_set_is_written_one_way_only(text: str) -> None:
    assert union(text) == union(*(f"{key}:{number}" for key, number in pairs_of(text)))
    assert subtract(text, text) == ""


def test_upper_case_and_empty_intervals_are_read_as_mysql_reads_them() -> None:
    assert is_subset(f"{ONE.upper()}:AUX:3-4:9-8", f"{ONE}:aux:1-5")
    assert not is_subset(f"{ONE}:3", f"{ONE}:aux:1-5")
