"""The source is replaced, in order or because it is gone: nothing acknowledged is lost, and one takes writes.

Every up() ends with all checks: where it is good, they are.
"""

import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator

import pytest
from commands import HOME, WAVETANK, own, up, wavetank
from mending import mend_unless_green
from wavetank.change import switchover
from wavetank.change.failover.run import fail_over
from wavetank.change.failover_log import FailoverLog
from wavetank.change.role_transition import record_promotion
from wavetank.change.switchover import switch_over
from wavetank.checks.questions import errant_transactions
from wavetank.errors import UsageError
from wavetank.machine import containers
from wavetank.servers.gtid import is_subset, subtract, union
from wavetank.servers.node import Server, Servers, query_on
from wavetank.servers.replication import channels_of, known_transactions, set_delay
from wavetank.topology.instance import Instance
from wavetank.waiting import wait_until
from writer import Writer

pytestmark = pytest.mark.group("change")
# An application does not wait longer for an answer.
PATIENCE_S = 2
# How long a failover may take to a step, and to end.
STEP_S = 30
OPEN = "SELECT NOT @@GLOBAL.read_only"


@pytest.fixture
def servers(changing: str) -> Iterator[Servers]:
    """The instance in order, whoever is its source by now, and with no failover a moment ago."""
    FailoverLog(Instance(changing)).end_recovery_block()
    with Servers(Instance(changing).topology(), PATIENCE_S) as servers:
        yield servers
    mend_unless_green(changing)


def roles(servers: Servers) -> tuple[str, str, str]:
    """Return the source and the two replicas, as they are recorded."""
    topology = Instance(servers.topology.instance).topology()
    (source,) = topology.sources
    first, second = topology.replicas
    return source.name, first.name, second.name


def open_ones(servers: Servers, but: str = "") -> list[str]:
    return [node.name for node in servers.topology.nodes if node.name != but and servers[node.name].value(OPEN)]


def kill(servers: Servers, name: str) -> None:
    containers.kill(servers.topology.container(servers.topology.node(name)))


def expect_nothing_lost(writer: Writer, servers: Servers, *names: str) -> None:
    """Fail if a row that was acknowledged is missing, or if two servers took writes in turn."""
    written = writer.stop()
    for name in names:
        assert writer.missing_on(servers[name]) == set()
    sources = [writer.acknowledged[number] for number in sorted(written)]
    changes = sum(one != other for one, other in itertools.pairwise(sources))
    assert changes == 1, f"the writes went from one to the other {changes} times"


def bring_back(instance: Instance, old: str) -> None:
    """Bring the instance up with the source that was killed while it was written to.

    What it had written down and not sent when it was killed was acknowledged to nobody: it goes with a rebuild.
    """
    done = wavetank("up", INSTANCE=instance.name)
    if f"{old}: errant_transactions:" in done.stderr:
        up(instance.name, REBUILD=old)
    else:
        assert done.returncode == 0, done.stdout + done.stderr


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


def test_what_waits_for_its_acknowledgements_is_errant_nowhere(servers: Servers) -> None:
    """One of two replicas has executed it and acknowledged it; its source waits for the other one, and has not."""
    old, first, second = roles(servers)
    waits_for = "SET GLOBAL rpl_semi_sync_source_wait_for_replica_count = {}"
    source = servers[old]
    servers[first].execute("STOP REPLICA IO_THREAD")
    before = source.value("SELECT @@GLOBAL.gtid_executed")
    source.execute(waits_for.format(2))
    writing = threading.Thread(target=source.execute, args=["CREATE SCHEMA IF NOT EXISTS waiting"])
    writing.start()
    try:
        seen = wait_until(
            "the other replica to execute it",
            lambda: subtract(servers[second].value("SELECT @@GLOBAL.gtid_executed"), before),
            timeout_s=5,
        )
        assert is_subset(seen, known_transactions(source)[0])
        assert list(errant_transactions.examine(servers.topology.node(second), servers)) == []
        told = json.loads(wavetank("status", "--json", INSTANCE=servers.topology.instance).stdout)
        assert {node["name"]: node["errant"] for node in told["nodes"]}[second] == 0
        assert writing.is_alive()
    finally:
        servers[first].execute("START REPLICA IO_THREAD")
        writing.join()
        source.execute(waits_for.format(1), "DROP SCHEMA waiting")


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
    bring_back(servers.instance, old)
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
    monkeypatch.setattr("wavetank.change.failover.detection.answers", lambda _: False)
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


def test_what_a_delayed_replica_alone_acknowledged_is_fetched_from_it(servers: Servers) -> None:
    old, first, second = roles(servers)
    set_delay(servers[second], 60)
    servers[first].execute("STOP REPLICA IO_THREAD")
    # One of the two acknowledges it, and has it in its relay log only.
    servers[old].execute("CREATE SCHEMA IF NOT EXISTS acknowledged")
    kill(servers, old)
    change = fail_over(servers)
    assert change.new == first
    assert [step.what for step in change.steps if " fetches " in step.what]
    assert servers[first].query("SHOW SCHEMAS LIKE 'acknowledged'", account="admin")
    assert [*channels_of(servers[first]), *channels_of(servers[second])] == [""]
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
        patch.setattr("wavetank.change.finishing.open_promoted", stop)
        with pytest.raises(KeyboardInterrupt):
            fail_over(servers)
    change = fail_over(servers)
    assert (change.old, change.new) == (old, roles(servers)[0])
    up(servers.topology.instance)
    assert open_ones(servers) == [change.new]


def killed_failover(instance: Instance, shown: Callable[[], bool]) -> None:
    """Run a failover and end it by SIGKILL as soon as something shows."""
    command = subprocess.Popen(
        [WAVETANK, "failover"], cwd=HOME, env={**os.environ, "INSTANCE": instance.name}, start_new_session=True
    )
    try:
        wait_until("the failover's step", shown, timeout_s=STEP_S, interval_s=0.001)
    finally:
        os.killpg(command.pid, signal.SIGKILL)
        command.wait(STEP_S)
    assert command.returncode == -signal.SIGKILL


@pytest.mark.parametrize("recorded", [False, True], ids=["while it waits for the applier", "once it is recorded"])
def test_killed_at_a_step_the_same_command_goes_on(servers: Servers, *, recorded: bool) -> None:
    old, *replicas = roles(servers)
    instance = servers.instance
    with contextlib.ExitStack() as held, Writer(servers[old], *(servers[name] for name in replicas)) as writer:
        writer.wait_for(50)
        for name in replicas if not recorded else ():
            # It acknowledges what it receives, and cannot apply it.
            lock = held.enter_context(contextlib.closing(servers[name].connect("admin")))
            query_on(lock, "FLUSH TABLES WITH READ LOCK", node=name)
        writer.wait_for(50)
        kill(servers, old)
        log = instance.directory / "failovers.json"
        shown = (lambda: roles(servers)[0] != old) if recorded else (lambda: '"new": ""' in log.read_text())
        killed_failover(instance, shown)
        assert (roles(servers)[0] != old) is recorded
        held.close()
        done = wavetank("failover", INSTANCE=instance.name)
        # What was opened before it was killed is the source; it may be killed a moment too late for more.
        assert done.returncode == 0 or "within 300 s another failover" in done.stderr, done.stderr
        writer.wait_for(50)
        expect_nothing_lost(writer, servers, *replicas)
    assert open_ones(servers, but=old) == [roles(servers)[0]]
    bring_back(instance, old)
    assert FailoverLog(instance).unfinished(instance.topology()) == []


def test_gtid_sets_are_what_the_server_says_they_are(changing: str) -> None:
    uuids = [f"3e11fa47-71ca-11e1-9e33-c80aa942956{number}{tag}" for number in (2, 3) for tag in ("", ":aux")]
    drawn = random.Random(changing)  # noqa: S311 - no secret

    def some() -> str:
        first = [drawn.randint(1, 12) for _ in range(3)]
        entry = ":".join(f"{number}-{number + drawn.randint(0, 3)}" for number in first)
        return ",".join(f"{uuid}:{entry}" for uuid in drawn.sample(uuids, 3))

    with Servers(Instance(changing).topology()) as servers:
        server = servers[servers.topology.nodes[0].name]
        for one, other in ((some(), some()) for _ in range(100)):
            theirs = server.query("SELECT GTID_SUBTRACT(%s, %s) AS less, GTID_SUBSET(%s, %s) AS part", [one, other] * 2)
            assert union(theirs[0]["less"]) == subtract(one, other)
            assert bool(theirs[0]["part"]) == is_subset(one, other)
            assert server.value("SELECT GTID_SUBTRACT(%s, '')", [union(one, other)]) != ""


def test_a_dry_run_changes_nothing(servers: Servers) -> None:
    old, first, second = roles(servers)
    files = {path: path.read_bytes() for path in servers.instance.directory.glob("*.json")}
    done = wavetank("switchover", "--dry-run", INSTANCE=servers.topology.instance, TO=first)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "nothing has been changed")
    servers[first].execute("STOP REPLICA SQL_THREAD")
    told = wavetank("failover", "--dry-run", "--json", "--force", INSTANCE=servers.topology.instance)
    assert told.returncode == 0, told.stderr
    plan = json.loads(told.stdout)
    assert (plan["old"], plan["new"]) == (old, second)
    assert [each["unfit"] for each in plan["candidates"]] == ["does not apply", ""]
    refused = wavetank("failover", "--dry-run", INSTANCE=servers.topology.instance)
    assert refused.returncode == 2
    assert f"would be refused: {old} answers: make switchover TO=" in refused.stderr
    assert open_ones(servers) == [old]
    assert {path: path.read_bytes() for path in servers.instance.directory.glob("*.json")} == files


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
