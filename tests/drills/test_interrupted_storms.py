"""A storm that is ended while it rages, by Ctrl-C, SIGTERM or SIGKILL, leaves nothing that up does not mend."""

import contextlib
import itertools
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from commands import HOME, UP_TIMEOUT_S, WAVETANK, own, up
from wavetank.drills.traffic.clients import held_ids
from wavetank.errors import UnreachableError
from wavetank.machine import disk, network
from wavetank.servers.node import Servers
from wavetank.servers.replication import channels_of
from wavetank.topology.instance import Instance
from wavetank.topology.model import Topology
from wavetank.waiting import wait_until

# How long a drill may take to its storm, and to end: the machine may have other work.
STORM_S = 120
END_S = 90


def late_replicas(servers: Servers) -> list[str]:
    """Return the replicas whose appliers are told to be late, or do not apply."""
    found = []
    for node in servers.topology.replicas:
        rows = channels_of(servers[node.name]).values()
        found += [node.name for row in rows if row["DELAY_S"] or row["applier"] != "ON"]
    return found


def slow_networks(servers: Servers) -> list[str]:
    topology = servers.topology
    return network.slowed(topology.container(node) for node in topology.nodes)


def small_disks(servers: Servers) -> list[str]:
    return [each.container for each in disk.moved(servers.topology.project)]


def full_disks(servers: Servers) -> list[str]:
    """Return who waits for space: the disk is small before it is full."""
    return [each.container for each in disk.moved(servers.topology.project) if (each.data / "ballast").exists()]


@dataclass(frozen=True)
class Sign:
    """What shows that a storm rages, and what it must not leave behind."""

    rages: Callable[[Servers], list[str]]
    left: Callable[[Servers], list[str]]


STORMS = {
    "replica-lagging": Sign(late_replicas, late_replicas),
    "slow-network": Sign(slow_networks, slow_networks),
    "disk-full": Sign(full_disks, small_disks),
}
# SIGTERM takes the way of Ctrl-C: one storm shows that it does.
ENDINGS = [
    *itertools.product(sorted(STORMS), (signal.SIGINT, signal.SIGKILL)),
    ("slow-network", signal.SIGTERM),
]


@pytest.fixture(scope="module")
def name(bring_up: Callable[..., str]) -> str:
    """A semi-synchronous source with two replicas: what a client was told is done, a replica has."""
    return bring_up(own("halt"), SEMI_SYNC=1)


@pytest.fixture
def servers(name: str) -> Iterator[Servers]:
    """The servers as they are now: a storm may have moved the source."""
    with Servers(Instance(name).topology()) as servers:
        yield servers


def rows_of_a_replica(servers: Servers) -> set[int]:
    """Return the clients' rows that the replica named last holds."""
    return set(held_ids(servers[servers.topology.replicas_of(servers.topology.sources[0])[-1].name]))


def processes_of(topology: Topology) -> list[str]:
    """Return what still runs for a drill of this instance."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        line = " ".join(process.info["cmdline"] or [])
        if "wavetank" in line and (process.info["environ"] or {}).get("INSTANCE") == topology.instance:
            found.append(line)
    return found


def ended_in_its_storm(storm: str, ending: signal.Signals, servers: Servers, said: Path) -> set[int]:
    """Start a drill, end it when its storm rages, and return which rows a replica held by then."""
    with said.open("w") as output:
        drill = subprocess.Popen(
            # Whoever runs the tests in the background may ignore it.
            ["env", "--default-signal=INT", str(WAVETANK), "drill", storm],
            cwd=HOME,
            env={**os.environ, "INSTANCE": servers.topology.instance},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    rages = STORMS[storm].rages

    def seen() -> bool:
        assert drill.poll() is None, said.read_text()
        try:
            return bool(rages(servers))
        except UnreachableError:
            return False

    try:
        wait_until(f"the storm of {storm}", seen, timeout_s=STORM_S, interval_s=0.02)
        held = rows_of_a_replica(servers)
    finally:
        # As a terminal does it: to all that the drill has started.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(drill.pid, ending)
        drill.wait(END_S)
    assert drill.returncode != 0
    return held


@pytest.mark.parametrize(("storm", "ending"), ENDINGS, ids=lambda of: getattr(of, "name", of))
def test_a_storm_that_is_ended_leaves_nothing_that_up_does_not_mend(
    storm: str, ending: signal.Signals, servers: Servers, tmp_path: Path
) -> None:
    sign, topology = STORMS[storm], servers.topology
    held = ended_in_its_storm(storm, ending, servers, tmp_path / "said")
    if ending == signal.SIGKILL:
        assert sign.left(servers), "it ended before it was killed"
    elif storm != "disk-full":
        assert sign.left(servers) == []
    else:
        # The data are back in place; its server stays down, as every server that a drill has stopped.
        assert small_disks(servers) == []
    up(topology.instance)
    with Servers(Instance(topology.instance).topology()) as after:
        assert [check(after) for check in (late_replicas, slow_networks, small_disks)] == [[], [], []]
        assert held <= set(held_ids(after[after.topology.sources[0].name]))
    assert processes_of(topology) == []
    assert "nothing had to change" in up(topology.instance).stdout


def test_a_small_disk_goes_with_its_instance(bring_up: Callable[..., str]) -> None:
    """A mounted volume cannot be removed: down takes the disk from under the server first."""
    name = bring_up(own("gone"), REPLICAS=1)
    project = Instance(name).topology().project
    small = disk.disks(project)[f"{project}-db1"]
    small.shrink()
    assert small.data.is_mount()
    done = subprocess.run(
        [WAVETANK, "down"], cwd=HOME, env={**os.environ, "INSTANCE": name}, timeout=UP_TIMEOUT_S, check=False
    )
    assert done.returncode == 0
    assert not small.volume.exists()
