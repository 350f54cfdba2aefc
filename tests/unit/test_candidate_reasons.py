"""From whom a new source fetches what it lacks, and how a person is told of the choice."""

import dataclasses

import pytest
from replicating import uuid_of
from wavetank.change.failover.candidate_selection import Promotion, ReplicaState, _donors, _why, some
from wavetank.topology.model import Node

SOURCE = uuid_of("db1")


def replica(name: str, last: int, **facts: object) -> ReplicaState:
    """Return a replica that has the source's transactions up to the last."""
    executed = f"{SOURCE}:1-{last}"
    usual = ReplicaState(Node(name, 1, 1), "ON", 9.0, "ON", 0, "", executed, host="db1", source_uuid=SOURCE)
    return dataclasses.replace(usual, **facts)


def test_who_gives_most_is_asked_first_and_nobody_for_what_another_one_has_given() -> None:
    others = [replica("db3", 7), replica("db4", 9), replica("db5", 9)]
    assert list(_donors(replica("db2", 5), f"{SOURCE}:6-9", others)) == [("db4", f"{SOURCE}:6-9")]


def test_what_one_cannot_give_is_fetched_from_the_next() -> None:
    # Who has purged what the candidate lacks cannot send even what comes after it.
    others = [replica("db3", 7), replica("db4", 9, purged=f"{SOURCE}:1-6"), replica("db5", 9, applier_errors=1)]
    assert list(_donors(replica("db2", 5), f"{SOURCE}:6-9", others)) == [
        ("db5", f"{SOURCE}:6-9"),
    ]
    assert list(_donors(replica("db2", 5), f"{SOURCE}:6-9", others[:2])) == [("db3", f"{SOURCE}:6-7")]


@pytest.mark.parametrize(
    ("last", "text"), [("1", "1 transaction"), ("1-2", "2 transactions"), ("1-3", "3 transactions")]
)
def test_transactions_are_counted_in_words(last: str, text: str) -> None:
    assert some(f"{SOURCE}:{last}") == f"{text} ({SOURCE}:{last})"


def promotion(name: str, **facts: object) -> Promotion:
    return dataclasses.replace(Promotion(replica(name, 5), "", "", (), "", ()), **facts)


def test_why_it_is_chosen_is_said() -> None:
    two = [promotion("db2"), promotion("db3")]
    assert _why(two[0], two) == "db2 has everything"
    assert _why(two[0], two[:1]) == "db2 is the only one that can, and has everything"
    gtids = f"{SOURCE}:6-7"
    fetches = promotion("db2", donors=(("db3", gtids), ("db4", f"{SOURCE}:8")))
    assert _why(fetches, two) == (
        f"db2 has everything once it has fetched 2 transactions ({gtids}) from db3 "
        f"and 1 transaction ({SOURCE}:8) from db4"
    )
    gives_up = promotion("db2", given_up=gtids, holders=(("db3", gtids),), donors=(("db4", gtids),))
    assert _why(gives_up, two) == f"db2 gives up least: 2 transactions ({gtids}), which db3 has"
    assert _why(promotion("db2", errant=gtids), two) == (
        f"db2 alone has everything, with 2 transactions ({gtids}) that its source never sent"
    )
