"""switch_over() against pretended servers: whatever dies or is killed meanwhile, one is open and nothing is lost."""

from collections.abc import Callable

import pytest
from replicating import Killed, PretendedFleet, committed, read
from wavetank.change.failover.run import fail_over
from wavetank.change.failover_log import FailoverLog
from wavetank.change.finishing import finish_all
from wavetank.change.role_transition import Change
from wavetank.change.switchover import switch_over
from wavetank.errors import UnreachableError, UsageError

MOST_STEPS = 80
MakeFleet = Callable[..., PretendedFleet]


def attempt(change: Callable[..., Change], fleet: PretendedFleet, *arguments: str) -> Change | str | None:
    """Run the command; return what came of it, the line that a person reads, or None where it was killed."""
    try:
        return change(fleet, *arguments)
    except Killed:
        return None
    except (UnreachableError, UsageError) as refusal:
        return str(refusal)


def sources(fleet: PretendedFleet) -> list[str]:
    return [node.name for node in fleet.instance.topology().sources]


def test_in_order_the_replica_takes_its_place_and_knows_with_what_it_began(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    fleet.commit("db1", 1, 2)
    change = switch_over(fleet, "db2")
    assert [step.what for step in change.steps] == [
        "db1 closed",
        "db2 has every transaction of db1",
        "db2 opened",
        "db1, db3 repointed",
        "all replicate",
    ]
    log, topology = FailoverLog(fleet.instance), fleet.instance.topology()
    assert log.unfinished(topology) == []
    assert read(log.began_with(topology, topology.node("db2")) or "") == committed("db1", 1, 2)
    # A planned change is no reason to wait with one that is needed.
    fleet.die("db2")
    assert fail_over(fleet.again()).new == "db1"


def test_a_replica_with_errant_transactions_is_refused(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    fleet["db2"].executed |= committed("db2", 1)
    with pytest.raises(UsageError, match=r"db2 has 1 errant transactions, which db1 never had \(.*0002:1\)"):
        switch_over(fleet, "db2")
    assert fleet.open_ones == ["db1"]


def test_an_old_source_that_dies_while_it_is_closed_is_failovers(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    fleet.commit("db1", 1)
    fleet.harm = lambda _name, statement: fleet.die("db1") if "WAIT_FOR_EXECUTED" in statement else None
    fleet["db2"].channel.held_back = committed("db1", 2)
    fleet["db1"].executed |= committed("db1", 2)
    said = attempt(switch_over, fleet, "db2")
    assert "db1, which is still the source, does not answer any more: make topology-up brings it back" in str(said)
    assert sources(fleet) == ["db1"]


@pytest.mark.parametrize("fault", ["process", "db1", "db2", "db3"])
def test_a_second_fault_at_each_step_leaves_one_open_or_none_and_loses_nothing(
    fault: str, make_fleet: MakeFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    acknowledged = committed("db1", 1, 2, 3)
    for at in range(1, MOST_STEPS):
        fleet = make_fleet()
        fleet.commit("db1", 1, 2, 3)
        with monkeypatch.context() as patch:
            harm = fleet.strike_at(at, fault, patch)
            first = attempt(switch_over, fleet, "db2")
        if not harm.happened:
            assert isinstance(first, Change)
            break
        expect_one_open(fleet, acknowledged)
        again = attempt(switch_over, fleet.again(), "db2")
        expect_one_open(fleet, acknowledged)
        if fault == "process":
            assert fleet.open_ones == ["db2"], (at, again)
        elif fault == "db3":
            assert fleet.open_ones in (["db2"], ["db1"]), (at, again)
        else:
            # The other one has everything, whoever of the two has died; a failover is what is needed then.
            last = attempt(fail_over, fleet.again())
            assert isinstance(last, Change) or fleet.open_ones == sources(fleet), (at, again, last)
            expect_one_open(fleet, acknowledged)
            assert len(fleet.open_ones) == 1
    else:
        pytest.fail(f"more than {MOST_STEPS} steps")
    assert at > 15


def expect_one_open(fleet: PretendedFleet, acknowledged: set[tuple[str, int]]) -> None:
    assert len(fleet.open_ones) <= 1
    for name in fleet.open_ones:
        assert name in sources(fleet)
        assert acknowledged <= fleet[name].executed
    assert fleet.discarded == set()


def test_topology_up_finishes_it_too(make_fleet: MakeFleet, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = make_fleet()
    with monkeypatch.context() as patch:
        patch.setattr("wavetank.change.finishing.open_promoted", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            switch_over(fleet, "db3")
    assert (sources(fleet), fleet.open_ones) == (["db3"], [])
    assert finish_all(fleet.again()) == ["db3 is the source instead of db1"]
    assert fleet.open_ones == ["db3"]
