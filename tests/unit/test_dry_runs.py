"""--dry-run: who would win, why, and what would be lost; nobody is told anything, and nothing is written."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from replicating import Killed, PretendedFleet, committed, uuid_of
from wavetank.change.failover.dry_run import plan_failover
from wavetank.change.failover.run import fail_over
from wavetank.change.repoint import plan_repoint
from wavetank.change.switchover import plan_switchover
from wavetank.machine import containers

MakeFleet = Callable[..., PretendedFleet]


@pytest.fixture
def look_only(make_fleet: MakeFleet, monkeypatch: pytest.MonkeyPatch) -> MakeFleet:
    """Make fleets that must not be changed from then on, nor their files."""

    def make(prepare: Callable[[PretendedFleet], None], **options: object) -> PretendedFleet:
        fleet = make_fleet(**options)
        prepare(fleet)

        def refuse_change(name: str, statement: str) -> None:
            assert statement.split(maxsplit=1)[0] in ("SELECT", "XA"), f"{name} was told {statement}"

        fleet.harm = refuse_change
        monkeypatch.setattr(containers, "kill", pytest.fail)
        monkeypatch.setattr("wavetank.topology.instance.write_if_changed", lambda *_: pytest.fail("a file is written"))
        monkeypatch.setattr(
            "wavetank.change.failover_log.write_if_changed", lambda *_: pytest.fail("a file is written")
        )
        return fleet

    return make


def died_with_more_on_a_delayed_one(fleet: PretendedFleet) -> None:
    fleet["db3"].channel.delay_s = 60
    fleet["db2"].channel.held_back = committed("db1", 3)
    fleet.commit("db1", 1, 2, 3)
    fleet.die("db1")


def test_a_failover_says_who_would_win_and_what_each_has(look_only: MakeFleet, state: Path) -> None:
    fleet = look_only(died_with_more_on_a_delayed_one, semi_sync=1)
    before = sorted(path.name for path in state.rglob("*"))
    plan = plan_failover(fleet)
    third = f"{uuid_of('db1')}:3"
    assert (plan.old, plan.new, plan.refused, plan.lost) == ("db1", "db2", "", ())
    assert list(plan.lines()) == [
        f"  db2          2 executed, 0 more received; would fetch {third} from db3; would give up nothing",
        "  db3          0 executed, 3 more received; is delayed by 60 s; would give up nothing",
        f"db2 has everything once it has fetched 1 transaction ({third}) from db3",
        "db1 would be fenced",
        f"db2 would fetch {third} from db3",
        "db2 would become the source instead of db1",
        "no transaction that can be had would be lost",
        "db1 does not answer: what it has and never sent, nobody knows",
        "nothing has been changed",
    ]
    told = json.loads(json.dumps(plan.as_dict()))
    assert told["candidates"][0]["fetches"] == {"db3": third}
    assert fleet.open_ones == []
    assert sorted(path.name for path in state.rglob("*")) == before


def test_of_a_source_that_answers_it_says_that_and_who_would_win(look_only: MakeFleet) -> None:
    fleet = look_only(lambda fleet: fleet.commit("db1", 1))
    plan = plan_failover(fleet)
    assert plan.refused.startswith("db1 answers: make switchover TO=")
    assert (plan.new, plan.why) == ("db2", "db2 has everything")
    assert plan_failover(fleet, force=True).refused == ""


def test_with_force_it_says_what_the_source_alone_has(look_only: MakeFleet) -> None:
    def write_alone(fleet: PretendedFleet) -> None:
        fleet["db2"].channel.held_back = fleet["db3"].channel.held_back = committed("db1", 2)
        fleet.commit("db1", 1, 2)

    plan = plan_failover(look_only(write_alone), force=True)
    alone = f"{uuid_of('db1')}:2"
    assert plan.unknown == f"db1 alone has {alone} as yet: it is waited for, as db2, db3 can receive it"


def test_what_would_be_given_up_is_listed_and_refused(look_only: MakeFleet) -> None:
    def diverge(fleet: PretendedFleet) -> None:
        fleet["db2"].executed |= committed("db2", 1)
        fleet["db3"].executed |= committed("db3", 1, 2)
        fleet.die("db1")

    fleet = look_only(diverge)
    plan = plan_failover(fleet)
    assert plan.refused.startswith("no replica has everything: db2 would give up 2 transactions")
    assert [each.errant != "" for each in plan.candidates] == [True, True]
    forced = plan_failover(fleet, force=True)
    assert (forced.new, [name for name, _ in forced.lost]) == ("db3", ["db2"])


def test_an_unfinished_failover_would_be_finished(make_fleet: MakeFleet, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = make_fleet()
    fleet.die("db1")
    with monkeypatch.context() as patch:
        patch.setattr("wavetank.change.finishing.open_promoted", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            fail_over(fleet)
    plan = plan_failover(fleet.again())
    assert plan.steps == ("db2 was recorded as the source instead of db1: it would be opened",)


@pytest.mark.parametrize(
    ("to", "refused", "steps"),
    [
        ("db1", "db1 is the source already", 0),
        ("db9", "has no server 'db9'", 0),
        ("db3", "db3 does not answer: make failover is for a source that is gone", 0),
        ("db2", "", 3),
    ],
)
def test_a_switchover_says_whether_it_would_go_through(look_only: MakeFleet, to: str, refused: str, steps: int) -> None:
    plan = plan_switchover(look_only(lambda fleet: fleet.die("db3")), to)
    assert refused in plan.refused
    assert bool(refused) == bool(plan.refused)
    assert len(plan.steps) == steps


@pytest.mark.parametrize(
    ("node", "refused", "step"),
    [
        ("db1", "db1 takes writes: only a replica of one source can be moved", ""),
        ("db3", "", "db3 would replicate from db2 instead of db1: 1 transactions behind"),
    ],
)
def test_a_move_says_whether_it_would_go_through(look_only: MakeFleet, node: str, refused: str, step: str) -> None:
    def fall_behind(fleet: PretendedFleet) -> None:
        fleet["db3"].channel.held_back = committed("db1", 2)
        fleet.commit("db1", 1, 2)

    plan = plan_repoint(look_only(fall_behind), [node], "db2")
    assert (plan.refused, "".join(plan.steps)) == (refused, step)


def test_a_move_that_would_discard_what_was_received_is_refused(
    look_only: MakeFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has received what its new source lacks, and not applied it: with its channel that would go."""
    monkeypatch.setattr("wavetank.change.repoint.CATCH_UP_S", 0.1)

    def receive_more(fleet: PretendedFleet) -> None:
        fleet["db3"].channel.is_slow = True
        fleet["db2"].channel.held_back = committed("db1", 1)
        fleet.commit("db1", 1)

    plan = plan_repoint(look_only(receive_more), ["db3"], "db2")
    assert "db2 to have all that db3 has" in plan.refused
