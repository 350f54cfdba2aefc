"""The source is replaced, in order or because it is gone: nothing acknowledged is lost, and one takes writes.

Every up() ends with all checks: where it is good, they are.
"""

import contextlib
import itertools
import subprocess
from collections.abc import Callable, Iterator

import pytest
from commands import HOME, WAVETANK, own, up, wavetank
from wavetank import containers, switchover
from wavetank.errors import UsageError
from wavetank.failover import fail_over
from wavetank.failover_log import FailoverLog
from wavetank.instance import Instance
from wavetank.node import Server, Servers, query_on
from wavetank.promotion import record_promotion
from wavetank.switchover import switch_over
from writer import Writer

# An application does not wait longer for an answer.
PATIENCE_S = 2
OPEN = "SELECT NOT @@GLOBAL.read_only"


@pytest.fixture(scope="module")
def brought(bring_up: Callable[..., str]) -> str:
    """A semi-synchronous source with two replicas."""
    return bring_up(own("change"), SEMI_SYNC=1)


@pytest.fixture
def servers(brought: str) -> Iterator[Servers]:
    """The instance in order, whoever is its source by now, and with no failover a moment ago."""
    up(brought)
    FailoverLog(Instance(brought)).forget()
    with Servers(Instance(brought).topology(), PATIENCE_S) as servers:
        yield servers


def roles(servers: Servers) -> tuple[str, str, str]:
    """Return the source and the two replicas, as they are recorded."""
    topology = Instance(servers.topology.instance).topology()
    (source,) = topology.sources
    first, second = topology.replicas
    return source.name, first.name, second.name


def open_ones(servers: Servers) -> list[str]:
    return [node.name for node in servers.topology.nodes if servers[node.name].value(OPEN)]


def kill(servers: Servers, name: str) -> None:
    containers.kill(servers.topology.container(servers.topology.node(name)))


def expect_nothing_lost(writer: Writer, servers: Servers, *names: str) -> None:
    """Fail if a row that was acknowledged is missing, or if two servers took writes in turn."""
    written = writer.stop()
    for name in names:
        assert writer.missing_on(servers[name]) == set()
    takers = [writer.acknowledged[number] for number in sorted(written)]
    changes = sum(one != other for one, other in itertools.pairwise(takers))
    assert changes == 1, f"the writes went from one to the other {changes} times"


# --- in order


def test_a_switchover_under_load_loses_nothing_and_is_remembered(servers: Servers) -> None:
    old, new, other = roles(servers)
    with Writer(servers[old], servers[new]) as writer:
        writer.wait_for(50)
        done = wavetank("switchover", INSTANCE=servers.topology.instance, TO=new)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.splitlines()[-1] == f"{new} is the source instead of {old}"
        writer.wait_for(50)
        expect_nothing_lost(writer, servers, old, new, other)
    assert open_ones(servers) == [new]
    assert "nothing had to change" in up(servers.topology.instance).stdout


def test_the_playbook_does_the_same(servers: Servers) -> None:
    _, new, _ = roles(servers)
    command = ["env", f"INSTANCE={servers.topology.instance}", str(WAVETANK.with_name("ansible-playbook"))]
    done = subprocess.run(
        [*command, "-i", "inventories/master-slave.yml", "playbooks/switchover.yml", "-e", f"to={new}"],
        cwd=HOME, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert open_ones(servers) == [new]


def test_what_cannot_be_the_source_is_refused_and_nothing_changes(servers: Servers) -> None:
    source, first, _ = roles(servers)
    servers[first].execute("STOP REPLICA SQL_THREAD")
    reasons = {
        source: f"{source} is the source already",
        "db9": "has no server 'db9'; it has db1, db2, db3",
        first: f"{first} does not replicate: make status says why",
        "": "say which replica becomes the source: make switchover TO=db2",
    }
    for name, reason in reasons.items():
        done = wavetank("switchover", INSTANCE=servers.topology.instance, TO=name)
        assert done.returncode == 2
        assert reason in done.stderr
        assert done.stderr.count("\n") == 1
    assert open_ones(servers) == [source]
    assert roles(servers)[0] == source


@pytest.mark.parametrize("at", [1, 2], ids=["before it is closed", "while it is closed"])
def test_a_prepared_xa_transaction_refuses_a_switchover(
    servers: Servers, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, first, _ = roles(servers)
    asked = itertools.count(1)
    refuse = switchover.refuse_prepared
    with contextlib.closing(servers[old].connect("admin")) as connection:

        def prepare_then_ask(source: Server) -> None:
            if next(asked) == at:
                query_on(connection, "XA PREPARE 'held'", node=old)
            refuse(source)

        for statement in ("XA START 'held'", "INSERT INTO wavetank.generated_ids (origin) VALUES (0)", "XA END 'held'"):
            query_on(connection, statement, node=old)
        monkeypatch.setattr(switchover, "refuse_prepared", prepare_then_ask)
        try:
            with pytest.raises(UsageError, match=f"{old} holds 1 prepared XA transactions"):
                switch_over(servers, first)
            assert open_ones(servers) == [old]
        finally:
            servers[old].execute("XA ROLLBACK 'held'")


def test_one_that_does_not_catch_up_leaves_the_source_open(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switchover, "CATCH_UP_S", 1)
    source, first, _ = roles(servers)
    with servers[first].connection("admin") as held, held.cursor() as cursor:
        cursor.execute("FLUSH TABLES WITH READ LOCK")
        servers[source].execute("CREATE SCHEMA IF NOT EXISTS late")
        with pytest.raises(UsageError, match=f"{source} takes writes again"):
            switch_over(servers, first)
        cursor.execute("UNLOCK TABLES")
    assert open_ones(servers) == [source]


def test_interrupted_before_it_is_recorded_the_old_one_is_the_source(servers: Servers) -> None:
    source, *_ = roles(servers)
    servers[source].execute("SET GLOBAL super_read_only = ON")
    up(servers.topology.instance)
    assert open_ones(servers) == [source]


def test_interrupted_after_it_is_recorded_up_finishes_it(servers: Servers) -> None:
    old, new, _ = roles(servers)
    servers[old].execute("SET GLOBAL super_read_only = ON")
    record_promotion(servers, new)
    up(servers.topology.instance)
    assert open_ones(servers) == [new]


# --- because it is gone


def test_a_killed_source_is_replaced_and_semi_sync_loses_nothing(servers: Servers) -> None:
    old, *replicas = roles(servers)
    with Writer(servers[old], *(servers[name] for name in replicas)) as writer:
        writer.wait_for(50)
        kill(servers, old)
        done = wavetank("failover", INSTANCE=servers.topology.instance)
        assert done.returncode == 0, done.stdout + done.stderr
        writer.wait_for(50)
        expect_nothing_lost(writer, servers, *replicas)
    # The old one comes back as a replica, with what it had not been able to send, if anything.
    up(servers.topology.instance)
    assert len(open_ones(servers)) == 1


def test_a_frozen_source_is_replaced_once_all_agree_and_cannot_come_back_open(servers: Servers) -> None:
    old, *_ = roles(servers)
    containers.pause(servers.topology.container(servers.topology.node(old)))
    change = fail_over(servers)
    assert change.old == old
    assert change.silent == (old,)
    states = {state.name: state.status for state in containers.containers(servers.topology.project)}
    assert states[servers.topology.container(servers.topology.node(old))] == "exited"
    up(servers.topology.instance)
    assert open_ones(servers) == [change.new]


def test_a_source_that_answers_is_not_replaced_unless_forced(servers: Servers) -> None:
    old, *_ = roles(servers)
    with pytest.raises(UsageError, match=f"{old} answers: make switchover TO="):
        fail_over(servers)
    assert open_ones(servers) == [old]
    change = fail_over(servers, force=True)
    assert open_ones(servers) == [change.new] != [old]
    with pytest.raises(UsageError, match="within 300 s another failover needs FORCE=1"):
        fail_over(servers)


def test_a_source_that_only_we_cannot_reach_is_not_dead(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    old, first, second = roles(servers)
    monkeypatch.setattr("wavetank.failover.detection.answers", lambda _: False)
    with pytest.raises(UsageError, match=f"{old} does not answer here, but {first}, {second} hears from it"):
        fail_over(servers)
    assert open_ones(servers) == [old]


def test_the_one_that_has_most_is_chosen_and_nobody_who_is_delayed_or_broken(servers: Servers) -> None:
    old, first, second = roles(servers)
    servers[first].execute("STOP REPLICA IO_THREAD")
    servers[old].execute("CREATE SCHEMA IF NOT EXISTS more", "DROP SCHEMA more")
    kill(servers, old)
    assert fail_over(servers).new == second
    up(servers.topology.instance)


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        (["STOP REPLICA SQL_THREAD"], "does not apply"),
        (["STOP REPLICA", "CHANGE REPLICATION SOURCE TO SOURCE_DELAY = 60", "START REPLICA"], "is delayed by 60 s"),
    ],
)
def test_where_nobody_is_fit_nobody_is_promoted(servers: Servers, statements: list[str], reason: str) -> None:
    old, *replicas = roles(servers)
    for name in replicas:
        servers[name].execute(*statements)
    kill(servers, old)
    with pytest.raises(UsageError, match=f"no replica can take its place: {replicas[0]} {reason}"):
        fail_over(servers)
    assert roles(servers)[0] == old


def test_interrupted_it_goes_on_where_it_stopped(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    old, *_ = roles(servers)
    kill(servers, old)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("wavetank.finishing.open_promoted", stop)
        with pytest.raises(KeyboardInterrupt):
            fail_over(servers)
    change = fail_over(servers)
    assert (change.old, change.new) == (old, roles(servers)[0])
    up(servers.topology.instance)
    assert open_ones(servers) == [change.new]


def test_what_only_the_old_source_had_is_listed_and_goes_with_a_rebuild(servers: Servers) -> None:
    old, *replicas = roles(servers)
    for name in replicas:
        servers[name].execute("STOP REPLICA IO_THREAD")
    servers[old].execute("SET GLOBAL rpl_semi_sync_source_enabled = OFF", "CREATE SCHEMA IF NOT EXISTS alone")
    kill(servers, old)
    fail_over(servers)
    done = wavetank("up", INSTANCE=servers.topology.instance)
    assert done.returncode == 1
    assert f"{old}: errant_transactions:" in done.stderr
    up(servers.topology.instance, REBUILD=old)


def test_no_failover_without_a_replica(bring_up: Callable[..., str]) -> None:
    name = bring_up(own("alone"), REPLICAS=0)
    done = wavetank("failover", INSTANCE=name)
    assert (done.returncode, done.stderr) == (2, "wavetank: db1 has no replica that could take its place\n")
    wavetank("down", INSTANCE=name)
