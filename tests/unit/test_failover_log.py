"""What is remembered of failovers, and what follows from it."""

import json
from collections.abc import Callable

import pytest
from wavetank.change.failover_log import Failover, FailoverLog
from wavetank.change.role_transition import with_promoted
from wavetank.errors import UsageError
from wavetank.topology.instance import Instance
from wavetank.topology.model import Topology

DB2 = "3ede0b4b-e4bb-11f1-bd5e-000000000002"


@pytest.fixture
def topology(make_topology: Callable[..., Topology], record: Callable[[Topology], Topology]) -> Topology:
    """db1 with two replicas, recorded."""
    return record(make_topology())


def log_of(topology: Topology) -> FailoverLog:
    """Read the log anew, as the next process does."""
    return FailoverLog(Instance(topology.instance))


def begun(topology: Topology, silent: tuple[str, ...] = ("db1",)) -> tuple[Topology, Failover]:
    """Fail db1 over to db2 as far as the record, and return what is recorded."""
    failover = Failover("db1", "db2", at=1.0, seen={"db2": f"{DB2}:1", "db3": f"{DB2}:1-2"}, silent=silent)
    log_of(topology).begin(failover, f"{DB2}:1-2")
    after = with_promoted(topology, "db2")
    Instance(topology.instance).remember(after)
    return after, failover


def test_a_first_source_began_with_nothing_and_a_promoted_one_with_what_is_remembered(topology: Topology) -> None:
    assert log_of(topology).began_with(topology, topology.node("db1")) == ""
    after, _ = begun(topology)
    assert log_of(after).began_with(after, after.node("db2")) == f"{DB2}:1-2"


def test_of_a_source_that_was_promoted_before_it_was_remembered_nobody_knows(topology: Topology) -> None:
    after = with_promoted(topology, "db2")
    assert log_of(after).began_with(after, after.node("db2")) is None


def test_a_log_from_before_is_read(topology: Topology) -> None:
    path = Instance(topology.instance).directory / "failovers.json"
    path.write_text(json.dumps({"db2": {"old": "db1", "new": "db2", "at": 1.0, "finished": False}}))
    after = with_promoted(topology, "db2")
    assert log_of(after).unfinished(after) == [Failover("db1", "db2", 1.0)]
    assert log_of(after).began_with(after, after.node("db2")) is None


def test_what_is_recorded_is_unfinished_until_it_is_seen_open(topology: Topology) -> None:
    assert log_of(topology).unfinished(topology) == []
    after, failover = begun(topology)
    # Remembered, and not recorded: the old one is still the source.
    assert log_of(topology).unfinished(topology) == []
    assert log_of(after).unfinished(after) == [failover]
    log_of(after).finish(failover)
    assert log_of(after).unfinished(after) == []


def test_what_was_seen_counts_until_it_is_finished_for_either_source(topology: Topology) -> None:
    log_of(topology).give_up("db1", {"db3": f"{DB2}:7"})
    assert log_of(topology).seen(topology.node("db1")) == {"db3": f"{DB2}:7"}
    after, failover = begun(topology)
    log_of(after).give_up("db2", {"db3": f"{DB2}:3"})
    assert log_of(after).seen(after.node("db2")) == {"db2": f"{DB2}:1", "db3": f"{DB2}:1-3"}
    log_of(after).finish(failover)
    assert log_of(after).seen(after.node("db1")) == {}


def test_whoever_replaces_one_that_was_never_open_finishes_both(topology: Topology) -> None:
    after, _ = begun(topology)
    second = Failover("db2", "db3", at=2.0)
    log_of(after).begin(second, "")
    last = with_promoted(after, "db3")
    assert log_of(last).unfinished(last) == [second]
    log_of(last).finish(second)
    assert log_of(last).seen(last.node("db2")) == {}


def test_who_was_not_pointed_at_a_source_cannot_have_acknowledged(topology: Topology) -> None:
    after, failover = begun(topology)
    assert log_of(after).excused(after.node("db2")) == {"db1"}
    assert log_of(after).excused(after.node("db1")) == set()
    log_of(after).finish(failover, ["db1", "db3"])
    assert log_of(after).excused(after.node("db2")) == {"db1", "db3"}
    log_of(after).follow(["db3"])
    assert log_of(after).excused(after.node("db2")) == {"db1"}
    log_of(after).settle()
    assert log_of(after).excused(after.node("db2")) == set()


def test_topology_up_forgets_what_was_only_begun(topology: Topology) -> None:
    log_of(topology).give_up("db1", {"db3": f"{DB2}:7"})
    log_of(topology).settle()
    assert log_of(topology).seen(topology.node("db1")) == {}


def test_nothing_is_written_where_there_is_nothing_to_remember(topology: Topology) -> None:
    log_of(topology).settle()
    log_of(topology).end_recovery_block()
    assert not (Instance(topology.instance).directory / "failovers.json").exists()


def test_only_a_finished_failover_begins_a_recovery_block_which_can_be_ended(
    topology: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    after, failover = begun(topology)
    monkeypatch.setattr("wavetank.change.failover_log.time.time", lambda: 100.0)
    log_of(after).refuse_in_recovery_block(after.node("db2"))
    log_of(after).finish(failover)
    with pytest.raises(UsageError, match=r"^db2 replaced db1 99 s ago: within 300 s another failover needs FORCE=1$"):
        log_of(after).refuse_in_recovery_block(after.node("db2"))
    log_of(after).refuse_in_recovery_block(after.node("db1"))
    log_of(after).end_recovery_block()
    monkeypatch.setattr("wavetank.change.failover_log.time.time", lambda: 1_000.0)
    log_of(after).refuse_in_recovery_block(after.node("db2"))
    assert log_of(after).began_with(after, after.node("db2")) == f"{DB2}:1-2"
