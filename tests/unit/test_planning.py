"""From what a person asked for, and what the instance remembers, to a topology or one line of refusal."""

import dataclasses
import os
import socket
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import yaml
from pretended_clock import Clock
from wavetank.errors import UsageError
from wavetank.provision import port_allocation
from wavetank.provision.planning import IDLE_SERVER_MEMORY, plan, preflight
from wavetank.provision.port_allocation import FIRST_PORT, PORT_STEP
from wavetank.topology.instance import HOME, INVENTORIES, OPTIONS, Instance, instance_names, topology_names
from wavetank.topology.memory_sizing import LEAST_NODE_MEMORY, MIB, buffer_pool_bytes, parse_size
from wavetank.topology.model import Topology
from wavetank.topology.parsing import read_nodes

if TYPE_CHECKING:
    from conftest import Engine

Hosts = dict[str, dict[str, Any]]
MakeTopology = Callable[..., Topology]
Record = Callable[[Topology], Topology]

# The fixture free_ports pretends; one test asks real sockets.
is_really_free = port_allocation.is_free

THREE: Hosts = {
    "db1": {"server_id": 1},
    "db2": {"server_id": 2, "replicates_from": "db1"},
    "db3": {"server_id": 3, "replicates_from": "db1"},
}

pytestmark = pytest.mark.usefixtures("engine", "free_ports")


@pytest.fixture(autouse=True)
def _four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "cpu_count", lambda: 4)


def refused(hosts: Hosts = THREE, *, name: str = "master-slave", instance: str = "sea", **asked: object) -> str:
    """Plan what must be refused; return the one line."""
    with pytest.raises(UsageError) as refusal:
        plan(name, instance, hosts, asked)
    assert "\n" not in str(refusal.value)
    assert not instance_names() or Instance(instance).exists
    return str(refusal.value)


# --- what is asked for, and what is remembered


def test_an_instance_without_wishes_is_planned_from_the_inventory_alone() -> None:
    topology = plan("master-slave", "sea", THREE, dict.fromkeys(OPTIONS, ""))
    assert (topology.name, topology.instance, topology.project) == ("master-slave", "sea", "wavetank-sea")
    assert topology.nodes == read_nodes(THREE, FIRST_PORT)
    assert topology.sizing.memory == 512 * MIB
    assert topology.sizing.cpus is None
    assert not topology.semi_sync
    assert topology.given == {}


def test_everything_asked_for_is_in_the_plan() -> None:
    topology = plan(
        "master-slave", "sea", THREE,
        {"base_port": "15000", "replicas": "3", "semi_sync": "1", "node_memory": "1g", "node_cpus": "0.5"},
    )  # fmt: skip
    assert [(node.name, node.port) for node in topology.nodes][0::3] == [("db1", 15000), ("db4", 15003)]
    assert topology.semi_sync
    assert topology.sizing.memory == 1024 * MIB
    assert topology.sizing.cpus == 0.5


ASKED = {"base_port": "15000", "replicas": "3", "semi_sync": "1", "node_memory": "1g", "node_cpus": "0.5"}


def test_what_was_asked_for_once_is_remembered(record: Record) -> None:
    before = record(plan("master-slave", "sea", THREE, ASKED))
    assert plan("master-slave", "sea", THREE, dict.fromkeys(OPTIONS, "")) == before
    assert plan("master-slave", "sea", THREE, {}) == before


@pytest.mark.parametrize(
    ("option", "value", "read"),
    [
        ("base_port", "16000", lambda topology: topology.nodes[0].port == 16000),
        ("replicas", "4", lambda topology: len(topology.replicas) == 4),
        ("semi_sync", "0", lambda topology: not topology.semi_sync),
        ("node_memory", "2g", lambda topology: topology.sizing.memory == 2048 * MIB),
        ("node_cpus", "2", lambda topology: topology.sizing.cpus == 2),
        ("mysql_image", "mysql:9.7.4", lambda topology: topology.given["mysql_image"] == "mysql:9.7.4"),
    ],
)
def test_what_is_asked_for_now_wins_over_what_is_remembered(
    record: Record, option: str, value: str, read: Callable[[Topology], bool]
) -> None:
    before = record(plan("master-slave", "sea", THREE, ASKED))
    assert before.given.get(option) != value
    now = plan("master-slave", "sea", THREE, {option: value})
    assert read(now)
    assert now.given == {**ASKED, option: value}


def test_nothing_else_is_remembered_than_the_options() -> None:
    assert plan("master-slave", "sea", THREE, {"colour": "red"}).given == {}


@pytest.mark.usefixtures("engine")
def test_a_second_up_keeps_the_image(record: Record, make_topology: MakeTopology) -> None:
    assert plan("master-slave", "sea", THREE, {}).image == ""
    record(make_topology(THREE))
    assert plan("master-slave", "sea", THREE, {}).image == "wavetank/node:0123456789abcdef"


# --- refusals


@pytest.mark.parametrize("size", ["100m", "383m", "0", "1"])
def test_too_little_memory_is_refused_with_the_least(size: str) -> None:
    assert refused(node_memory=size) == f"node_memory={size} is too little: a server needs at least 384m"


@pytest.mark.parametrize("size", ["lots", "-1", "1.5g", "1t", "m", "1 g"])
def test_a_size_that_is_none_is_refused_with_an_example(size: str) -> None:
    assert refused(node_memory=size) == f"{size!r} is not a size: write it like 512m or 1g"


@pytest.mark.parametrize(
    ("text", "size"),
    [("384m", 384 * MIB), ("512M", 512 * MIB), (" 1g ", 1024 * MIB), ("2GB", 2048 * MIB), ("7k", 7168)],
)
def test_a_size_is_read_as_people_write_it(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("replicas", ["few", "-1", "51", "1.5", "1e1", "²"])
def test_a_count_of_replicas_that_is_none_is_refused_with_the_range(replicas: str) -> None:
    assert refused(replicas=replicas) == f"replicas={replicas} is not a number from 0 to 50"


@pytest.mark.parametrize("port", ["http", "-1", "32001", "13310.0"])
def test_a_port_that_is_none_is_refused_with_the_range(port: str) -> None:
    assert refused(base_port=port) == f"base_port={port} is not a number from 0 to 32000"


@pytest.mark.parametrize("port", ["0", "80", "1023"])
def test_a_privileged_port_is_refused_with_the_range(port: str) -> None:
    assert refused(base_port=port) == f"base_port={port} is privileged: take one from 1024 to 32000"


@pytest.mark.parametrize("cpus", ["0", "-1", "0.05", "4.1", "9999", "all", "nan", "inf"])
def test_cpus_that_this_machine_does_not_have_are_refused_with_the_range(cpus: str) -> None:
    assert refused(node_cpus=cpus) == f"node_cpus={cpus} is not a number from 0.1 to the 4 cores of this machine"


@pytest.mark.parametrize("cpus", ["0.1", "1", "4"])
def test_cpus_that_this_machine_has_are_taken(cpus: str) -> None:
    assert plan("master-slave", "sea", THREE, {"node_cpus": cpus}).sizing.cpus == float(cpus)


@pytest.mark.parametrize("acknowledgements", ["maybe", "51", "-1", "yes please", "1.5"])
def test_a_number_of_acknowledgements_that_is_none_is_refused_with_the_range(acknowledgements: str) -> None:
    assert refused(semi_sync=acknowledgements) == f"semi_sync={acknowledgements} is not a number from 0 to 50"


@pytest.mark.parametrize(
    ("asked", "acknowledgements"),
    [("1", 1), ("yes", 1), ("TRUE", 1), ("On", 1), (True, 1), (1, 1), ("2", 2), (2, 2),
     ("0", 0), ("no", 0), ("False", 0), ("OFF", 0), (False, 0)],
)  # fmt: skip
def test_a_number_of_acknowledgements_is_read_as_people_write_it(asked: object, acknowledgements: int) -> None:
    assert plan("master-slave", "sea", THREE, {"semi_sync": asked}).semi_sync == acknowledgements


def test_an_instance_name_that_cannot_be_one_is_refused() -> None:
    assert "cannot name an instance" in refused(instance="../sea")


@pytest.mark.usefixtures("engine")
def test_a_server_that_exists_cannot_be_planned_away(record: Record) -> None:
    record(plan("master-slave", "sea", THREE, {}))
    line = "which it would no longer have: only topology-down removes servers"
    assert refused(replicas="1") == f"sea has db3, {line}"
    assert refused({"db1": {"server_id": 1}}) == f"sea has db2, db3, {line}"


def test_another_topology_of_the_same_instance_name_is_refused(record: Record) -> None:
    record(plan("master-slave", "sea", THREE, {}))
    assert refused(name="chain") == ("sea is a master-slave topology: name another INSTANCE=, or take it down first")


def test_semi_sync_without_anybody_to_acknowledge_is_refused() -> None:
    assert refused(semi_sync="1", replicas="0") == "semi_sync=1 needs a replica to acknowledge: db1 has none"


def test_more_acknowledgements_than_a_source_has_replicas_are_refused() -> None:
    assert refused(semi_sync="3") == "semi_sync=3 needs 3 replicas to acknowledge: db1 has 2"
    relayed = {**THREE, "db4": {"server_id": 4, "replicates_from": "db3"}}
    assert refused(relayed, semi_sync="2") == "semi_sync=2 needs 2 replicas to acknowledge: db3 has 1"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"db2": {"server_id": 2, "replicates_from": "db9"}}, "db2 replicates from 'db9'"),
        ({"db2": {"server_id": "two", "replicates_from": "db1"}}, "db2 needs a server_id from 1"),
        ({"db1": {"server_id": 1, "replicates_from": "db2"}}, "goes in a circle: db1 -> db2 -> db1"),
    ],
    ids=["unknown source", "server_id", "circle"],
)
@pytest.mark.parametrize("replicas", ["", "1", "4"])
def test_what_is_wrong_in_the_inventory_is_said_whatever_count_is_asked(
    wrong: dict[str, Any], reason: str, replicas: str
) -> None:
    hosts: Hosts = {"db1": {"server_id": 1}, "db2": {"server_id": 2, "replicates_from": "db1"}}
    assert reason in refused(hosts | wrong, replicas=replicas)


# --- ports


def ports(topology: Topology) -> list[int]:
    return [node.port for node in topology.nodes]


def test_the_first_instance_starts_at_the_first_port() -> None:
    assert ports(plan("master-slave", "sea", THREE, {})) == [FIRST_PORT, FIRST_PORT + 1, FIRST_PORT + 2]


def test_a_second_instance_takes_the_next_block_although_the_first_does_not_run(record: Record) -> None:
    record(plan("master-slave", "sea", THREE, {}))
    assert ports(plan("master-slave", "lake", THREE, {}))[0] == FIRST_PORT + PORT_STEP


def test_ports_beside_the_block_do_not_matter(engine: "Engine") -> None:
    engine.run("somebody-elses", FIRST_PORT + 3)
    assert ports(plan("master-slave", "sea", THREE, {}))[0] == FIRST_PORT


def test_ports_that_a_process_holds_are_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = {FIRST_PORT + 1, FIRST_PORT + PORT_STEP}
    monkeypatch.setattr(port_allocation, "is_free", lambda port: port not in taken)
    assert ports(plan("master-slave", "sea", THREE, {}))[0] == FIRST_PORT + 2 * PORT_STEP


def test_a_running_instance_keeps_its_ports(record: Record, engine: "Engine", monkeypatch: pytest.MonkeyPatch) -> None:
    before = record(plan("master-slave", "sea", THREE, {}))
    engine.run("wavetank-sea-db1", FIRST_PORT)
    monkeypatch.setattr(port_allocation, "is_free", lambda _port: False)
    assert ports(plan("master-slave", "sea", THREE, {})) == ports(before)


def test_an_instance_that_never_started_gives_way(
    record: Record, engine: "Engine", monkeypatch: pytest.MonkeyPatch
) -> None:
    record(plan("master-slave", "sea", THREE, {}))
    assert not engine.states
    monkeypatch.setattr(port_allocation, "is_free", lambda port: port >= FIRST_PORT + PORT_STEP)
    assert ports(plan("master-slave", "sea", THREE, {}))[0] == FIRST_PORT + PORT_STEP


def test_a_machine_without_a_free_block_is_told_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port_allocation, "is_free", lambda _port: False)
    assert refused() == "no 3 free ports in a row from 13310 to 32000: name a BASE_PORT="


TWO_SOURCES: Hosts = {
    "db1": {"server_id": 1},
    "db2": {"server_id": 2, "replicates_from": "db1"},
    "db3": {"server_id": 3},
    "db4": {"server_id": 4, "replicates_from": "db3"},
}


@pytest.mark.parametrize("hosts", [THREE, TWO_SOURCES], ids=["one source", "two sources"])
@pytest.mark.parametrize("more", [0, 1, 2])
@pytest.mark.usefixtures("engine")
def test_growing_moves_no_server_to_another_port(record: Record, hosts: Hosts, more: int) -> None:
    before = record(plan("some", "sea", hosts, {}))
    most = max(len(before.replicas_of(source)) for source in before.sources)
    now = plan("some", "sea", hosts, {"replicas": most + more})
    assert {node.name: node.port for node in before.nodes}.items() <= {n.name: n.port for n in now.nodes}.items()


def test_no_port_is_planned_that_another_instance_has(record: Record) -> None:
    """An instance that is stopped holds no socket: only its record knows that the port is its."""
    sea = record(plan("master-slave", "sea", THREE, {}))
    try:
        lake = plan("master-slave", "lake", THREE, {"base_port": str(FIRST_PORT + 2)})
        preflight(lake)
    except UsageError as refusal:
        assert "sea" in str(refusal)  # noqa: PT017
    else:
        assert not set(ports(sea)) & set(ports(lake))


def test_no_container_is_planned_that_another_instance_has(record: Record, make_topology: MakeTopology) -> None:
    lake = record(make_topology({"b-c": {"server_id": 1}}, instance="a"))
    hosts = {"c": {"server_id": 1}}
    try:
        sea = plan("some", "a-b", hosts, {})
        preflight(sea)
    except UsageError as refusal:
        assert "wavetank-a-b-c" in str(refusal)  # noqa: PT017
    else:
        assert sea.container(sea.nodes[0]) != lake.container(lake.nodes[0])


# --- preflight: does it fit on this machine?


@pytest.fixture
def loopback() -> Iterator[int]:
    """Listen on a port of 127.0.0.1, and return it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_topology_that_fits_is_let_through(make_topology: MakeTopology) -> None:
    preflight(make_topology())


def test_a_port_in_use_says_by_which_process(
    make_topology: MakeTopology, loopback: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_allocation, "is_free", is_really_free)
    with pytest.raises(UsageError) as refusal:
        preflight(make_topology({"db1": {"server_id": 1}}, base_port=loopback))
    assert str(refusal.value) == (
        f"port {loopback}, for db1 of sea, is in use by {psutil.Process().name()} (pid {os.getpid()}): "
        "name another BASE_PORT="
    )


def test_a_port_in_use_says_by_which_container(
    make_topology: MakeTopology, engine: "Engine", monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.run("shop-web-1", 13311)
    monkeypatch.setattr(port_allocation, "is_free", lambda port: port != 13311)
    with pytest.raises(UsageError, match=r"^port 13311, for db2 of sea, is in use by container shop-web-1: name"):
        preflight(make_topology())


def test_a_port_whose_holder_cannot_be_seen_is_refused_too(
    make_topology: MakeTopology, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(_kind: str) -> None:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "net_connections", denied)
    monkeypatch.setattr(port_allocation, "is_free", lambda _port: False)
    with pytest.raises(UsageError, match="port 13310, for db1 of sea, is in use by another process"):
        preflight(make_topology())


def test_the_ports_of_servers_that_run_are_theirs(
    make_topology: MakeTopology, engine: "Engine", monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2, 3):
        engine.run(f"wavetank-sea-db{number}", 13309 + number, home=str(HOME))
    monkeypatch.setattr(port_allocation, "is_free", lambda _port: False)
    preflight(make_topology())


@pytest.mark.parametrize("then", ["running", "exited"])
def test_what_the_engine_is_starting_or_ending_is_waited_for(
    make_topology: MakeTopology, engine: "Engine", monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    """A killed topology-up has asked it to; a container has its ports before it runs, and a moment after it has."""
    for number, status in ((1, "running"), (2, "created" if then == "running" else "exited"), (3, "running")):
        engine.run(f"wavetank-sea-db{number}", 13309 + number, status=status, home=str(HOME))
    clock = Clock.instead(monkeypatch)
    nap = clock.sleep

    def go_on(seconds: float) -> None:
        nap(seconds)
        if len(clock.naps) == 3:
            engine.states[1] = dataclasses.replace(engine.states[1], status=then)

    monkeypatch.setattr(time, "sleep", go_on)
    is_free_at_last = then == "exited"
    monkeypatch.setattr(port_allocation, "is_free", lambda _port: is_free_at_last and len(clock.naps) >= 3)
    preflight(make_topology())
    assert clock.naps == [0.05] * 3


def test_a_stopped_server_must_find_its_port_free(
    make_topology: MakeTopology, engine: "Engine", monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock.instead(monkeypatch)
    for number, status in ((1, "running"), (2, "exited"), (3, "running")):
        engine.run(f"wavetank-sea-db{number}", 13309 + number, status=status, home=str(HOME))
    monkeypatch.setattr(port_allocation, "is_free", lambda _port: False)
    with pytest.raises(UsageError, match="port 13311, for db2 of sea"):
        preflight(make_topology())
    assert len(clock.naps) == pytest.approx(port_allocation.SETTLING_S / 0.05, abs=1)


def test_an_instance_of_another_clone_is_refused_with_its_place(make_topology: MakeTopology, engine: "Engine") -> None:
    engine.run("wavetank-sea-db1", home="/home/eve/wavetank")
    with pytest.raises(UsageError) as refusal:
        preflight(make_topology())
    assert str(refusal.value) == ("an instance 'sea' of the clone in /home/eve/wavetank exists: name another INSTANCE=")


def free(monkeypatch: pytest.MonkeyPatch, memory: int) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=memory))


def test_more_servers_than_memory_are_refused(make_topology: MakeTopology, monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 3 * IDLE_SERVER_MEMORY - 1)
    with pytest.raises(UsageError, match=r"^3 servers need about 1050 MiB and 1049 MiB are free: .*fewer replicas$"):
        preflight(make_topology())
    free(monkeypatch, 3 * IDLE_SERVER_MEMORY)
    preflight(make_topology())


def test_servers_that_run_need_no_more_memory(
    make_topology: MakeTopology, engine: "Engine", monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.run("wavetank-sea-db1", home=str(HOME))
    engine.run("wavetank-sea-db2", home=str(HOME))
    free(monkeypatch, IDLE_SERVER_MEMORY)
    preflight(make_topology())


# --- sizes


@pytest.mark.parametrize("memory", [LEAST_NODE_MEMORY, 512 * MIB, 1000 * MIB, 1024 * MIB, 8192 * MIB])
def test_the_buffer_pool_leaves_room_and_is_made_of_whole_chunks(memory: int) -> None:
    pool = buffer_pool_bytes(memory)
    assert 32 * MIB <= pool <= (memory - 256 * MIB) * 3 / 4
    assert pool % (32 * MIB) == 0
    assert pool > (memory - 256 * MIB) * 3 / 4 - 32 * MIB


# --- the project's own inventories


@pytest.mark.parametrize("name", topology_names())
@pytest.mark.parametrize("asked", [{}, {"semi_sync": "1"}], ids=["plain", "semi-sync"])
def test_every_topology_of_the_project_can_be_planned(name: str, asked: dict[str, str]) -> None:
    hosts = yaml.safe_load((INVENTORIES / f"{name}.yml").read_text())["mysql"]["hosts"]
    hosts = {host: variables or {} for host, variables in hosts.items()}
    topology = plan(name, name, hosts, asked)
    assert [node.name for node in topology.nodes] == list(hosts)
    assert topology.sources
