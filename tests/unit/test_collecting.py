"""After the fence: what is waited for, whom the new source gets it from, and what of all that is remembered."""

import itertools
import time
from collections.abc import Callable, Mapping
from types import SimpleNamespace

import pytest
from replicating import PretendedFleet, committed, replicas_of_db1, uuid_of
from wavetank.change.failover import collecting
from wavetank.change.failover.candidate_selection import NoCandidateError
from wavetank.change.failover.run import fail_over
from wavetank.change.role_transition import Change
from wavetank.errors import WaitedInVain
from wavetank.machine import containers

MakeFleet = Callable[..., PretendedFleet]


def before_looks(fleet: PretendedFleet, name: str, deeds: Mapping[int, Callable[[], object]]) -> None:
    """Do something before a server is asked what it has for the n-th time: the first is the one before the fence."""
    looks = itertools.count(1)

    def harm(asked: str, statement: str) -> None:
        if asked == name and "source_uuid" in statement and (deed := deeds.get(next(looks))):
            deed()

    fleet.harm = harm


def at_the_fence(fleet: PretendedFleet, deed: Callable[[], object]) -> None:
    """Do something before the source db1, which answers, is closed; what is done at looks is done as well."""
    before = fleet.harm

    def harm(asked: str, statement: str) -> None:
        before(asked, statement)
        if asked == "db1" and "super_read_only = ON" in statement:
            deed()

    fleet.harm = harm


def said(change: Change) -> list[str]:
    return [step.what for step in change.steps]


# --- what the old source can still send


@pytest.mark.parametrize("killed", [False, True])
def test_what_a_fenced_source_can_still_send_is_waited_for(
    killed: bool,  # noqa: FBT001
    make_fleet: MakeFleet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Until its time is over. The end of a process reaches its replicas after all that was on its way."""
    fleet = make_fleet()
    replicas = [fleet["db2"].channel, fleet["db3"].channel]
    for channel in replicas:
        channel.held_back = committed("db1", 2)
    fleet.commit("db1", 1, 2)
    if killed:
        fleet["db1"].unreachable = True
        monkeypatch.setattr(containers, "kill", lambda _: None)
    arrive = [channel.held_back.clear for channel in replicas]
    before_looks(fleet, "db2", {4: lambda: [each() for each in arrive], 7: lambda: fleet.die("db1")})
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    clock = itertools.chain([100.0], itertools.repeat(100.0 + collecting.SEND_S))
    monkeypatch.setattr(collecting, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    change = fail_over(fleet, force=True)
    assert committed("db1", 1, 2) <= fleet[change.new].executed
    assert "db2 has applied all that is to be had" in said(change)
    # Each pause is time without a writer.
    assert pauses
    assert max(pauses) <= 0.05


def test_a_closed_source_that_has_sent_everything_is_not_waited_for(
    make_fleet: MakeFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "SEND_S", 60.0)
    fleet = make_fleet()
    fleet.commit("db1", 1)
    assert fail_over(fleet, force=True).new == "db2"


@pytest.mark.parametrize(("gone", "asked"), [(False, 1), (True, 0)])
def test_what_a_source_has_is_asked_only_where_it_can_answer(gone: bool, asked: int, make_fleet: MakeFleet) -> None:  # noqa: FBT001
    fleet = make_fleet()
    if gone:
        fleet.die("db1")
    statements: list[str] = []
    fleet.harm = lambda name, statement: statements.append(statement) if name == "db1" else None
    fail_over(fleet, force=True)
    assert statements.count("SELECT @@GLOBAL.gtid_executed") == asked


# --- who dies, and who comes back, between two looks


def test_whoever_dies_after_the_first_look_is_no_doubt_where_the_source_was_gone_by_then(make_fleet: MakeFleet) -> None:
    """What it had acknowledged was seen."""
    fleet = make_fleet(semi_sync=1)
    fleet.commit("db1", 1)
    fleet.die("db1")
    before_looks(fleet, "db3", {2: lambda: fleet.die("db3")})
    assert fail_over(fleet).new == "db2"


def test_whoever_dies_after_the_first_look_may_have_acknowledged_something_where_the_source_still_ran(
    make_fleet: MakeFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = make_fleet(semi_sync=1)
    fleet["db1"].unreachable = True
    fleet["db2"].channel.receives = fleet["db3"].channel.receives = False
    monkeypatch.setattr(containers, "kill", lambda container: [fleet.kill(container), fleet.die("db3")])
    with pytest.raises(NoCandidateError, match="db3 does not answer: as a commit waits for 1 of 2"):
        fail_over(fleet)


def test_what_was_seen_before_a_restart_is_not_given_up_silently(make_fleet: MakeFleet) -> None:
    """It alone had received that, and its relay log went with its process."""
    fleet = make_fleet()
    fleet["db3"].channel.held_back = committed("db1", 3)
    fleet["db2"].channel.is_slow = True
    fleet.commit("db1", 1, 2, 3)
    fleet.die("db1")
    before_looks(fleet, "db2", {2: lambda: [fleet.die("db2"), fleet.start("db2")]})
    with pytest.raises(NoCandidateError, match=r"would give up 1 transaction \(\S*0001:3\), which db2 has"):
        fail_over(fleet)


def test_what_a_replica_wrote_itself_is_missed_by_nobody_when_it_dies(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    fleet["db2"].executed |= committed("db2", 1)
    fleet.commit("db1", 1)
    fleet.die("db1")
    before_looks(fleet, "db2", {2: lambda: fleet.die("db2")})
    assert fail_over(fleet).new == "db3"


def test_who_was_chosen_before_the_fence_stays_chosen(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    fleet["db2"].channel.held_back = committed("db1", 2)
    fleet.commit("db1", 1, 2)
    at_the_fence(fleet, fleet["db2"].channel.held_back.clear)
    assert fail_over(fleet, force=True).new == "db3"


def test_who_was_chosen_after_the_fence_stays_chosen(make_fleet: MakeFleet) -> None:
    """The one that was chosen first does not answer for a moment, and another one has begun to apply."""
    fleet = make_fleet()

    def part() -> None:
        fleet["db2"].unreachable = True
        fleet["db3"].channel.is_slow = True
        fleet.commit("db1", 1)

    def come_back() -> None:
        fleet["db2"].unreachable = False

    def apply() -> None:
        fleet["db3"].channel.is_slow = False

    before_looks(fleet, "db3", {3: come_back, 6: apply})
    at_the_fence(fleet, part)
    assert fail_over(fleet, force=True).new == "db3"


# --- what others have


def test_of_several_one_after_the_other_is_fetched_from(make_fleet: MakeFleet) -> None:
    """There is one channel for it: pointed elsewhere too early, it would lose what it was for."""
    fleet = make_fleet(replicas_of_db1(3))
    for name, held_back in (("db2", (3, 4, 5)), ("db3", (5,)), ("db4", (3, 4))):
        fleet[name].channel.held_back = committed("db1", *held_back)
    fleet["db3"].channel.delay_s = fleet["db4"].channel.delay_s = 60
    fleet.commit("db1", 1, 2, 3, 4, 5)
    fleet.die("db1")
    change = fail_over(fleet)
    assert said(change)[3:8] == [
        "db3 applies at once",
        f"db2 fetches 2 transactions ({uuid_of('db1')}:3-4) from db3",
        "db4 applies at once",
        f"db2 fetches 1 transaction ({uuid_of('db1')}:5) from db4",
        "db2 has applied all that is to be had",
    ]
    assert fleet["db2"].executed == committed("db1", 1, 2, 3, 4, 5)
    assert fleet.discarded == set()


def test_who_is_about_to_apply_what_is_fetched_is_told_nothing(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()

    def commit() -> None:
        fleet["db2"].channel.held_back = committed("db1", 1)
        fleet["db3"].channel.is_slow = True
        fleet.commit("db1", 1)

    def apply() -> None:
        fleet["db3"].channel.is_slow = False

    before_looks(fleet, "db3", {4: apply})
    at_the_fence(fleet, commit)
    change = fail_over(fleet, force=True)
    assert f"db2 fetches 1 transaction ({uuid_of('db1')}:1) from db3" in said(change)
    assert "db3 applies at once" not in said(change)


def test_who_waits_in_vain_is_told_for_what_and_that_the_same_command_goes_on(
    make_fleet: MakeFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = make_fleet()
    monkeypatch.setattr(collecting, "APPLY_S", 0.05)
    fleet["db2"].channel.is_slow = fleet["db3"].channel.is_slow = True
    fleet.commit("db1", 1)
    fleet.die("db1")
    with pytest.raises(WaitedInVain, match=r"a replica of db1 to apply everything.*the same command goes on"):
        fail_over(fleet)
    fleet["db2"].channel.is_slow = False
    assert fail_over(fleet.again()).new == "db2"
    assert fleet["db2"].executed == committed("db1", 1)
