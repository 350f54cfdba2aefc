"""GTID sets as text."""

import pytest
from wavetank.gtid import count_transactions, intervals, is_hole, union, without_server

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
        ([f"{ONE}:1-5:8", f"{ONE}:3-6,{OTHER}:2"], f"{ONE}:1-6:8-8,{OTHER}:2-2"),
        ([f"{ONE}:1-9", f"{ONE}:2-3"], f"{ONE}:1-9"),
        ([f"{ONE}:1:aux:4", f"{ONE}:2"], f"{ONE}:1-2,{ONE}:aux:4-4"),
    ],
)
def test_a_union_names_every_transaction_once(sets: list[str], expected: str) -> None:
    assert union(*sets) == expected
    assert count_transactions(union(*sets, *sets)) == count_transactions(expected)
