"""GTID sets as text, against sets of transactions as Python has them: whatever is drawn, both say the same."""

import itertools
import uuid
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wavetank.servers.gtid import contains, count_transactions, intervals, is_hole, only_server, union, without_server

SERVERS = [str(uuid.UUID(int=number)) for number in (1, 2, 3)]
# A key is the server, with the tag where there is one; few numbers, so that intervals touch and overlap.
KEYS = [*SERVERS, f"{SERVERS[0]}:aux"]
Transactions = frozenset[tuple[str, int]]
TRANSACTIONS = st.frozensets(st.tuples(st.sampled_from(KEYS), st.integers(1, 12)), max_size=20)


def text(transactions: Transactions) -> str:
    """Return a set as MySQL writes it: by server, each tag behind its server's own, neighbours as one interval."""
    parts: dict[str, list[str]] = {}
    for key in sorted({key for key, _ in transactions}):
        server, _, tag = key.partition(":")
        parts.setdefault(server, []).extend([tag] * bool(tag))
        numbers = sorted(number for each, number in transactions if each == key)
        while numbers:
            first = last = numbers.pop(0)
            while numbers and numbers[0] == last + 1:
                last = numbers.pop(0)
            parts[server].append(f"{first}-{last}" if last > first else str(first))
    return ",\n".join(":".join([server, *tokens]) for server, tokens in parts.items())


def listed(ranges: Mapping[str, list[tuple[int, int]]]) -> list[tuple[str, int]]:
    """Return every transaction that intervals name, as often as they do."""
    return sorted(
        (key, number) for key, pairs in ranges.items() for low, high in pairs for number in range(low, high + 1)
    )


@given(TRANSACTIONS)
def test_what_is_read_is_what_was_written(transactions: Transactions) -> None:
    assert listed(intervals(text(transactions))) == sorted(transactions)
    assert count_transactions(text(transactions)) == len(transactions)


@given(st.lists(TRANSACTIONS, max_size=4))
def test_a_union_has_what_one_of_them_has_and_each_once(sets: list[Transactions]) -> None:
    together = union(*map(text, sets))
    assert listed(intervals(together)) == sorted(frozenset().union(*sets))
    # Neighbours are one interval: two equal unions are equal texts.
    for ranges in intervals(together).values():
        assert all(after > last + 1 for (_, last), (after, _) in itertools.pairwise(ranges))


@given(TRANSACTIONS, st.sampled_from(KEYS), st.integers(1, 13))
def test_a_set_contains_what_is_in_it(transactions: Transactions, key: str, number: int) -> None:
    assert contains(intervals(text(transactions)), f"{key}:{number}") is ((key, number) in transactions)


@given(TRANSACTIONS, st.sampled_from(SERVERS))
def test_a_set_falls_into_what_one_server_wrote_and_the_rest(transactions: Transactions, server: str) -> None:
    # What carries a tag is the server's, too.
    own = sorted(each for each in transactions if each[0].partition(":")[0] == server)
    rest = sorted(each for each in transactions if each[0].partition(":")[0] != server)
    assert listed(intervals(only_server(text(transactions), server))) == own
    assert listed(intervals(without_server(text(transactions), server))) == rest
    assert listed(intervals(without_server(text(transactions), ""))) == sorted(transactions)


@given(TRANSACTIONS, TRANSACTIONS)
def test_a_hole_is_what_is_older_than_something_executed(missing: Transactions, executed: Transactions) -> None:
    missing -= executed
    older = any(key == other and number < newest for key, number in missing for other, newest in executed)
    assert is_hole(text(missing), text(executed)) is older


@pytest.mark.parametrize("gtid_set", [f"{SERVERS[0]}:1-2,\n{SERVERS[1]}:5", f" {SERVERS[0]}:1-2, {SERVERS[1]}:5 "])
def test_a_set_may_come_in_lines_and_with_blanks(gtid_set: str) -> None:
    assert intervals(gtid_set) == {SERVERS[0]: [(1, 2)], SERVERS[1]: [(5, 5)]}
    assert only_server(gtid_set, SERVERS[0]) == f"{SERVERS[0]}:1-2"
    assert only_server(gtid_set, SERVERS[1]) == f"{SERVERS[1]}:5"
    assert without_server(gtid_set, SERVERS[1]) == f"{SERVERS[0]}:1-2"


def test_a_server_may_have_several_entries_as_a_union_writes_them() -> None:
    one, other = SERVERS[:2]
    assert only_server(f"{one}:1,{other}:5,{one}:aux:4", one) == f"{one}:1,{one}:aux:4"
    assert without_server(f"{one}:1,{other}:5,{one}:aux:4", other) == f"{one}:1,{one}:aux:4"
