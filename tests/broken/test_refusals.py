"""Bad input is refused before anything is created: one line that says what would be right, exit code 2."""

import contextlib
import functools
import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator

import psutil
import pytest
from commands import HOME, own, wavetank
from wavetank.machine import containers
from wavetank.provision.images import find_base
from wavetank.provision.planning import IDLE_SERVER_MEMORY
from wavetank.provision.rendering import ENTRYPOINT
from wavetank.servers.node import Servers
from wavetank.topology.instance import INVENTORIES, Instance, topology_names

pytestmark = pytest.mark.group("inventories")
# All that is asked for here has this word in its name, so that whatever is left of it can be found.
WORD = "refused"
INSTANCE = own(WORD)
INVENTORY = INVENTORIES / f"zz-{WORD}.yml"

Asked = dict[str, str | int]


def refusal(*arguments: str, **options: str | int) -> str:
    """Run a command that must be refused; return its one line on standard error."""
    before = remains_before()
    done = wavetank(*arguments, **options)
    said = done.stdout + done.stderr
    assert done.returncode == 2, f"exit code {done.returncode}:\n{said}"
    assert "Traceback" not in said
    lines = done.stderr.splitlines()
    assert len(lines) == 1, said
    assert lines[0].startswith("wavetank: ")
    assert remains() == before
    return lines[0]


def remains() -> set[str]:
    """Return the containers, networks, volumes and files that a refused command would have left."""
    # What runs our entrypoint without being a server is the container in which a my.cnf was judged.
    ours = docker("ps", "-a", f"--filter=volume={ENTRYPOINT}", "--format={{.Names}}")
    things = {f"helper {name}" for name in ours if not name.startswith("wavetank-")}
    things |= {f"container {name}" for name in docker("ps", "-a", f"--filter=name={WORD}", "--format={{.Names}}")}
    for kind in ("network", "volume"):
        things |= {f"{kind} {name}" for name in docker(kind, "ls", f"--filter=name={WORD}", "--format={{.Name}}")}
    return things | {str(path) for path in (HOME / ".wavetank").rglob(f"*{WORD}*")}


@functools.cache
def remains_before() -> set[str]:
    """Return what there was before the first command; what a test should not leave is taken down after it."""
    return remains()


def docker(*arguments: str) -> list[str]:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def servers(bring_up: Callable[..., str]) -> Iterator[Servers]:
    """An instance that is in the way of others; tests of two instances have it, too."""
    with Servers(Instance(bring_up(own("left"), REPLICAS=1)).topology()) as servers:
        yield servers


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    """Take down what a command made that should have been refused, so that only its own test fails."""
    yield
    if Instance(INSTANCE).exists:
        wavetank("down", INSTANCE=INSTANCE)


@pytest.fixture
def inventory() -> Iterator[Callable[[str], str]]:
    """Return a function that writes an inventory file and returns the topology's name; it is gone afterwards."""

    def write(text: str) -> str:
        INVENTORY.write_text(text)
        return INVENTORY.stem

    yield write
    INVENTORY.unlink(missing_ok=True)


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port of the range that instances use, on which this process listens."""
    with socket.socket() as listener:
        for port in range(25000, 26000):
            with contextlib.suppress(OSError):
                listener.bind(("127.0.0.1", port))
                break
        listener.listen()
        yield listener.getsockname()[1]


# --- names


def test_an_unknown_topology_is_refused_with_those_that_exist() -> None:
    line = refusal("up", TOPOLOGY="nosuch", INSTANCE=INSTANCE)
    assert f"no topology 'nosuch'; there are: {', '.join(topology_names())}" in line


@pytest.mark.parametrize("name", ["../master-slave", "group_vars/all", "master-slave.yml", "-i"])
def test_a_topology_is_a_name_and_not_a_path(name: str) -> None:
    assert f"no topology {name!r}" in refusal("up", TOPOLOGY=name, INSTANCE=INSTANCE)


@pytest.mark.parametrize("command", ["check", "status", "down", "verify", "load 5"])
def test_an_unknown_instance_is_refused(command: str) -> None:
    assert f"no instance '{INSTANCE}' here; there are: " in refusal(*command.split(), INSTANCE=INSTANCE)


@pytest.mark.parametrize(
    "name",
    [
        "Test-refused", "refused_1", "refused--1", "-refused", "refused-", "../refused", "refused/x", "a refused",
        "refused" * 6, "refusé",
    ],
)  # fmt: skip
def test_a_name_that_containers_cannot_carry_is_refused(name: str) -> None:
    line = refusal("up", INSTANCE=name)
    assert line.endswith("cannot name an instance: use a-z, 0-9 and single '-', at most 40 characters")


@pytest.mark.parametrize("command", ["check", "status", "down", "verify", "load 5"])
def test_no_command_takes_a_path_for_an_instance(command: str) -> None:
    assert "'../refused' cannot name an instance" in refusal(*command.split(), INSTANCE="../refused")


def test_an_instance_of_one_topology_is_not_brought_up_as_another(
    servers: Servers, inventory: Callable[..., str]
) -> None:
    name = inventory("mysql: {hosts: {db1: {server_id: 1}}}\n")
    line = refusal("up", TOPOLOGY=name, INSTANCE=servers.topology.instance)
    assert f"is a {servers.topology.name} topology" in line


# --- options


OPTIONS: dict[str, tuple[Asked, str]] = {
    "replicas in letters": ({"REPLICAS": "x"}, "replicas=x is not a number from 0 to "),
    "fewer than no replicas": ({"REPLICAS": -1}, "replicas=-1 is not a number from 0 to "),
    "half a replica": ({"REPLICAS": "1.5"}, "replicas=1.5 is not a number from 0 to "),
    "a thousand replicas": ({"REPLICAS": 999}, "replicas=999 is not a number from 0 to "),
    "too little memory to start": ({"NODE_MEMORY": "10m"}, "node_memory=10m is too little: a server needs at least "),
    "memory in words": ({"NODE_MEMORY": "lots"}, "'lots' is not a size: write it like 512m or 1g"),
    "more memory than there is": ({"NODE_MEMORY": "900g"}, "node_memory=900g is more than "),
    "no CPU": ({"NODE_CPUS": 0}, "node_cpus=0 is not a number from 0.1 to the "),
    "CPUs in letters": ({"NODE_CPUS": "abc"}, "node_cpus=abc is not a number from 0.1 to the "),
    "CPUs that are no number": ({"NODE_CPUS": "nan"}, "node_cpus=nan is not a number from 0.1 to the "),
    "more CPUs than there are": ({"NODE_CPUS": 9999}, "node_cpus=9999 is not a number from 0.1 to the "),
    "perhaps semi-synchronous": ({"SEMI_SYNC": "maybe"}, "semi_sync=maybe is not a number from 0 to 50"),
    "too few to acknowledge": ({"SEMI_SYNC": 3, "REPLICAS": 2}, "semi_sync=3 needs 3 replicas to acknowledge"),
    "nobody to acknowledge": ({"SEMI_SYNC": 1, "REPLICAS": 0}, "semi_sync=1 needs a replica to acknowledge"),
    "a privileged port": ({"BASE_PORT": 80}, "base_port=80 is privileged: take one from 1024 to "),
    "no such port": ({"BASE_PORT": 70000}, "base_port=70000 is not a number from "),
    "a port in letters": ({"BASE_PORT": "abc"}, "base_port=abc is not a number from "),
}


@pytest.mark.parametrize("title", OPTIONS)
def test_an_option_that_cannot_be_is_refused(title: str) -> None:
    asked, complaint = OPTIONS[title]
    assert complaint in refusal("up", INSTANCE=INSTANCE, **asked)


def test_an_image_that_cannot_be_had_is_refused() -> None:
    line = refusal("up", INSTANCE=INSTANCE, MYSQL_IMAGE="nosuch/image:1")
    assert "the image nosuch/image:1 is not here and cannot be pulled: " in line


def test_an_image_without_mysql_is_refused() -> None:
    image = f"wavetank-{WORD}:1"
    subprocess.run(
        ["docker", "build", "--quiet", f"--tag={image}", "-"],
        input=b"FROM scratch\nLABEL without=mysql\n", capture_output=True, check=True,
    )  # fmt: skip
    try:
        refusal("up", INSTANCE=INSTANCE, MYSQL_IMAGE=image)
    finally:
        docker("rmi", image)


# --- ports of others


def test_a_port_in_use_is_refused_with_the_process_that_has_it(taken_port: int) -> None:
    line = refusal("up", INSTANCE=INSTANCE, BASE_PORT=taken_port, REPLICAS=0)
    assert (
        f"port {taken_port}, for db1 of {INSTANCE}, is in use by {psutil.Process().name()} (pid {os.getpid()})" in line
    )


def test_a_port_of_another_instance_is_refused(servers: Servers) -> None:
    other = servers.topology
    line = refusal("up", INSTANCE=INSTANCE, BASE_PORT=other.nodes[-1].port, REPLICAS=0)
    assert f"belongs to {other.nodes[-1].name} of {other.instance}" in line


def test_a_port_of_a_container_that_is_not_ours_is_refused(taken_port: int) -> None:
    port = taken_port + 1
    name = "holder-of-a-port"
    docker(
        "run",
        "-d",
        "--rm",
        f"--name={name}",
        f"-p=127.0.0.1:{port}:3306",
        "--entrypoint=sleep",
        find_base("").name,
        "60",
    )
    try:
        line = refusal("up", INSTANCE=INSTANCE, BASE_PORT=port, REPLICAS=0)
    finally:
        containers.remove(name)
    assert f"port {port}, for db1 of {INSTANCE}, is in use by container {name}" in line


# --- rebuilding


def test_a_source_is_not_rebuilt(servers: Servers) -> None:
    line = refusal("up", INSTANCE=servers.topology.instance, REBUILD="db1")
    assert "REBUILD=db1 would replace a source's data: only replicas can be rebuilt" in line


def test_a_server_that_is_unknown_is_not_rebuilt(servers: Servers) -> None:
    line = refusal("up", INSTANCE=servers.topology.instance, REBUILD="db9")
    assert "has no server 'db9'; it has db1, db2" in line


def test_what_does_not_exist_yet_is_not_rebuilt() -> None:
    line = refusal("up", INSTANCE=INSTANCE, REBUILD="db2")
    assert "REBUILD=db2" in line


# --- inventories


def declared(**sources: str) -> str:
    """Return an inventory of servers by whom they replicate from, '' for nobody."""
    hosts = {
        name: {"server_id": number} | ({"replicates_from": source} if source else {})
        for number, (name, source) in enumerate(sources.items(), start=1)
    }
    return json.dumps({"mysql": {"hosts": hosts}})


INVENTORIES_REFUSED = {
    "no YAML": ("mysql: {hosts: {db1: {server_id: 1}\n", "zz-refused.yml:2 is not YAML: "),
    "no text": ("\x00", "zz-refused.yml is not YAML: "),
    "nothing": ("", "zz-refused.yml has no group 'mysql'"),
    "no group mysql": ("proxysql: {hosts: {proxy1: {}}}\n", "zz-refused.yml has no group 'mysql'"),
    "no hosts": ("mysql: {hosts: {}}\n", "the group 'mysql' has no hosts"),
    "a host that is no mapping": ("mysql: {hosts: {db1: 1}}\n", "db1 is 1, not a mapping like {server_id: 1}"),
    "a host of a strange name": ("mysql: {hosts: {DB_1: {server_id: 1}}}\n", "'DB_1' cannot name a server: use a-z"),
    "no server_id": ("mysql: {hosts: {db1: {}}}\n", "db1 needs a server_id from 1 to 4294967295"),
    "server_id 0": ("mysql: {hosts: {db1: {server_id: 0}}}\n", "db1 needs a server_id from 1 to 4294967295, not 0"),
    "one server_id twice": (
        "mysql: {hosts: {db1: {server_id: 7}, db2: {server_id: 7, replicates_from: db1}}}\n",
        "db1 and db2 both have server_id 7: each needs its own",
    ),
    "an unknown source": (
        declared(db1="", db2="db7"),
        "db2 replicates from 'db7', which is not among db1, db2",
    ),
    "its own source": (
        declared(db1="", db2="db2"),
        "replicates_from goes in a circle: db2 -> db2",
    ),
    "a circle": (
        declared(db1="db3", db2="db1", db3="db2"),
        "replicates_from goes in a circle: db1 -> db3 -> db2 -> db1",
    ),
    "one source twice": (
        "mysql: {hosts: {db1: {server_id: 1}, db2: {server_id: 2, replicates_from: [db1, db1]}}}\n",
        "replicates_from of db2 is a server's name or a list of different ones",
    ),
    "settings that are no mapping": (
        "mysql: {hosts: {db1: {server_id: 1, my_cnf: sync_binlog}}}\n",
        "my_cnf of db1 is a mapping of MySQL settings to values",
    ),
    "a setting that MySQL does not have": (
        "mysql: {hosts: {db1: {server_id: 1, my_cnf: {no_such_setting: 1}}}}\n",
        "the server refuses the my.cnf of db1: unknown variable 'no_such_setting=1'",
    ),
    "a value that MySQL does not take": (
        "mysql: {hosts: {db1: {server_id: 1, my_cnf: {binlog_format: PROSE}}}}\n",
        "the server refuses the my.cnf of db1: ",
    ),
}  # fmt: skip


@pytest.mark.parametrize("title", INVENTORIES_REFUSED)
def test_an_inventory_that_cannot_be_is_refused(title: str, inventory: Callable[[str], str]) -> None:
    text, complaint = INVENTORIES_REFUSED[title]
    assert complaint in refusal("up", TOPOLOGY=inventory(text), INSTANCE=INSTANCE)


def test_a_count_of_replicas_is_refused_where_it_does_not_say_where_they_go(inventory: Callable[[str], str]) -> None:
    name = inventory(declared(db1="", db2="db1", db3="db2"))
    line = refusal("up", TOPOLOGY=name, INSTANCE=INSTANCE, REPLICAS=3)
    assert "replicas=3 does not say where they go, since db2 has replicas of its own" in line


def test_more_servers_than_this_machine_has_memory_for_are_refused(inventory: Callable[[str], str]) -> None:
    count = psutil.virtual_memory().total // IDLE_SERVER_MEMORY + 1
    name = inventory(declared(**{f"db{number}": "" for number in range(count)}))
    line = refusal("up", TOPOLOGY=name, INSTANCE=INSTANCE)
    assert f"{count} servers need about {count * IDLE_SERVER_MEMORY // 2**20} MiB" in line


# --- the engine


def test_an_engine_that_does_not_answer_is_named_and_none_is_installed() -> None:
    line = refusal("up", INSTANCE=INSTANCE, DOCKER_HOST="unix:///nonexistent.sock")
    assert "the Docker engine at unix:///nonexistent.sock does not answer" in line


def test_an_instance_keeps_its_files_where_its_containers_cannot_be_removed(servers: Servers) -> None:
    refusal("down", INSTANCE=servers.topology.instance, DOCKER_HOST="unix:///nonexistent.sock")
    assert servers.instance.exists
