"""A second fault while a command mends: the command is killed, or a replica is hit, and it is run once more."""

import json
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from wavetank import own_command
from wavetank.drills import second_faults
from wavetank.drills.runner import all_drills
from wavetank.drills.second_faults import (
    COMMAND_KILLED,
    REPLICA_FROZEN,
    REPLICA_KILLED,
    SECOND_FAULTS,
    UP_KILLED,
    SecondFault,
    demand_possible,
    mend,
    possible,
    read_second_fault,
)
from wavetank.errors import UsageError
from wavetank.machine.containers import ContainerState
from wavetank.topology.model import Topology

STEPS = json.dumps({"steps": [{"what": "db2 opened", "at_s": 0.1}]})


@pytest.fixture
def topology(make_topology: Callable[..., Topology]) -> Topology:
    return make_topology()


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Return what makes our program a shell script; it notes in a file that it was run."""

    def make(script: str) -> Path:
        runs, program = tmp_path / "runs", tmp_path / "program"
        program.write_text(f"#!/bin/sh\necho run >>{runs}\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setattr(own_command, "program", lambda: str(program))
        return runs

    return make


@dataclass
class Engine:
    """What is done to containers; `running` are their names."""

    running: list[str]
    done: list[str] = field(default_factory=list)

    def containers(self, _project: str) -> list[ContainerState]:
        return [ContainerState(f"id-{name}", name, "running", None, ()) for name in self.running]

    def kill(self, name: str) -> None:
        self.done.append(f"kill {name}")

    def pause(self, name: str) -> None:
        self.done.append(f"pause {name}")

    def unpause(self, name: str) -> None:
        self.done.append(f"unpause {name}")


@pytest.fixture
def engine(topology: Topology, monkeypatch: pytest.MonkeyPatch) -> Engine:
    engine = Engine([topology.container(node) for node in topology.nodes])
    monkeypatch.setattr(second_faults, "containers", engine)
    monkeypatch.setitem(second_faults.USUALLY_S, "failover", 0.4)
    monkeypatch.setattr(second_faults, "FROZEN_S", 0.2)
    return engine


def whats(mended: second_faults.Mended) -> list[str]:
    return [step.what for step in mended.steps]


def test_a_command_that_is_killed_is_run_again(
    topology: Topology, engine: Engine, command: Callable[[str], Path]
) -> None:
    runs = command(f"[ $(wc -l <$(dirname $0)/runs) -gt 1 ] || exec sleep 30\necho '{STEPS}'")
    mended = mend(topology, ["failover", "--json"], SecondFault(COMMAND_KILLED, 0.5))
    assert runs.read_text() == "run\nrun\n"
    assert whats(mended) == [
        "the command was killed",
        "failover ended: it ended with -9 and said nothing",
        "db2 opened",
    ]
    assert 0.2 <= mended.steps[0].at_s <= mended.steps[1].at_s <= mended.steps[2].at_s
    assert mended.refused == ""
    assert engine.done == []


def test_a_command_that_refuses_twice_has_refused(
    topology: Topology, engine: Engine, command: Callable[[str], Path]
) -> None:
    runs = command("sleep 0.6; echo 'wavetank: db3 may have more' >&2; exit 2")
    mended = mend(topology, ["failover"], SecondFault(REPLICA_KILLED, 0.5))
    assert runs.read_text() == "run\nrun\n"
    assert mended.refused == "db3 may have more"
    assert [line.split()[0] for line in engine.done] == ["kill"]
    assert engine.done[0].split()[1] in {topology.container(node) for node in topology.replicas}
    assert whats(mended)[1] == "failover ended: db3 may have more"


def test_ctrl_c_leaves_no_command_behind(
    topology: Topology,
    engine: Engine,
    command: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """The command has a session of its own, so that it can be killed with what it started: no terminal ends it."""
    runs = command("echo $$ >$(dirname $0)/pid\nexec sleep 30")
    monkeypatch.setattr(own_command, "END_S", 0.2)
    monkeypatch.setitem(second_faults.USUALLY_S, "failover", 60)
    # Where it runs in the background of a script, SIGINT is ignored from the beginning.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    main = threading.get_ident()
    threading.Timer(0.5, lambda: signal.pthread_kill(main, signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        mend(topology, ["failover"], SecondFault(REPLICA_FROZEN, 1))
    assert not psutil.pid_exists(int(runs.with_name("pid").read_text()))
    assert engine.done == []


def test_a_frozen_replica_goes_on_in_any_case(
    topology: Topology, engine: Engine, command: Callable[[str], Path]
) -> None:
    command("sleep 0.3")
    mended = mend(topology, ["failover"], SecondFault(REPLICA_FROZEN, 0.1))
    assert [line.split()[0] for line in engine.done] == ["pause", "unpause"]
    assert not mended.refused


def test_a_command_that_is_over_is_not_hit(topology: Topology, engine: Engine, command: Callable[[str], Path]) -> None:
    runs = command(f"echo '{STEPS}'")
    mended = mend(topology, ["failover"], SecondFault(COMMAND_KILLED, 1.0))
    assert runs.read_text() == "run\n"
    assert set(whats(mended)) == {"the command was over before the second fault", "db2 opened"}
    assert engine.done == []


def test_where_no_replica_runs_none_is_hit(topology: Topology, engine: Engine, command: Callable[[str], Path]) -> None:
    engine.running = [topology.container(topology.sources[0])]
    command("sleep 0.3")
    assert "no replica runs that could be hit" in whats(mend(topology, ["failover"], SecondFault(REPLICA_KILLED, 0.1)))
    assert engine.done == []


def test_the_seed_says_which_replica_is_hit(topology: Topology, engine: Engine, command: Callable[[str], Path]) -> None:
    command("sleep 0.3")
    hit = set()
    for seed in range(1, 7):
        engine.done.clear()
        mend(topology, ["failover"], SecondFault(REPLICA_KILLED, 0.1, seed))
        hit.add(engine.done[0])
    assert hit == {f"kill {topology.container(node)}" for node in topology.replicas}


def test_which_second_faults_a_drill_can_have(make_topology: Callable[..., Topology], topology: Topology) -> None:
    assert set(possible(topology, "failover")) == set(SECOND_FAULTS)
    assert possible(topology, "") == ()
    assert possible(topology, "up") == (UP_KILLED,)
    assert possible(topology, "reshard") == (COMMAND_KILLED,)
    assert possible(
        make_topology({"db1": {"server_id": 1}, "db2": {"server_id": 2, "replicates_from": "db1"}}), "failover"
    ) == (COMMAND_KILLED, UP_KILLED)


def test_a_drill_refuses_a_second_fault_that_it_cannot_have(topology: Topology) -> None:
    demand_possible(None, topology, "")
    demand_possible(SecondFault(UP_KILLED, 0.5), topology, "up")
    with pytest.raises(UsageError, match="cannot have the second fault replica-killed on sea; it can have: up-killed"):
        demand_possible(SecondFault(REPLICA_KILLED, 0.5), topology, "up")


def test_every_drill_says_what_mends_it() -> None:
    assert {module.MENDED_BY for module in all_drills().values()} == {"", "up", "failover", "switchover", "reshard"}


def test_nonsense_is_refused() -> None:
    assert read_second_fault("", 0.5, 1) is None
    assert read_second_fault(UP_KILLED, 0.5, 3) == SecondFault(UP_KILLED, 0.5, 3)
    with pytest.raises(UsageError, match="no second fault 'flood'; there are: command-killed"):
        read_second_fault("flood", 0.5, 1)
    with pytest.raises(UsageError, match=r"second_at=1\.5 is not a share from 0 to 1"):
        read_second_fault(UP_KILLED, 1.5, 1)
