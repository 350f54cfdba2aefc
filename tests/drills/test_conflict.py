"""The drill: what was planned is what is found, and afterwards all servers hold the same rows."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import HOME, WAVETANK, up, wavetank
from wavetank.conflicts.detect import DELETE_UPDATE, SAME_PRIMARY_KEY, SAME_UNIQUE_KEY, UPDATE_UPDATE
from wavetank.drills.judging.history import read_history
from wavetank.drills.judging.judges import judge
from wavetank.machine import network
from wavetank.servers.node import Servers
from wavetank.waiting import wait_until

pytestmark = pytest.mark.group("conflicts")
FEW = 300
TABLES = "drill.items, drill.stock"


def drill(servers: Servers, **options: str | int) -> dict[str, Any]:
    """Run the drill and return its report; it passed, and what it found is what it had planned."""
    done = wavetank("drill", "conflict", "--json", INSTANCE=servers.topology.instance, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["facts"]["conflicts"].keys() == {DELETE_UPDATE, SAME_PRIMARY_KEY, SAME_UNIQUE_KEY, UPDATE_UPDATE}
    for count in report["facts"]["conflicts"].values():
        assert count["planned"] == count["found"] > 0
    assert report["facts"]["operations"]["conflicting"] >= 200
    assert judge(read_history(Path(report["directory"]))).failures == ()
    return report


def checksums(servers: Servers) -> set[tuple[int, ...]]:
    """Return the checksums of the drill's tables on all servers: one tuple, where all hold the same."""
    return {
        tuple(row["Checksum"] for row in servers[node.name].query(f"CHECKSUM TABLE {TABLES}", account="admin"))
        for node in servers.topology.nodes
    }


def state(servers: Servers) -> list[tuple[int, int, str]]:
    """Return of every server whether it is closed, and how it applies."""
    statement = "SELECT @@GLOBAL.read_only AS ro, @@GLOBAL.super_read_only AS sro, @@GLOBAL.replica_exec_mode AS mode"
    return [tuple(servers[node.name].query(statement)[0].values()) for node in servers.topology.nodes]  # type: ignore[misc]


OPEN = (0, 0, "STRICT")


def test_latest_wins(pair: Servers) -> None:
    report = drill(pair, SEED=11)
    assert report["facts"]["operations"]["harmless"] == 5000
    assert len(checksums(pair)) == 1
    assert state(pair) == [OPEN, OPEN]
    # The version that each conflict left is the one committed last.
    assert not pair["db1"].query(
        "SELECT 1 FROM wavetank.conflict_versions AS kept JOIN wavetank.conflict_versions AS other "
        "USING (component, row_id) WHERE kept.kept AND kept.server <> '' AND other.committed_at > kept.committed_at "
        "AND kept.schema_name = 'drill'",
        account="admin",
    )
    directory = Path(report["directory"])
    assert json.loads((directory / "report.json").read_text())["passed"]
    assert "passed" in (directory / "summary.txt").read_text()
    # It has nothing for plots, and no time without a write: the page leaves them out.
    page = (directory / "report.html").read_text()
    assert 'conflict <span class="verdict passed">passed</span>' in page
    assert "<figure>" not in page
    assert "RTO" not in page


def test_a_source_wins(pair: Servers) -> None:
    report = drill(pair, SEED=12, OPERATIONS=FEW, STRATEGY="source-wins=db2")
    assert report["facts"]["resolution"]["winners"].keys() == {"db2"}
    assert len(checksums(pair)) == 1
    labels = {row["label"] for row in pair["db1"].query("SELECT DISTINCT label FROM drill.items", account="admin")}
    assert {"made by db2", "changed by db2", "coded by db2"} <= labels
    assert not {"made by db1", "changed by db1", "coded by db1"} & labels


def test_three_sources(three: Servers) -> None:
    report = drill(three, SEED=13, OPERATIONS=FEW)
    assert report["facts"]["resolution"]["winners"].keys() == {"db1", "db2", "db3"}
    assert len(checksums(three)) == 1
    assert state(three) == [OPEN, OPEN, OPEN]


def test_of_three_one_source_wins_and_where_it_wrote_nothing_the_latest(three: Servers) -> None:
    report = drill(three, SEED=14, OPERATIONS=FEW, STRATEGY="source-wins=db3")
    winners = report["facts"]["resolution"]["winners"]
    conflicts = json.loads(wavetank("conflicts", "--json", INSTANCE=three.topology.instance).stdout)
    assert conflicts == []
    wrong = three["db1"].query(
        "SELECT conflict_id FROM wavetank.replication_conflicts "
        "WHERE strategy = 'source-wins' AND FIND_IN_SET('db3', servers) AND winner <> 'db3' AND schema_name = 'drill'",
        account="admin",
    )
    assert winners["db3"] > max(winners["db1"], winners["db2"])
    assert wrong == []


# --- killed


# The resolver says each step when it is taken; after this one it decides one conflict after the other.
DECIDING = "every transaction is on every server"
STEPS = (
    "closed to applications",
    "recorded: ",
    "appliers pass over",
    DECIDING,
    "decided ",
    "every decision is on every server",
)


def killed_after(step: str, servers: Servers) -> None:
    """Resolve, and kill the resolver with all it started as soon as it has said this step."""
    resolver = subprocess.Popen(
        [WAVETANK, "resolve", "--strategy", "source-wins=db1"],
        cwd=HOME,
        env={**os.environ, "INSTANCE": servers.topology.instance},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert resolver.stdout
    seen = any(line.strip().startswith(step) for line in resolver.stdout)
    if step == DECIDING:
        many = open_conflicts(servers)
        wait_until("some decisions", lambda: open_conflicts(servers) < many, timeout_s=20, interval_s=0.01)
    os.killpg(resolver.pid, signal.SIGKILL)
    resolver.wait()
    assert seen
    assert step != DECIDING or 0 < open_conflicts(servers) < many


def open_conflicts(servers: Servers) -> int:
    return int(servers["db1"].value("SELECT COUNT(*) FROM wavetank.replication_conflicts WHERE state = 'open'"))


@pytest.fixture(scope="module")
def undisturbed(pair: Servers) -> set[tuple[int, ...]]:
    """What the servers hold after a resolution that nobody disturbed."""
    drill(pair, SEED=15, OPERATIONS=FEW, STRATEGY="source-wins=db1")
    return checksums(pair)


@pytest.fixture
def divided(pair: Servers, undisturbed: set[tuple[int, ...]]) -> Iterator[Servers]:
    """The same storm, its conflicts still open; whatever happens, none is afterwards."""
    assert len(undisturbed) == 1
    drill(pair, SEED=15, OPERATIONS=FEW, STRATEGY="manual")
    assert len(checksums(pair)) == 2
    yield pair
    if open_conflicts(pair):
        wavetank("resolve", INSTANCE=pair.topology.instance, STRATEGY="latest-wins")
        up(pair.topology.instance)


def resolved(servers: Servers) -> None:
    done = wavetank("resolve", INSTANCE=servers.topology.instance, STRATEGY="source-wins=db1")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("step", ["recorded: ", DECIDING, "decided "])
def test_killed_half_way_and_run_again_it_ends_in_the_same_state(
    divided: Servers, undisturbed: set[tuple[int, ...]], step: str
) -> None:
    killed_after(step, divided)
    resolved(divided)
    assert checksums(divided) == undisturbed
    assert state(divided) == [OPEN, OPEN]


def test_killed_again_and_again_and_mended_in_between(divided: Servers, undisturbed: set[tuple[int, ...]]) -> None:
    for step in STEPS:
        killed_after(step, divided)
    # Data may differ, which is no secret then; but nothing of the resolution stays behind.
    wavetank("up", INSTANCE=divided.topology.instance)
    assert state(divided) == [OPEN, OPEN]
    resolved(divided)
    assert checksums(divided) == undisturbed


def test_a_drill_that_is_killed_while_the_network_is_cut_leaves_nothing_that_up_does_not_heal(pair: Servers) -> None:
    topology = pair.topology
    containers = [topology.container(node) for node in topology.nodes]
    storm = subprocess.Popen(
        [WAVETANK, "drill", "conflict"],
        cwd=HOME,
        env={**os.environ, "INSTANCE": topology.instance},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert storm.stdout
    assert any("cut" in line for line in storm.stdout)
    storm.kill()
    storm.wait()
    assert network.cut_off(containers)
    wavetank("up", INSTANCE=topology.instance)
    assert network.cut_off(containers) == []
    done = wavetank("resolve", INSTANCE=topology.instance, STRATEGY="latest-wins")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing had to change" in up(topology.instance).stdout
