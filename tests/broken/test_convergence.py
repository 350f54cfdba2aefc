"""Up on a healthy instance changes nothing; on a damaged or half-made one it mends, and loses no data."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from commands import HOME, WAVETANK, clear, own, up, wavetank
from wavetank.errors import UnreachableError
from wavetank.machine import containers
from wavetank.provision.rendering import ENTRYPOINT
from wavetank.servers.node import Server, Servers
from wavetank.topology.instance import Instance
from wavetank.topology.memory_sizing import parse_size
from wavetank.waiting import wait_until

# What the event and the canary check write all the time, on an instance that nobody touches.
PULSE = {"wavetank.heartbeat", "wavetank.canary"}
SHOP = "shop.customers, shop.products, shop.orders, shop.order_items"


@pytest.fixture(scope="module")
def instance(bring_up: Callable[..., str]) -> Instance:
    """An instance of a source and two replicas that hold data."""
    name = bring_up(own("mend"))
    assert wavetank("load", "500", INSTANCE=name).returncode == 0
    return Instance(name)


@pytest.fixture
def servers(instance: Instance) -> Iterator[Servers]:
    """Connections to the servers that the instance has now."""
    with Servers(instance.topology()) as servers:
        yield servers


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def inspected(instance: Instance) -> dict[str, dict[str, Any]]:
    """Return what the engine says of each container of the instance."""
    names = [state.name for state in containers.containers(instance.topology().project)]
    return {each["Name"].lstrip("/"): each for each in json.loads(docker("inspect", *names))} if names else {}


def starts(instance: Instance) -> dict[str, tuple[str, str, str]]:
    """Return the identity, the state and the last start of each container."""
    return {
        name: (each["Id"], each["State"]["Status"], each["State"]["StartedAt"])
        for name, each in inspected(instance).items()
    }


def files(instance: Instance) -> dict[str, int]:
    """Return every file of the instance with its time of change, but for the report, which each verification writes."""
    return {
        str(path): path.stat().st_mtime_ns
        for path in instance.directory.rglob("*")
        if path.is_file() and path != instance.report
    }


def checksums(servers: Servers) -> dict[str, set[int]]:
    """Return the checksum of each table of the shop, which is a single one where all servers hold the same."""
    found: dict[str, set[int]] = {}
    for node in servers.topology.nodes:
        for row in servers[node.name].query(f"CHECKSUM TABLE {SHOP}", account="admin"):
            found.setdefault(row["Table"], set()).add(row["Checksum"])
    return found


class Journal:
    """What is written into a server's binary log from now on."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.uuids = self._uuids()
        self.start = server.query("SHOW BINARY LOG STATUS")[0]

    def _uuids(self) -> set[str]:
        executed = self.server.value("SELECT @@GLOBAL.gtid_executed")
        return {part.strip().partition(":")[0] for part in executed.split(",")}

    def strange(self) -> set[str]:
        """Return what is not the pulse: other tables, statements, and servers that had not written before."""
        events = self.server.query(
            f"SHOW BINLOG EVENTS IN '{self.start['File']}' FROM {self.start['Position']}", account="admin"
        )
        tables = {each["Info"].split("(")[-1].rstrip(")") for each in events if each["Event_type"] == "Table_map"}
        statements = {each["Info"] for each in events if each["Event_type"] == "Query"} - {"BEGIN"}
        rotated = {each["Event_type"] for each in events} & {"Rotate", "Stop"}
        assert tables & PULSE, "the journal sees not even the heartbeat"
        return (tables - PULSE) | statements | rotated | (self._uuids() - self.uuids)


# --- healthy


def test_up_on_a_healthy_instance_changes_nothing_and_says_so(instance: Instance, servers: Servers) -> None:
    journals = [Journal(servers[node.name]) for node in servers.topology.nodes]
    before = starts(instance), files(instance)
    said = up(instance.name).stdout
    assert "nothing had to change" in said
    assert "✓ Bring" not in said
    assert (starts(instance), files(instance)) == before
    assert [journal.strange() for journal in journals] == [set()] * len(journals)


def test_a_look_at_a_healthy_instance_changes_nothing(instance: Instance, servers: Servers) -> None:
    journals = [Journal(servers[node.name]) for node in servers.topology.nodes]
    before = starts(instance), files(instance)
    done = wavetank("up", "--check", INSTANCE=instance.name)
    assert (done.returncode, done.stderr) == (0, "")
    assert "nothing would change" in done.stdout
    assert (starts(instance), files(instance)) == before
    assert [journal.strange() for journal in journals] == [set()] * len(journals)


def test_a_look_at_a_new_instance_creates_nothing() -> None:
    done = wavetank("up", "--check", INSTANCE=own("looked-at"))
    assert (done.returncode, done.stderr) == (0, "")
    expect_announcement(done)
    assert not Instance(own("looked-at")).directory.exists()
    for kind in (["ps", "-a"], ["volume", "ls"], ["network", "ls"]):
        assert docker(*kind, "-q", f"--filter=name={own('looked-at')}") == ""


# --- damaged


def test_all_containers_killed_at_once_come_back_with_their_data(instance: Instance, servers: Servers) -> None:
    before = checksums(servers)
    docker("kill", *starts(instance))
    killed = starts(instance), files(instance)
    look = wavetank("up", "--check", INSTANCE=instance.name)
    assert (starts(instance), files(instance)) == killed
    expect_announcement(look)
    up(instance.name)
    assert checksums(servers) == before
    assert all(len(different) == 1 and different != {None} for different in before.values())


def test_removed_containers_come_back_with_their_data(instance: Instance, servers: Servers) -> None:
    before, uuid = checksums(servers), servers["db1"].value("SELECT @@server_uuid")
    docker("rm", "-f", "-v", servers.topology.container(servers.topology.node("db1")))
    docker("rm", "-f", "-v", servers.topology.container(servers.topology.node("db3")))
    up(instance.name)
    assert checksums(servers) == before
    assert servers["db1"].value("SELECT @@server_uuid") == uuid


def test_a_my_cnf_edited_by_hand_is_put_back_and_read_again(instance: Instance, servers: Servers) -> None:
    my_cnf, node = servers["db2"].my_cnf, servers.topology.node("db2")
    rendered = my_cnf.read_text()
    my_cnf.write_text(rendered.replace("sync_binlog = 1\n", "sync_binlog = 0\n"))
    containers.restart(servers.topology.container(node))
    wait_until("the restarted server", servers["db2"].greets, timeout_s=60)
    assert servers["db2"].value("SELECT @@GLOBAL.sync_binlog") == 0
    others = {name: start for name, start in starts(instance).items() if not name.endswith("-db2")}
    up(instance.name)
    assert my_cnf.read_text() == rendered
    assert servers["db2"].value("SELECT @@GLOBAL.sync_binlog") == 1
    assert {name: start for name, start in starts(instance).items() if name in others} == others


def test_a_look_at_a_damaged_instance_changes_nothing(instance: Instance, servers: Servers) -> None:
    my_cnf = servers["db3"].my_cnf
    rendered = my_cnf.read_text()
    my_cnf.write_text(rendered + "# by hand\n")
    servers["db2"].execute("STOP REPLICA", "SET GLOBAL super_read_only = OFF")
    before = starts(instance), files(instance)
    look = wavetank("up", "--check", INSTANCE=instance.name)
    after = starts(instance), files(instance)
    still_open = not servers["db2"].value("SELECT @@GLOBAL.super_read_only")
    up(instance.name)
    assert after == before
    assert still_open
    assert my_cnf.read_text() == rendered
    expect_announcement(look)


def expect_announcement(look: subprocess.CompletedProcess[str]) -> None:
    """Fail unless `up --check` has said what it would do; what it would mend is still a finding."""
    assert look.returncode in (0, 1), look.stdout + look.stderr
    assert "· would: " in look.stdout or " needs: " in look.stdout
    assert "nothing would change" not in look.stdout


def test_a_diverged_replica_is_reported_and_only_rebuilt_on_request(instance: Instance, servers: Servers) -> None:
    before = checksums(servers)
    servers["db3"].execute(
        "SET GLOBAL super_read_only = OFF", "SET sql_log_bin = OFF", "DELETE FROM shop.order_items WHERE order_id = 7",
        "SET GLOBAL super_read_only = ON",
    )  # fmt: skip
    diverged, running = checksums(servers), starts(instance)
    assert diverged != before
    done = wavetank("up", INSTANCE=instance.name)
    after = checksums(servers), starts(instance)
    up(instance.name, REBUILD="db3")
    assert done.returncode == 1, done.stdout + done.stderr
    assert [line for line in done.stderr.splitlines() if " db3: data_equal: expected " in line]
    assert "REBUILD=db3" in done.stderr
    assert after == (diverged, running)
    assert checksums(servers) == before


# --- grown


def test_a_look_at_more_replicas_adds_none(instance: Instance) -> None:
    before = starts(instance), files(instance)
    look = wavetank("up", "--check", INSTANCE=instance.name, REPLICAS=3)
    assert (starts(instance), files(instance)) == before
    expect_announcement(look)


def test_more_replicas_join_and_disturb_nobody(instance: Instance, servers: Servers) -> None:
    before, running, topology = checksums(servers), starts(instance), servers.topology
    up(instance.name, REPLICAS=3)
    grown = instance.topology()
    assert [node.name for node in grown.nodes] == ["db1", "db2", "db3", "db4"]
    assert grown.nodes[:3] == topology.nodes
    assert {name: start for name, start in starts(instance).items() if name in running} == running
    with Servers(grown) as all_servers:
        assert checksums(all_servers) == before


def test_fewer_replicas_are_refused_since_only_down_deletes(instance: Instance) -> None:
    before = starts(instance), files(instance)
    done = wavetank("up", INSTANCE=instance.name, REPLICAS=1)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "only topology-down removes servers" in done.stderr
    assert (starts(instance), files(instance)) == before


@pytest.fixture
def half_made(instance: Instance) -> str:
    """What an ended up has left of the container that takes another's place: compose names it after both."""
    project = instance.topology().project
    container = inspected(instance)[f"{project}-db1"]
    name = f"{container['Id'][:12]}_{project}-db1"
    labels = (f"{containers.PROJECT_LABEL}={project}", "com.docker.compose.oneoff=True")
    docker("create", "--name", name, *(f"--label={label}" for label in labels), container["Image"])
    return name


def test_more_memory_is_given_to_running_servers_and_used(instance: Instance, servers: Servers, half_made: str) -> None:
    """Compose makes each container anew, and would stumble over the name of one that is half made."""
    before, pool, running = checksums(servers), servers.topology.sizing.buffer_pool, inspected(instance)
    assert half_made in running
    up(instance.name, NODE_MEMORY="1g")
    after, sizing = inspected(instance), instance.topology().sizing
    assert after.keys() == running.keys() - {half_made}
    assert not {each["Id"] for each in after.values()} & {each["Id"] for each in running.values()}
    assert {each["HostConfig"]["Memory"] for each in after.values()} == {parse_size("1g")}
    assert sizing.buffer_pool > pool
    for node in servers.topology.nodes:
        assert servers[node.name].value("SELECT @@innodb_buffer_pool_size") == sizing.buffer_pool
    assert checksums(servers) == before


def test_what_was_asked_for_once_is_remembered(instance: Instance) -> None:
    before = starts(instance), files(instance)
    assert "nothing had to change" in up(instance.name).stdout
    assert (starts(instance), files(instance)) == before


# --- interrupted


HALF = own("half")
NODES = {"db1", "db2"}


def states() -> list[str]:
    return [state.status for state in containers.containers(f"wavetank-{HALF}")]


def channel_exists() -> bool:
    if states() != ["running"] * len(NODES):
        return False
    with contextlib.suppress(UnreachableError), Servers(Instance(HALF).topology()) as servers:
        return bool(
            servers["db2"].value(
                "SELECT COUNT(*) FROM performance_schema.replication_connection_configuration WHERE HOST <> ''"
            )
        )
    return False


MOMENTS: dict[str, Callable[[], bool]] = {
    "the instance is recorded": lambda: Instance(HALF).exists,
    "the first container exists": lambda: bool(states()),
    "all containers run": lambda: states() == ["running"] * len(NODES),
    "the first channel exists": channel_exists,
}


@pytest.fixture
def half() -> Iterator[None]:
    """Take the half-made instance down, whatever became of it."""
    yield
    clear(HALF)


def interrupt(moment: str, stop: Callable[[int], None]) -> subprocess.CompletedProcess[str]:
    """Bring a new instance up, and `stop` the command, by its process id, at that moment."""
    # A background job ignores Ctrl-C, and would pass that on.
    command = ["env", "--default-signal=INT", str(WAVETANK), "up"]
    environment = {**os.environ, "INSTANCE": HALF, "REPLICAS": "1"}
    with subprocess.Popen(
        command, env=environment, cwd=HOME, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            wait_until(moment, MOMENTS[moment], timeout_s=60, interval_s=0.01)
            assert process.poll() is None, "the moment came after the end"
        finally:
            stop(process.pid)
        stdout, stderr = process.communicate(timeout=60)
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def kill_all(pid: int) -> None:
    """Kill a command and every process below it at once, as when the machine dies."""
    command = psutil.Process(pid)
    for process in (command, *command.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def kill_group(pid: int) -> None:
    """Kill a command's process group; Ansible's workers are not in it, and go on to the end of their task."""
    os.killpg(pid, signal.SIGKILL)


def press_ctrl_c(pid: int) -> None:
    """Interrupt a command's process group, as a terminal does."""
    os.killpg(pid, signal.SIGINT)


def expect_whole() -> None:
    """Fail unless the healed instance has what it needs and nothing is left of the interruption."""
    assert wavetank("check", INSTANCE=HALF).returncode == 0
    project = Instance(HALF).topology().project
    expected = {f"{project}-{node}" for node in NODES}
    assert {state.name for state in containers.containers(project)} == expected
    assert set(docker("volume", "ls", "-q", f"--filter=name={project}").split()) == expected
    assert docker("network", "ls", f"--filter=name={project}", "--format={{.Name}}").split() == [project]
    helpers = docker("ps", "-a", f"--filter=volume={ENTRYPOINT}", "--format={{.Names}}").split()
    assert [name for name in helpers if not name.startswith("wavetank-")] == []
    assert list(Path(Instance(HALF).directory).rglob("*.new")) == []
    assert list(working()) == []


def working() -> Iterator[list[str]]:
    """Yield the command line of each process that still works on the instance."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("INSTANCE") == HALF:
                yield process.cmdline()


@pytest.mark.usefixtures("half")
@pytest.mark.parametrize("moment", MOMENTS)
def test_an_up_that_is_killed_is_healed_by_one_more(moment: str) -> None:
    assert interrupt(moment, kill_all).returncode == -signal.SIGKILL
    up(HALF, REPLICAS=1)
    expect_whole()


@pytest.mark.usefixtures("half")
def test_an_up_whose_orphans_go_on_is_healed_by_one_more() -> None:
    assert interrupt("the instance is recorded", kill_group).returncode == -signal.SIGKILL
    up(HALF, REPLICAS=1)
    expect_whole()


@pytest.mark.usefixtures("half")
def test_an_up_that_is_interrupted_says_so_and_is_healed_by_one_more() -> None:
    done = interrupt("the first container exists", press_ctrl_c)
    assert done.returncode == 130
    # Ansible says a word of its own before.
    assert done.stderr.splitlines()[-1:] == ["wavetank: interrupted; the same command goes on where this one stopped"]
    assert "Traceback" not in done.stderr
    up(HALF, REPLICAS=1)
    expect_whole()


@pytest.mark.usefixtures("half")
def test_what_a_killed_up_has_left_can_be_taken_down() -> None:
    interrupt("the first container exists", kill_all)
    done = wavetank("down", INSTANCE=HALF)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not Instance(HALF).directory.exists()
    assert states() == []
    assert docker("volume", "ls", "-q", f"--filter=name=wavetank-{HALF}") == ""
