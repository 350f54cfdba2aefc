"""Replicas are moved behind another source while writes go on, and no row is lost; what would lose one is refused."""

import json
import subprocess
from collections.abc import Callable, Iterator

import pytest
from commands import HOME, WAVETANK, own, up, wavetank
from damages import expect_green, lane_of
from mending import mend_unless_green
from wavetank.change import repoint as repointing
from wavetank.errors import UsageError
from wavetank.machine import containers
from wavetank.servers.node import Servers
from wavetank.servers.replication import wait_for_transactions
from wavetank.topology.instance import Instance
from writer import Writer

pytestmark = pytest.mark.group(lane_of("chain"))
LEAVES = ("db3", "db4")


@pytest.fixture(scope="module")
def chain(bring_up: Callable[..., str]) -> str:
    """A chain as its inventory has it."""
    return bring_up(own(lane_of("chain")), TOPOLOGY="chain")


@pytest.fixture
def instance(chain: str) -> Iterator[str]:
    """The chain to a test that moves something; it is as before afterwards."""
    yield chain
    mend_unless_green(chain)
    topology = Instance(chain).topology()
    if moved := [leaf for leaf in LEAVES if topology.node(leaf).channels[0].source != "db2"]:
        assert repoint(chain, ",".join(moved), "db2").returncode == 0


def repoint(instance: str, node: str, to: str) -> subprocess.CompletedProcess[str]:
    return wavetank("repoint", INSTANCE=instance, NODE=node, TO=to)


def sources(instance: str) -> dict[str, list[str]]:
    done = wavetank("status", "--json", INSTANCE=instance)
    return {
        node["name"]: [channel["source"] for channel in node["channels"]] for node in json.loads(done.stdout)["nodes"]
    }


def connected(instance: str) -> Servers:
    return Servers(Instance(instance).topology())


def test_the_leaves_of_a_dead_relay_lose_no_row(instance: str) -> None:
    with connected(instance) as servers, Writer(servers["db1"]) as writer:
        writer.wait_for(50)
        containers.kill(servers.topology.container(servers.topology.node("db2")))
        writer.wait_for(50)
        done = repoint(instance, "db3,db4", "db1")
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count("replicates from db1 instead of db2") == 2
        writer.wait_for(50)
        written = writer.stop()
        for leaf in ("db3", "db4"):
            assert writer.missing_on(servers[leaf]) == set()
            assert servers[leaf].value("SELECT COUNT(*) FROM drill.writes", account="admin") == len(written)


def test_the_instance_remembers_and_is_verified(instance: str) -> None:
    repoint(instance, "db3", "db1")
    assert "nothing had to change" in up(instance).stdout
    assert sources(instance) == {"db1": [], "db2": ["db1"], "db3": ["db1"], "db4": ["db2"]}
    with connected(instance) as servers:
        expect_green(servers)


def test_moved_there_already_changes_nothing(chain: str) -> None:
    done = repoint(chain, "db3", "db2")
    assert (done.returncode, done.stdout) == (0, "db3 replicates from db2 already\n")


def test_the_playbook_does_the_same(instance: str) -> None:
    command = ["env", f"INSTANCE={instance}", WAVETANK.with_name("ansible-playbook"), "-i", "inventories/chain.yml"]
    done = subprocess.run(
        [*command, "playbooks/repoint.yml", "-e", "node=db4", "-e", "to=db1"],
        cwd=HOME, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert sources(instance)["db4"] == ["db1"]


@pytest.mark.parametrize(
    ("node", "to", "reason"),
    [
        ("db1", "db2", "db1 takes writes: only a replica of one source can be moved"),
        ("db2", "db3", "db2 cannot replicate from db3, which replicates from db2"),
        ("db3", "db3", "db3 cannot replicate from db3, which is the same server"),
        ("db3", "db9", "has no server 'db9'; it has db1, db2, db3, db4"),
        ("db9", "db1", "has no server 'db9'; it has db1, db2, db3, db4"),
        ("db3,db1", "db2", "db1 takes writes"),
        ("", "db1", "say which replica, and behind which source: make repoint NODE=db3 TO=db1"),
        ("db3", "", "say which replica, and behind which source: make repoint NODE=db3 TO=db1"),
    ],
)
def test_nonsense_is_one_line_and_moves_nobody(chain: str, node: str, to: str, reason: str) -> None:
    before = sources(chain)
    done = repoint(chain, node, to)
    assert done.returncode == 2
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1
    assert sources(chain) == before


def test_a_source_that_has_purged_what_is_needed_is_refused(instance: str) -> None:
    with connected(instance) as servers:
        servers["db3"].execute("STOP REPLICA")
        servers["db1"].execute("CREATE SCHEMA gone", "FLUSH BINARY LOGS", "DO SLEEP(2)")
        servers["db1"].execute("PURGE BINARY LOGS BEFORE NOW()")
        done = repoint(instance, "db3", "db1")
        assert done.returncode == 2
        assert "db1 has purged binary logs that db3 still needs" in done.stderr
        assert sources(instance)["db3"] == ["db2"]
        servers["db3"].execute("START REPLICA")


def test_a_source_that_lacks_what_the_replica_has_is_refused(instance: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repointing, "CATCH_UP_S", 1)
    with connected(instance) as servers:
        servers["db4"].execute("STOP REPLICA")
        servers["db1"].execute("CREATE SCHEMA IF NOT EXISTS later")
        later = servers["db1"].value("SELECT @@GLOBAL.gtid_executed")
        wait_for_transactions(servers["db3"], later, "the replica to have it", timeout_s=20, hint="make status")
        with pytest.raises(UsageError, match="waited 1 s for db4 to have all that db3 has"):
            repointing.repoint(servers, ["db3"], "db4")
        assert sources(instance)["db3"] == ["db2"]
        servers["db4"].execute("START REPLICA")
