"""fail_over() against pretended servers: whatever dies meanwhile, nothing acknowledged is lost silently."""

import itertools
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from replicating import Killed, PretendedChannel, PretendedFleet, Transactions, committed, replicas_of_db1, uuid_of
from wavetank.change.change_lock import only_change
from wavetank.change.failover.candidate_selection import NoCandidateError
from wavetank.change.failover.detection import SourceAnswersError
from wavetank.change.failover.dry_run import plan_failover
from wavetank.change.failover.run import fail_over, failover_request
from wavetank.change.failover_log import FailoverLog
from wavetank.change.finishing import finish_all
from wavetank.change.role_transition import Change
from wavetank.errors import UnreachableError, UsageError
from wavetank.servers.lag import BEAT
from wavetank.topology.instance import Instance
from wavetank.topology.model import Topology

MakeTopology = Callable[..., Topology]
SHARDS = {
    "s1": {"server_id": 101, "shard": 1},
    "r2": {"server_id": 102, "shard": 1, "replicates_from": "s1"},
    "s3": {"server_id": 201, "shard": 2},
    "r4": {"server_id": 202, "shard": 2, "replicates_from": "s3"},
}


def sources(fleet: PretendedFleet) -> list[str]:
    return [node.name for node in fleet.instance.topology().sources]


# --- one fault


def test_a_dead_source_is_replaced_by_a_replica_that_has_everything(make_fleet: Callable[..., PretendedFleet]) -> None:
    fleet = make_fleet(semi_sync=1)
    fleet.commit("db1", 1, 2, 3)
    fleet.die("db1")
    change = fail_over(fleet)
    assert (change.old, change.new, change.silent) == ("db1", "db2", ("db1",))
    assert [step.what for step in change.steps] == [
        "db1 is gone, say db2, db3",
        "db2 has everything",
        "db1 fenced",
        "db2 has applied all that is to be had",
        "db2 opened",
        "db3 repointed",
        "all that answer replicate",
    ]
    assert fleet.open_ones == ["db2"] == sources(fleet)
    assert fleet["db2"].channels == {}
    assert fleet["db3"].channel.host == "db2"


def test_a_failover_is_remembered_as_finished_and_a_hasty_one_refused(
    make_fleet: Callable[..., PretendedFleet],
) -> None:
    fleet = make_fleet()
    fleet.die("db1")
    fail_over(fleet)
    assert FailoverLog(fleet.instance).unfinished(fleet.topology) == []
    fleet.die("db2")
    with pytest.raises(UsageError, match=r"db2 replaced db1 \d+ s ago: within 300 s another failover needs FORCE=1"):
        fail_over(fleet.again())
    assert fail_over(fleet.again(), force=True).new == "db3"


def test_the_same_command_again_does_not_replace_the_new_source(make_fleet: Callable[..., PretendedFleet]) -> None:
    """Who was killed after its work was done does not know that it was, and runs it once more."""
    fleet = make_fleet()
    fail_over(fleet, "db1", force=True)
    assert plan_failover(fleet, "db1", force=True).steps == ("db2 is the source already",)
    asked = failover_request(fleet, FailoverLog(fleet.instance), "db1")  # type: ignore[arg-type]
    assert (asked.source.name, asked.begun, asked.done and asked.done.old) == ("db2", None, "db1")
    again = fail_over(fleet, "db1", force=True)
    assert (again.old, again.new, again.done_before) == ("db1", "db2", True)
    assert [step.what for step in again.steps] == ["db2 has taken the place of db1 before"]
    assert fleet.open_ones == ["db2"] == sources(fleet)
    # Without a name it is whoever is the source now that is replaced.
    assert not fail_over(fleet, force=True).done_before
    assert fleet.open_ones == sources(fleet) != ["db2"]


def test_a_failover_of_long_ago_is_not_the_one_that_is_asked_for(make_fleet: Callable[..., PretendedFleet]) -> None:
    fleet = make_fleet()
    fail_over(fleet, "db1", force=True)
    FailoverLog(fleet.instance).end_recovery_block()
    with pytest.raises(UsageError, match="db1 is not a source, which db2 is"):
        fail_over(fleet.again(), "db1", force=True)
    assert fleet.open_ones == ["db2"]


def test_a_server_that_is_the_source_again_can_be_replaced_again(make_fleet: Callable[..., PretendedFleet]) -> None:
    fleet = make_fleet()
    fail_over(fleet, "db1", force=True)
    while sources(fleet) != ["db1"]:
        fail_over(fleet, force=True)
    assert fail_over(fleet, "db1", force=True).done_before is False
    assert sources(fleet) != ["db1"]


def test_a_source_that_answers_is_not_replaced(make_fleet: Callable[..., PretendedFleet]) -> None:
    fleet = make_fleet()
    with pytest.raises(SourceAnswersError, match="db1 answers: make switchover TO="):
        fail_over(fleet)
    assert fleet.open_ones == ["db1"]


def test_a_source_that_only_we_cannot_reach_is_not_dead(make_fleet: Callable[..., PretendedFleet]) -> None:
    fleet = make_fleet()
    fleet["db1"].unreachable = True
    with pytest.raises(UsageError, match="db1 does not answer here, but db2, db3 hears from it"):
        fail_over(fleet)
    assert fleet.open_ones == ["db1"]


def test_what_only_one_replica_received_is_promoted_with_it(make_fleet: Callable[..., PretendedFleet]) -> None:
    fleet = make_fleet(semi_sync=1)
    fleet["db2"].channel.held_back = committed("db1", 3)
    fleet.commit("db1", 1, 2, 3)
    fleet.die("db1")
    assert fail_over(fleet).new == "db3"
    assert fleet["db2"].executed == committed("db1", 1, 2, 3)


def test_a_live_source_is_asked_again_after_the_fence(make_fleet: Callable[..., PretendedFleet]) -> None:
    """It commits between the first look and the fence; that is received, and applied only a while later."""
    fleet = make_fleet(semi_sync=1)
    fleet.commit("db1", 1)
    looks = itertools.count()

    def commit_before_the_fence(name: str, statement: str) -> None:
        if name == "db1" and "super_read_only = ON" in statement:
            fleet["db2"].channel.is_slow = fleet["db3"].channel.is_slow = True
            fleet.commit("db1", 2)
        elif "gtid_executed" in statement and fleet["db2"].channels and next(looks) > 6:
            fleet["db2"].channel.is_slow = fleet["db3"].channel.is_slow = False

    fleet.harm = commit_before_the_fence
    change = fail_over(fleet, force=True)
    assert committed("db1", 1, 2) <= fleet[change.new].executed
    assert fleet.discarded == set()


def test_what_a_closed_source_cannot_send_is_said(make_fleet: Callable[..., PretendedFleet]) -> None:
    fleet = make_fleet()
    fleet["db2"].channel.held_back = fleet["db3"].channel.held_back = committed("db1", 2)
    fleet.commit("db1", 1, 2)
    change = fail_over(fleet, force=True)
    assert "db1 alone has 1 transaction (3ede0b4b-e4bb-11f1-bd5e-000000000001:2)" in [s.what for s in change.steps]


def test_a_delayed_replica_that_alone_has_something_gives_it(make_fleet: Callable[..., PretendedFleet]) -> None:
    fleet = make_fleet(semi_sync=1)
    fleet["db3"].channel.delay_s = 3600
    fleet["db2"].channel.held_back = committed("db1", 3)
    fleet.commit("db1", 1, 2, 3)
    fleet.die("db1")
    change = fail_over(fleet)
    assert change.new == "db2"
    said = [step.what for step in change.steps]
    assert said[1].startswith("db2 has everything once it has fetched 1 transaction")
    assert "db3 applies at once" in said
    assert fleet["db2"].executed == committed("db1", 1, 2, 3)
    assert fleet.discarded == set()


def test_what_a_failed_applier_holds_is_not_given_up_silently(make_fleet: Callable[..., PretendedFleet]) -> None:
    fleet = make_fleet(semi_sync=1)
    fleet["db3"].channel.fails = True
    fleet["db2"].channel.held_back = committed("db1", 3)
    fleet.commit("db1", 1, 2, 3)
    fleet.die("db1")
    with pytest.raises(
        NoCandidateError, match=r"db2 would give up 1 transaction \(.*:3\), which db3 has. db3 does not"
    ):
        fail_over(fleet)
    assert sources(fleet) == ["db1"]
    assert fail_over(fleet.again(), force=True).new == "db2"


def test_an_absent_replica_may_alone_have_what_was_acknowledged(make_fleet: Callable[..., PretendedFleet]) -> None:
    fleet = make_fleet(semi_sync=1)
    fleet.commit("db1", 1)
    fleet.die("db1")
    fleet.die("db3")
    with pytest.raises(NoCandidateError, match="db3 does not answer: as a commit waits for 1 of 2 acknowledgements"):
        fail_over(fleet)
    assert fail_over(fleet.again(), force=True).new == "db2"


def test_a_refusal_leaves_a_source_that_is_only_frozen_alone(make_fleet: Callable[..., PretendedFleet]) -> None:
    fleet = make_fleet(semi_sync=1)
    fleet["db1"].unreachable = True
    fleet["db2"].channel.receives = False
    fleet.die("db3")
    with pytest.raises(NoCandidateError, match="db3 does not answer"):
        fail_over(fleet)
    assert fleet.open_ones == ["db1"]
    assert FailoverLog(fleet.instance).seen(fleet.topology.node("db1")) == {}


def test_acknowledgements_of_those_that_do_not_answer_are_not_waited_for(
    make_fleet: Callable[..., PretendedFleet],
) -> None:
    fleet = make_fleet(replicas_of_db1(3), semi_sync=2)
    fleet.die("db1")
    fleet.die("db4")
    assert "db2 opened, waiting for 1 of 2 acknowledgements" in [step.what for step in fail_over(fleet).steps]


def test_what_a_replica_wrote_itself_stays_behind_and_is_named(make_fleet: Callable[..., PretendedFleet]) -> None:
    fleet = make_fleet()
    fleet["db2"].executed |= committed("db2", 1)
    fleet.commit("db1", 1)
    fleet.die("db1")
    change = fail_over(fleet)
    assert change.new == "db3"
    left = f"1 transaction ({uuid_of('db2')}:1) that db2 alone has, and never got from its source, stay behind"
    assert left in [step.what for step in change.steps]


def test_who_has_only_received_what_the_new_source_has_is_not_waited_for(
    make_fleet: Callable[..., PretendedFleet],
) -> None:
    """It would be time without replicas: it gets all of that from its new source."""
    fleet = make_fleet()
    fleet["db3"].channel.delay_s = 60
    fleet.commit("db1", 1)
    fleet.die("db1")
    told: list[str] = []
    fleet.harm = lambda name, statement: told.append(statement) if name == "db3" else None
    assert fail_over(fleet).new == "db2"
    assert fleet["db3"].executed == committed("db1", 1)
    assert not [statement for statement in told if "WAIT_FOR_EXECUTED_GTID_SET" in statement]


def test_whoever_will_be_told_something_is_logged_in_to_meanwhile(make_fleet: Callable[..., PretendedFleet]) -> None:
    """A login is time without a writer; who is behind a replica goes on as it does."""
    fleet = make_fleet({**replicas_of_db1(2), "db4": {"server_id": 4, "replicates_from": "db3"}})
    fleet.die("db1")
    fail_over(fleet)
    assert [name for name, server in fleet.servers.items() if server.greeted] == ["db2", "db3"]


def test_a_forced_failover_says_that_it_was_asked_for(make_fleet: Callable[..., PretendedFleet]) -> None:
    change = fail_over(make_fleet(), force=True)
    assert change.steps[0].what == "asked to replace db1 by one of db2, db3"


def test_a_replica_that_was_started_again_may_have_lost_what_it_acknowledged(
    make_fleet: Callable[..., PretendedFleet],
) -> None:
    """Its relay log is not kept over a restart, and its source is not there to send it again."""
    fleet = make_fleet(semi_sync=1)
    fleet["db3"].channel.delay_s = 60
    fleet["db2"].channel.held_back = committed("db1", 2)
    fleet.commit("db1", 1, 2)
    fleet.die("db1")
    fleet.die("db3")
    fleet.start("db3")
    with pytest.raises(NoCandidateError, match="db3 was started again and has lost what it had only received"):
        fail_over(fleet)
    # Its source comes back and sends it again.
    fleet.start("db1")
    fleet.die("db1")
    assert fail_over(fleet.again()).new == "db2"
    assert fleet["db2"].executed == committed("db1", 1, 2)


def test_two_acknowledgements_need_no_second_witness(make_fleet: Callable[..., PretendedFleet]) -> None:
    fleet = make_fleet(semi_sync=2)
    fleet.commit("db1", 1)
    fleet.die("db1")
    fleet.die("db3")
    assert fail_over(fleet).new == "db2"


def test_a_replica_that_was_absent_keeps_what_it_has(make_fleet: Callable[..., PretendedFleet]) -> None:
    """It answers again when the others follow: what it alone has received it applies first, or it is left alone."""
    fleet = make_fleet()
    fleet["db3"].channel.delay_s = 60
    fleet["db2"].channel.held_back = committed("db1", 2)
    fleet.commit("db1", 1, 2)
    fleet.die("db1")
    fleet["db3"].unreachable = True

    def come_back(name: str, statement: str) -> None:
        if name == "db3" and "replication_connection_configuration" in statement and "source_uuid" not in statement:
            fleet["db3"].unreachable = False

    fleet.harm = come_back
    assert fail_over(fleet).new == "db2"
    assert fleet["db3"].executed == committed("db1", 1, 2)
    assert fleet["db3"].channel.host == "db2"
    assert fleet.discarded == set()


def test_two_at_once_are_one_and_a_refusal(make_fleet: Callable[..., PretendedFleet]) -> None:
    fleet = make_fleet()
    fleet.die("db1")
    with only_change(fleet), pytest.raises(UsageError, match="another change of who replicates from whom in sea"):
        fail_over(fleet)
    fail_over(fleet)


def test_whoever_read_the_topology_before_another_change_is_refused(make_fleet: Callable[..., PretendedFleet]) -> None:
    fleet = make_fleet()
    fleet.die("db1")
    read_before = fleet.topology
    fail_over(fleet)
    fleet.topology = read_before
    with pytest.raises(UsageError, match="who replicates from whom in sea has just been changed: run it again"):
        fail_over(fleet, force=True)
    assert fleet.open_ones == ["db2"]


# --- several sources


def begun_and_interrupted(fleet: PretendedFleet, source: str, *, force: bool = False) -> None:
    """Fail one source over until its new source is recorded, and no further."""

    def stop(_name: str, statement: str) -> None:
        if statement == "SET GLOBAL read_only = OFF":
            raise Killed

    fleet.harm = stop
    with pytest.raises(Killed):
        fail_over(fleet, source, force=force)
    fleet.again()


def test_an_unfinished_failover_does_not_keep_others_from_theirs(make_fleet: Callable[..., PretendedFleet]) -> None:
    fleet = make_fleet(SHARDS)
    fleet.die("s1")
    begun_and_interrupted(fleet, "s1")
    fleet.die("s3")
    assert fail_over(fleet, "s3").new == "r4"
    assert [each.old for each in FailoverLog(fleet.instance).unfinished(fleet.again().topology)] == ["s1"]
    # The same command as before finishes it, by either name.
    assert fail_over(fleet.again(), "s1").new == "r2"
    assert sorted(fleet.open_ones) == ["r2", "r4"]


def test_without_a_name_the_only_unfinished_failover_is_finished(make_fleet: Callable[..., PretendedFleet]) -> None:
    fleet = make_fleet(SHARDS)
    fleet.die("s1")
    begun_and_interrupted(fleet, "s1")
    assert fail_over(fleet).new == "r2"
    with pytest.raises(SourceAnswersError, match="all sources answer"):
        fail_over(fleet.again())


def test_without_a_name_an_unfinished_one_and_a_dead_source_are_asked_about(
    make_fleet: Callable[..., PretendedFleet],
) -> None:
    fleet = make_fleet(SHARDS)
    fleet.die("s1")
    begun_and_interrupted(fleet, "s1")
    fleet.die("s3")
    with pytest.raises(UsageError, match=r"s3 does not answer, r2 has begun to replace s1: NODE= says which"):
        fail_over(fleet)
    assert fail_over(fleet.again(), "r2").new == "r2"


def test_without_a_name_several_dead_sources_are_asked_about(make_fleet: Callable[..., PretendedFleet]) -> None:
    fleet = make_fleet(SHARDS)
    fleet.die("s1")
    fleet.die("s3")
    with pytest.raises(UsageError, match=r"^s1, s3 do not answer: NODE= says which"):
        fail_over(fleet)


def test_without_a_name_several_unfinished_ones_are_asked_about(make_fleet: Callable[..., PretendedFleet]) -> None:
    fleet = make_fleet(SHARDS)
    for source in ("s1", "s3"):
        fleet.die(source)
        begun_and_interrupted(fleet, source)
    with pytest.raises(UsageError, match=r"^r2 has begun to replace s1, r4 has begun to replace s3: NODE= says which"):
        fail_over(fleet)


@pytest.mark.parametrize(("dies", "excused"), [(True, {"db1"}), (False, set())])
def test_what_a_new_source_began_with_and_who_cannot_acknowledge_to_it_is_recorded_before_it_is_opened(
    dies: bool,  # noqa: FBT001
    excused: set[str],
    make_fleet: Callable[..., PretendedFleet],
) -> None:
    """A source that was only closed follows in a moment, and then it can."""
    fleet = make_fleet()
    fleet.commit("db1", 1)
    if dies:
        fleet.die("db1")
    begun_and_interrupted(fleet, "", force=not dies)
    log, new = FailoverLog(fleet.instance), fleet.topology.node("db2")
    assert log.began_with(fleet.topology, new) == f"{uuid_of('db1')}:1"
    assert log.excused(new) == excused


def test_topology_up_finishes_what_was_recorded_and_says_so_in_the_record(
    make_fleet: Callable[..., PretendedFleet],
) -> None:
    fleet = make_fleet()
    fleet.die("db1")
    begun_and_interrupted(fleet, "")
    fleet.start("db1")
    assert finish_all(fleet) == ["db2 is the source instead of db1"]
    assert FailoverLog(fleet.instance).unfinished(fleet.topology) == []
    assert fleet.open_ones == ["db2"]
    assert fleet["db1"].channel.host == "db2"
    assert finish_all(fleet) == []


# --- a second fault at each step


def scene_plain(fleet: PretendedFleet) -> None:
    fleet.commit("db1", 1, 2, 3)
    fleet.die("db1")


def scene_one_has_more(fleet: PretendedFleet) -> None:
    fleet["db3"].channel.held_back = committed("db1", 3)
    scene_plain(fleet)


def scene_a_delayed_one_has_more(fleet: PretendedFleet) -> None:
    fleet["db3"].channel.delay_s = 3600
    fleet["db2"].channel.held_back = committed("db1", 3)
    scene_plain(fleet)


def scene_alive(fleet: PretendedFleet) -> None:
    fleet.commit("db1", 1, 2, 3)


SCENES = {
    "plain": (scene_plain, False),
    "one has more": (scene_one_has_more, False),
    "a delayed one has more": (scene_a_delayed_one_has_more, False),
    "forced on a live one": (scene_alive, True),
}
FAULTS = ["process", "db2", "db3"]
MOST_STEPS = 120


# What a refusal may say: what is missing, who does not answer, or that it was done a moment ago.
REASONS = (
    "would give up",
    "does not answer",
    "no replica of",
    "does not apply",
    "is delayed by",
    "answers: make switchover",
    "s ago: within 300 s another failover needs FORCE=1",
)


def attempt(fleet: PretendedFleet, *, force: bool) -> Change | UsageError | None:
    """Run the command; return what came of it, None where it was killed."""
    try:
        return fail_over(fleet, force=force)
    except Killed:
        return None
    except UnreachableError as error:
        return UsageError(str(error))
    except UsageError as refusal:
        return refusal


def expect_nothing_lost(fleet: PretendedFleet, acknowledged: Transactions, said: Change | UsageError | None) -> None:
    """Fail where two servers are open, or one that lacks something, or a refusal does not say what is missing."""
    assert len(fleet.open_ones) <= 1, fleet.open_ones
    for name in fleet.open_ones:
        assert acknowledged <= fleet[name].executed, f"{name} lacks {acknowledged - fleet[name].executed}"
    if isinstance(said, Change):
        assert fleet.open_ones == [said.new]
    else:
        assert any(reason in str(said) for reason in REASONS), said
    kept = set.union(*(server.executed for server in fleet.servers.values()))
    assert acknowledged <= kept
    assert fleet.discarded <= kept


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("scene", "semi_sync"), [*((scene, 1) for scene in SCENES), ("one has more", 0)])
def test_a_second_fault_at_each_step_loses_nothing(
    scene: str, fault: str, semi_sync: int, make_fleet: Callable[..., PretendedFleet], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare, force = SCENES[scene]
    acknowledged = committed("db1", 1, 2, 3)
    ends: list[str] = []
    for at in range(1, MOST_STEPS):
        fleet = make_fleet(semi_sync=semi_sync)
        (fleet.instance.directory / "failovers.json").unlink(missing_ok=True)
        with monkeypatch.context() as patch:
            prepare(fleet)
            # Where nothing is promised, what was never seen may be lost.
            harm = fleet.strike_at(at, fault, patch, from_file=not semi_sync)
            first = attempt(fleet, force=force)
        if not harm.happened:
            assert isinstance(first, Change)
            break
        second = first if isinstance(first, Change) and not fleet.again()[first.new].dead else None
        # Who opened a new source that died afterwards is asked for another one, as a person would be.
        second = second or attempt(fleet.again(), force=force)
        expect_nothing_lost(fleet, acknowledged, second)
        done = isinstance(second, Change) or fleet.open_ones == sources(fleet)
        ends.append("changed" if done else "refused")
    else:
        pytest.fail(f"more than {MOST_STEPS} steps")
    assert len(ends) > 10
    assert fault != "process" or set(ends) == {"changed"}, ends


def dies_once_it_is_recorded(fleet: PretendedFleet, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a server die as soon as it is recorded as the source."""
    remember = Instance.remember

    def remember_and_die(instance: Instance, topology: Topology) -> None:
        remember(instance, topology)
        if topology.node(name).is_source:
            fleet.die(name)

    monkeypatch.setattr(Instance, "remember", remember_and_die)


def test_the_chosen_one_dies_after_the_record_and_another_one_is_taken(
    make_fleet: Callable[..., PretendedFleet], monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = make_fleet(semi_sync=1)
    scene_plain(fleet)
    dies_once_it_is_recorded(fleet, "db2", monkeypatch)
    with pytest.raises(UnreachableError):
        fail_over(fleet)
    assert sources(fleet) == ["db2"]
    change = fail_over(fleet.again())
    assert (change.old, change.new) == ("db2", "db3")
    assert fleet.open_ones == ["db3"]
    assert FailoverLog(fleet.instance).unfinished(fleet.again().topology) == []


def test_what_only_the_dead_chosen_one_had_is_named(
    make_fleet: Callable[..., PretendedFleet], monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = make_fleet()
    fleet["db3"].channel.held_back = committed("db1", 3)
    scene_plain(fleet)
    dies_once_it_is_recorded(fleet, "db2", monkeypatch)
    with pytest.raises(UnreachableError):
        fail_over(fleet)
    with pytest.raises(NoCandidateError, match=r"db3 would give up 1 transaction \(.*0001:3\), which db2 has"):
        fail_over(fleet.again())
    # It comes back, and the same command goes on with it.
    fleet.start("db2")
    assert fail_over(fleet.again()).new == "db2"
    assert fleet["db2"].executed == fleet["db3"].executed == committed("db1", 1, 2, 3)


def test_a_channel_to_fetch_by_is_gone_afterwards(make_fleet: Callable[..., PretendedFleet]) -> None:
    fleet = make_fleet(semi_sync=1)
    scene_a_delayed_one_has_more(fleet)
    fleet["db3"].channels["fetch"] = PretendedChannel("db2")
    fail_over(fleet)
    assert fleet["db2"].channels == {}
    assert set(fleet["db3"].channels) == {""}


@st.composite
def scenes(draw: st.DrawFn) -> Callable[[PretendedFleet], None]:
    """Draw what each replica has received of three transactions, how it applies, and who has an errant one."""
    state = st.fixed_dictionaries({
        "lacks": st.integers(0, 2),
        "delay_s": st.sampled_from([0, 0, 0, 60]),
        "applies": st.sampled_from([True, True, True, False]),
        "fails": st.sampled_from([False, False, False, True]),
        "errant": st.sampled_from([False, False, False, True]),
    })  # fmt: skip
    states = {name: draw(state) for name in ("db2", "db3")}
    # Semi-synchronous: one of them has everything.
    states[draw(st.sampled_from(["db2", "db3"]))]["lacks"] = 0

    def prepare(fleet: PretendedFleet) -> None:
        for name, each in states.items():
            channel = fleet[name].channel
            channel.held_back = committed("db1", *range(4 - each["lacks"], 4))
            channel.delay_s, channel.applies, channel.fails = each["delay_s"], each["applies"], each["fails"]
            if each["errant"]:
                fleet[name].executed |= committed(name, 1)
        fleet.commit("db1", 1, 2, 3)

    note(f"{states}")
    return prepare


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_the_scene_a_second_fault_loses_nothing(
    make_fleet: Callable[..., PretendedFleet], monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    prepare, fault, at = data.draw(scenes()), data.draw(st.sampled_from(FAULTS)), data.draw(st.integers(1, 45))
    fleet = make_fleet(semi_sync=1)
    prepare(fleet)
    # Forced only where that gives nothing up by itself: the source lives.
    force = not data.draw(st.booleans(), "the source dies")
    if not force:
        fleet.die("db1")
    with monkeypatch.context() as patch:
        fleet.strike_at(at, fault, patch)
        first = attempt(fleet, force=force)
    if fault != "process" and data.draw(st.booleans(), "it comes back"):
        fleet.start(fault)
    second = first if isinstance(first, Change) and not fleet.again()[first.new].dead else None
    second = second or attempt(fleet.again(), force=False)
    assert second is not None
    assert len(fleet.open_ones) <= 1
    for name in fleet.open_ones if not force else ():
        assert committed("db1", 1, 2, 3) <= fleet[name].executed, second
    assert fleet.discarded <= set.union(*(server.executed for server in fleet.servers.values()))


def test_where_several_acknowledge_something_is_written_once_they_are_attached(
    make_fleet: Callable[..., PretendedFleet],
) -> None:
    hosts = {"db1": {"server_id": 1}} | {f"db{n}": {"server_id": n, "replicates_from": "db1"} for n in (2, 3, 4)}
    fleet = make_fleet(hosts, semi_sync=2)
    fleet.commit("db1", 1)
    attached: list[int] = []

    def note(name: str, statement: str) -> None:
        if statement == BEAT:
            attached.append(sum(each.attached_to(name) for each in fleet.servers.values()))

    fleet.harm = note
    fleet.die("db1")
    change = fail_over(fleet)

    assert attached == [2]
    assert fleet[change.new].is_open


def test_a_second_acknowledger_that_does_not_come_is_not_waited_for_without_end(
    make_fleet: Callable[..., PretendedFleet],
) -> None:
    hosts = {"db1": {"server_id": 1}} | {f"db{n}": {"server_id": n, "replicates_from": "db1"} for n in (2, 3, 4)}
    fleet = make_fleet(hosts, semi_sync=2)
    fleet.commit("db1", 1)

    def keep_out(name: str, statement: str) -> None:
        if name == "db4" and statement.startswith("START REPLICA"):
            fleet.die("db4")

    fleet.die("db1")
    fleet.harm = keep_out
    assert fleet[fail_over(fleet).new].is_open
