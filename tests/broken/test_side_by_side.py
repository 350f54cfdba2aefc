"""What nobody has prepared for: an inventory never seen before, two instances at once, a clone in an odd place."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from commands import HOME, WAVETANK, clear, own, up, wavetank
from wavetank.machine import containers
from wavetank.servers.accounts import ACCOUNTS
from wavetank.servers.node import Server, Servers
from wavetank.topology.instance import INVENTORIES, Instance
from wavetank.topology.model import Topology
from wavetank.waiting import wait_until

# With those who write inventories as well: each would be listed to the others.
pytestmark = pytest.mark.group("inventories")
UNSEEN = INVENTORIES / "zz-unseen.yml"
UNSEEN_TEXT = """# A source with five replicas, two of them behind another one
mysql:
  hosts:
    main: {server_id: 100}
    near1: {server_id: 201, replicates_from: main}
    near2: {server_id: 202, replicates_from: main}
    relay: {server_id: 203, replicates_from: main}
    far1: {server_id: 301, replicates_from: relay}
    far2: {server_id: 302, replicates_from: relay, my_cnf: {sync_binlog: 7}}
"""


def docker(*arguments: str) -> list[str]:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def starts(topology: Topology) -> set[str]:
    """Return the identity and the last start of each container of an instance."""
    names = [state.name for state in containers.containers(topology.project)]
    return set(docker("inspect", "--format={{.Id}} {{.State.StartedAt}}", *names))


def networks(topology: Topology) -> set[str]:
    """Return the networks that the containers of an instance are in."""
    names = [topology.container(node) for node in topology.nodes]
    form = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}"
    return set(" ".join(docker("inspect", f"--format={form}", *names)).split())


def things(instance: str) -> list[str]:
    """Return what the engine has of an instance: its containers, volumes and networks."""
    name = f"--filter=name=wavetank-{instance}"
    return [
        *docker("ps", "-a", name, "--format={{.Names}}"),
        *docker("volume", "ls", name, "--format={{.Name}}"),
        *docker("network", "ls", name, "--format={{.Name}}"),
    ]


def keep_a_row(source: Server, word: str) -> None:
    source.execute(
        "CREATE SCHEMA IF NOT EXISTS kept",
        "CREATE TABLE IF NOT EXISTS kept.words (word VARCHAR(20) PRIMARY KEY)",
        f"INSERT INTO kept.words VALUES ('{word}')",
    )


def words(server: Server) -> set[str]:
    if not server.value("SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'kept'", account="admin"):
        return set()
    return {row["word"] for row in server.query("SELECT word FROM kept.words", account="admin")}


# --- an inventory never seen before


@pytest.fixture(scope="module")
def unseen() -> Iterator[Servers]:
    """The instance that nothing but one new file in inventories/ describes."""
    try:
        UNSEEN.write_text(UNSEEN_TEXT)
        up(own("unseen"), TOPOLOGY=UNSEEN.stem)
        with Servers(Instance(own("unseen")).topology()) as servers:
            yield servers
    finally:
        clear(own("unseen"))
        UNSEEN.unlink(missing_ok=True)


def test_one_new_file_is_a_topology(unseen: Servers) -> None:
    done = wavetank("check", INSTANCE=unseen.topology.instance)
    assert done.returncode == 0, done.stdout + done.stderr
    keep_a_row(unseen["main"], "far")
    for node in unseen.topology.nodes:
        wait_until(f"the row on {node.name}", lambda name=node.name: words(unseen[name]) == {"far"}, timeout_s=10)


def test_the_servers_are_as_the_new_file_says(unseen: Servers) -> None:
    sources = "SELECT HOST FROM performance_schema.replication_connection_configuration WHERE HOST <> ''"
    found = {node.name: unseen[node.name].value(sources) for node in unseen.topology.nodes}
    assert found == {
        "main": None, "near1": "main", "near2": "main", "relay": "main", "far1": "relay", "far2": "relay",
    }  # fmt: skip
    ids = {node.name: unseen[node.name].value("SELECT @@server_id") for node in unseen.topology.nodes}
    assert ids == {"main": 100, "near1": 201, "near2": 202, "relay": 203, "far1": 301, "far2": 302}
    syncs = {node.name for node in unseen.topology.nodes if unseen[node.name].value("SELECT @@sync_binlog") == 7}
    assert syncs == {"far2"}


@pytest.mark.parametrize(
    ("arguments", "outcome"), [([], "nothing had to change"), (["--check"], "nothing would change")], ids=["up", "look"]
)
def test_ansible_alone_finds_nothing_to_change(unseen: Servers, arguments: list[str], outcome: str) -> None:
    before = starts(unseen.topology)
    done = subprocess.run(
        [
            "env", f"INSTANCE={unseen.topology.instance}", WAVETANK.with_name("ansible-playbook"),
            "-i", f"inventories/{UNSEEN.name}", "playbooks/topology_up.yml", *arguments,
        ],
        cwd=HOME, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert outcome in done.stdout
    assert starts(unseen.topology) == before


# --- two instances


@pytest.fixture(scope="module")
def left(bring_up: Callable[..., str]) -> Iterator[Servers]:
    with Servers(Instance(bring_up(own("left"), REPLICAS=1)).topology()) as servers:
        yield servers


@pytest.fixture(scope="module")
def right(bring_up: Callable[..., str]) -> Iterator[Servers]:
    with Servers(Instance(bring_up(own("right"), REPLICAS=1)).topology()) as servers:
        yield servers


def test_two_instances_share_neither_ports_nor_networks(left: Servers, right: Servers) -> None:
    assert not {node.port for node in left.topology.nodes} & {node.port for node in right.topology.nodes}
    assert networks(left.topology) == {left.topology.project}
    assert networks(right.topology) == {right.topology.project}


def test_two_instances_share_neither_authority_nor_secrets(left: Servers, right: Servers) -> None:
    assert left.instance.ca.read_bytes() != right.instance.ca.read_bytes()
    secrets = [servers.instance.password(account) for servers in (left, right) for account in ACCOUNTS]
    assert len(set(secrets)) == 2 * len(ACCOUNTS)
    impostor = Server("db1", right.topology.nodes[0].port, left.instance)
    assert "certificate" in impostor.refusal("admin").lower()


def test_a_row_of_one_instance_is_not_in_the_other(left: Servers, right: Servers) -> None:
    keep_a_row(left["db1"], "left")
    keep_a_row(right["db1"], "right")
    for servers, word in ((left, "left"), (right, "right")):
        for node in servers.topology.nodes:
            wait_until(f"the row on {node.name}", lambda one=servers[node.name]: words(one), timeout_s=10)
            assert words(servers[node.name]) == {word}


def test_taking_one_down_removes_all_of_it_and_nothing_of_the_other(left: Servers, right: Servers) -> None:
    before, others = starts(right.topology), things(own("right"))
    assert things(own("left"))
    done = wavetank("down", INSTANCE=own("left"))
    assert (done.returncode, done.stderr) == (0, "")
    assert things(own("left")) == []
    assert not left.instance.directory.exists()
    assert (starts(right.topology), things(own("right"))) == (before, others)
    assert wavetank("check", INSTANCE=own("right")).returncode == 0
    assert words(right["db2"]) == {"right"}


def test_two_ups_at_the_same_moment_take_different_ports() -> None:
    names = [own("twin1"), own("twin2")]
    try:
        with ThreadPoolExecutor() as pool:
            done = list(pool.map(lambda name: wavetank("up", INSTANCE=name, REPLICAS=0), names))
        assert [each.returncode for each in done] == [0, 0], "".join(each.stderr for each in done)
    finally:
        for name in names:
            clear(name)


# --- a clone in an odd place


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of what is, or would be, in git, in a folder whose name a shell and compose would take apart."""
    home = tmp_path / "a b$c"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=HOME, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    for name in listed:
        if name and (HOME / name).is_file():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(HOME / name, home / name)
    return home


def test_a_clone_may_be_anywhere(clone: Path) -> None:
    # The environment of this clone, with the other's package in front of its own.
    package = str(clone / "scripts")
    which = "import wavetank; print(wavetank.__file__)"
    found = subprocess.run(
        ["env", f"PYTHONPATH={package}", WAVETANK.with_name("python"), "-c", which],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout.strip() == f"{package}/wavetank/__init__.py"
    try:
        up(own("clone"), REPLICAS=1, PYTHONPATH=package)
        assert (clone / ".wavetank/instances" / own("clone") / "topology.json").exists()
        done = wavetank("check", INSTANCE=own("clone"), PYTHONPATH=package)
        assert done.returncode == 0, done.stdout + done.stderr
        again = up(own("clone"), PYTHONPATH=package)
        assert "nothing had to change" in again.stdout
        expect_kept_from_others(clone)
    finally:
        down = wavetank("down", INSTANCE=own("clone"), PYTHONPATH=package)
    assert (down.returncode, down.stderr) == (0, "")
    assert things(own("clone")) == []


def expect_kept_from_others(clone: Path) -> None:
    """Fail unless another clone refuses to take this one's instance for its own."""
    done = wavetank("up", INSTANCE=own("clone"), REPLICAS=1)
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"an instance '{own('clone')}' of the clone in {clone} exists" in done.stderr
    assert not Instance(own("clone")).directory.exists()
