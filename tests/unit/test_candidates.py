"""The choice of the new source against all that replicas can have: nothing that is to be had is given up unsaid."""

import dataclasses
import itertools
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from replicating import Transactions, read, uuid_of, write
from wavetank.change.failover.candidate_selection import (
    SILENCE_S,
    Choice,
    NoCandidateError,
    PriorKnowledge,
    ReplicaState,
    choose,
    errant_transactions,
    weigh,
)
from wavetank.topology.model import Node

SOURCE = uuid_of("db1")
FIRST = PriorKnowledge(began_with="")


def replica(name: str, received: str = "", executed: str = f"{SOURCE}:1-5", **facts: object) -> ReplicaState:
    usual = ReplicaState(
        Node(name, 1, 1), "CONNECTING", 9.0, "ON", 0, received, executed, host="db1", source_uuid=SOURCE
    )  # fmt: skip
    return dataclasses.replace(usual, **facts)


def own(name: str, numbers: str) -> str:
    """Return the transactions that a replica wrote itself, after those of the source."""
    return f"{SOURCE}:1-5,{uuid_of(name)}:{numbers}"


@pytest.mark.parametrize(
    ("replicas", "chosen"),
    [
        ([replica("db2"), replica("db3")], "db2"),
        ([replica("db2"), replica("db3", executed=f"{SOURCE}:1-6")], "db3"),
        ([replica("db2"), replica("db3", received=f"{SOURCE}:4-9")], "db3"),
        ([replica("db2", received=f"{SOURCE}:6-9"), replica("db3", executed=f"{SOURCE}:1-8")], "db2"),
        ([replica("db2", executed=f"{SOURCE}:1-5", applier="OFF"), replica("db3")], "db3"),
        ([replica("db2", received=f"{SOURCE}:1-5", delay_s=60), replica("db3")], "db3"),
        # Three errant transactions are no reason to be chosen, nor is one that lacks what another one has.
        ([replica("db2", executed=own("db2", "1-3")), replica("db3")], "db3"),
        ([replica("db2", executed=own("db2", "1-99")), replica("db3", executed=f"{SOURCE}:1-6")], "db3"),
        ([replica("db2", executed=f"{SOURCE}:1-4,{uuid_of('db2')}:1-99"), replica("db3")], "db3"),
        # Who has errant transactions and everything else is still better than nobody.
        ([replica("db2", executed=own("db2", "1-3")), replica("db3", executed=f"{SOURCE}:1-4", applier="OFF")], "db2"),
    ],
)
def test_who_has_everything_is_chosen(replicas: list[ReplicaState], chosen: str) -> None:
    assert choose(replicas, FIRST).node.name == chosen


def test_where_none_is_fit_it_says_why_not_which() -> None:
    with pytest.raises(NoCandidateError, match=r"place: db2 does not apply, db3 is delayed by 60 s$"):
        choose([replica("db2", applier="OFF"), replica("db3", delay_s=60)])


def test_all_that_are_unfit_are_named_where_nobody_has_everything() -> None:
    late = {"received": f"{SOURCE}:6", "applier": "OFF", "applier_errors": 1}
    with pytest.raises(NoCandidateError, match=r"has\. db3 does not apply\. db4 does not apply\. FORCE=1 takes"):
        choose([replica("db2"), replica("db3", **late), replica("db4", **late)], FIRST)


def test_who_wrote_nothing_itself_has_the_empty_set_of_errant_transactions() -> None:
    assert [promotion.errant for promotion in weigh([replica("db2"), replica("db3")], FIRST)] == ["", ""]


@pytest.mark.parametrize(
    ("receiver", "silent_s", "from_source", "hears"),
    [
        ("ON", 0.0, True, True),
        ("ON", SILENCE_S, True, True),
        ("ON", SILENCE_S + 0.1, True, False),
        ("CONNECTING", 0.0, True, False),
        ("ON", 0.0, False, False),
    ],
)
def test_who_hears_from_the_source_says_so(receiver: str, silent_s: float, from_source: bool, hears: bool) -> None:  # noqa: FBT001
    assert replica("db2", receiver=receiver, silent_s=silent_s, from_source=from_source).hears is hears


def test_where_each_has_something_of_its_own_it_says_what_each_gives_up_and_takes_none() -> None:
    both = [replica("db2", executed=own("db2", "1-3")), replica("db3", executed=own("db3", "7"))]
    with pytest.raises(NoCandidateError) as refusal:
        choose(both, FIRST)
    assert str(refusal.value) == (
        f"no replica has everything: db2 would give up 1 transaction ({uuid_of('db3')}:7), which db3 has. "
        f"db3 would give up 3 transactions ({uuid_of('db2')}:1-3), which db2 has. "
        "FORCE=1 takes the one that gives up least"
    )
    forced = choose(both, FIRST, force=True)
    assert forced.node.name == "db2"
    assert forced.why == f"db2 gives up least: 1 transaction ({uuid_of('db3')}:7), which db3 has"
    assert forced.left_behind == {"db3": f"{uuid_of('db3')}:7"}


@pytest.mark.parametrize(
    ("changes", "began_with", "errant"),
    [
        ({}, "", {}),
        ({"executed": own("db2", "1-3")}, "", {"db2": f"{uuid_of('db2')}:1-3"}),
        # It was the source once, and that is known; or it came from the source; or nobody knows.
        ({"executed": own("db2", "1-3")}, f"{uuid_of('db2')}:1-3", {}),
        ({"executed": own("db2", "1-3")}, f"{uuid_of('db2')}:1-2", {"db2": f"{uuid_of('db2')}:3"}),
        ({"executed": own("db2", "1-3"), "received": f"{uuid_of('db2')}:1-3"}, "", {}),
        ({"executed": own("db2", "1-3")}, None, {}),
        ({"executed": own("db2", "1-3"), "source_uuid": ""}, "", {"db2": f"{uuid_of('db2')}:1-3"}),
        # A tag does not change who wrote it.
        ({"executed": f"{SOURCE}:1-5:aux:1-9"}, "", {}),
        ({"executed": f"{SOURCE}:1-5,{uuid_of('db2')}:aux:1"}, "", {"db2": f"{uuid_of('db2')}:aux:1"}),
        # What it had from another than its source is not from its source.
        (
            {"executed": own("db2", "1"), "received": f"{uuid_of('db2')}:1", "from_source": False},
            "",
            {"db2": f"{uuid_of('db2')}:1"},
        ),
    ],
)
def test_what_the_source_cannot_have_sent_is_errant(
    changes: dict[str, object], began_with: str | None, errant: dict[str, str]
) -> None:
    assert errant_transactions([replica("db2", **changes), replica("db3")], began_with) == errant


def test_where_nobody_knows_the_uuid_of_the_source_nothing_is_errant() -> None:
    assert errant_transactions([replica("db2", executed=own("db2", "1-3"), source_uuid="")], "") == {}


def test_what_two_replicas_have_came_from_their_source() -> None:
    both = [replica(name, executed=own("db4", "1-3")) for name in ("db2", "db3")]
    assert errant_transactions(both, "") == {}
    # Of a relay and the one behind it, the second has it from the first.
    assert errant_transactions([both[0], dataclasses.replace(both[1], direct=False)], "") == {
        name: f"{uuid_of('db4')}:1-3" for name in ("db2", "db3")
    }


@pytest.mark.parametrize(
    ("other", "donors", "given_up"),
    [
        ({"executed": f"{SOURCE}:1-7"}, (("db3", f"{SOURCE}:6-7"),), ""),
        ({"received": f"{SOURCE}:6", "delay_s": 9}, (("db3", f"{SOURCE}:6"),), ""),
        ({"received": f"{SOURCE}:6", "applier": "OFF"}, (("db3", f"{SOURCE}:6"),), ""),
        ({"received": f"{SOURCE}:6", "applier": "OFF", "applier_errors": 1}, (), f"{SOURCE}:6"),
        ({"executed": f"{SOURCE}:1-6", "purged": f"{SOURCE}:1-5"}, (("db3", f"{SOURCE}:6"),), ""),
        ({"executed": f"{SOURCE}:1-6", "purged": f"{SOURCE}:1-6"}, (), f"{SOURCE}:6"),
        # Its errant transactions would come along.
        ({"executed": f"{SOURCE}:1-6,{uuid_of('db3')}:1"}, (), f"{SOURCE}:6"),
    ],
)
def test_what_one_lacks_is_fetched_from_who_can_give_it(
    other: dict[str, object], donors: tuple[tuple[str, str], ...], given_up: str
) -> None:
    promotion, _ = weigh([replica("db2"), replica("db3", **other)], FIRST)
    assert (promotion.donors, promotion.given_up) == (donors, given_up)


def test_who_does_not_answer_any_more_still_has_what_it_was_seen_to_have() -> None:
    known = dataclasses.replace(FIRST, seen={"db3": f"{SOURCE}:1-6"})
    with pytest.raises(NoCandidateError, match=rf"db2 would give up 1 transaction \({SOURCE}:6\), which db3 has"):
        choose([replica("db2")], known)
    # One that was restarted has lost what it had only received.
    with pytest.raises(NoCandidateError, match=rf"db2 would give up 1 transaction \({SOURCE}:6\), which db3 has"):
        choose([replica("db2"), replica("db3")], known)
    assert choose([replica("db2", executed=f"{SOURCE}:1-6")], known).node.name == "db2"


@pytest.mark.parametrize(
    ("absent", "acknowledgements", "refused"),
    [((), 1, False), (("db3",), 0, False), (("db3",), 1, True), (("db3",), 2, False), (("db3", "db4"), 2, True)],
)
def test_who_is_absent_may_have_acknowledged(absent: tuple[str, ...], acknowledgements: int, refused: bool) -> None:  # noqa: FBT001
    known = PriorKnowledge(absent=absent, acknowledgements=acknowledgements, replicas=3)
    if refused:
        with pytest.raises(NoCandidateError, match=r"^db3 does not answer.*may be nowhere else. make topology-up"):
            choose([replica("db2")], known)
        assert choose([replica("db2")], known, force=True).node.name == "db2"
    else:
        assert choose([replica("db2")], known).node.name == "db2"


def test_who_is_absent_and_who_was_restarted_are_doubtful_together() -> None:
    known = PriorKnowledge(absent=("db3",), restarted=("db4",), acknowledgements=2, replicas=3)
    with pytest.raises(NoCandidateError, match=r"^db3 does not answer, db4 was started again"):
        choose([replica("db2")], known)


def test_who_was_chosen_stays_chosen_while_nothing_speaks_against_it() -> None:
    known = dataclasses.replace(FIRST, chosen="db3")
    assert choose([replica("db2"), replica("db3")], known).node.name == "db3"
    assert choose([replica("db2"), replica("db3", applier="OFF")], known).node.name == "db2"


# --- against all subsets

OF_SOURCE = [(SOURCE, number) for number in (1, 2, 3)]
ERRANT = [(uuid_of(name), 1) for name in ("db2", "db3")]


def subsets(items: Sequence[tuple[str, int]]) -> Iterable[Transactions]:
    return map(set, itertools.chain.from_iterable(itertools.combinations(items, n) for n in range(len(items) + 1)))


def judged(replicas: list[ReplicaState]) -> Choice | None:
    try:
        return choose(replicas, FIRST)
    except NoCandidateError:
        return None


def test_of_two_healthy_replicas_with_all_subsets_none_gives_up_what_the_source_sent() -> None:
    """Each has executed some of three transactions of the source, and may have one of its own."""
    for mine, theirs in itertools.product(
        list(subsets([*OF_SOURCE, ERRANT[0]])), list(subsets([*OF_SOURCE, ERRANT[1]]))
    ):
        choice = judged([replica("db2", executed=write(mine)), replica("db3", executed=write(theirs))])
        sent = (mine | theirs) & set(OF_SOURCE)
        complete = [own for own in (mine, theirs) if sent <= own]
        if choice is None:
            # Both have something of their own, or the only one that has the rest cannot give it without its own.
            assert all(each - set(OF_SOURCE) for each in complete), (mine, theirs)
            assert ERRANT[0] in mine or ERRANT[1] in theirs
            continue
        chosen, other = (mine, theirs) if choice.node.name == "db2" else (theirs, mine)
        assert sent <= read(choice.target)
        assert sent <= chosen | (other if not other - set(OF_SOURCE) else set())
        # Nobody with something of its own is taken where another one has all and nothing of its own.
        if any(not each - set(OF_SOURCE) for each in complete):
            assert not chosen - set(OF_SOURCE), (mine, theirs)


@st.composite
def replicas(draw: st.DrawFn) -> list[ReplicaState]:
    """Draw replicas that have executed and received anything, in any state."""
    count = draw(st.integers(1, 3))
    found = []
    for number in range(2, 2 + count):
        name = f"db{number}"
        mine = [*OF_SOURCE, (uuid_of(name), 1)]
        executed = draw(st.sets(st.sampled_from(mine)))
        received = draw(st.sets(st.sampled_from(OF_SOURCE)))
        purged = draw(st.sets(st.sampled_from(sorted(executed)))) if executed and draw(st.booleans()) else set()
        state = draw(st.sampled_from([("ON", 0, 0)] * 3 + [("OFF", 0, 0), ("OFF", 0, 1), ("ON", 60, 0)]))
        found.append(
            replica(
                name, write(received), write(executed), purged=write(purged),
                applier=state[0], delay_s=state[1], applier_errors=state[2],
            )
        )  # fmt: skip
    return found


def has(one: ReplicaState) -> Transactions:
    return read(one.executed) | read(one.received)


def can_give(donor: ReplicaState, candidate: ReplicaState) -> Transactions:
    """Return what a candidate can have from another replica, said once more in plain sets."""
    if has(donor) - set(OF_SOURCE) or not read(donor.purged) <= has(candidate):
        return set()
    return read(donor.executed) if donor.applier_errors else has(donor)


def in_reach(candidate: ReplicaState, replicas: list[ReplicaState]) -> Transactions:
    return has(candidate).union(*(can_give(other, candidate) for other in replicas if other is not candidate))


@given(replicas(), st.booleans())
def test_the_choice_is_complete_or_refused(replicas: list[ReplicaState], force: bool) -> None:  # noqa: FBT001
    sent = set.union(*map(has, replicas)) & set(OF_SOURCE)
    everything = set.union(*map(has, replicas))
    fit = [each for each in replicas if each.applier == "ON" and not each.delay_s]

    def lost_with(each: ReplicaState) -> Transactions:
        wanted = everything if has(each) - set(OF_SOURCE) else sent
        return wanted - in_reach(each, replicas)

    if not fit or (not force and all(lost_with(each) for each in fit)):
        with pytest.raises(NoCandidateError) as refusal:
            choose(replicas, FIRST, force=force)
        missing = {name for each in fit for name, _ in lost_with(each)}
        assert all(name in str(refusal.value) for name in missing)
        return
    choice = choose(replicas, FIRST, force=force)
    chosen = choice.promotion.replica
    assert chosen in fit
    lost = lost_with(chosen)
    assert len(lost) == min(len(lost_with(each)) for each in fit)
    assert force or not lost
    assert read(choice.target) == (has(chosen) | (everything if has(chosen) - set(OF_SOURCE) else sent)) - lost
    assert read(choice.promotion.given_up) == lost
    for name, gtids in choice.promotion.donors:
        (donor,) = (each for each in replicas if each.name == name)
        assert read(gtids) <= can_give(donor, chosen) - has(chosen)


@given(replicas(), st.randoms(use_true_random=False))
def test_the_order_of_the_replicas_changes_nothing_but_a_tie(replicas: list[ReplicaState], random: object) -> None:
    shuffled = list(replicas)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = judged(replicas), judged(shuffled)
    assert (one is None) == (other is None)
    if one and other:
        assert bool(one.promotion.errant) == bool(other.promotion.errant)
        assert len(read(one.promotion.lacks)) == len(read(other.promotion.lacks))
