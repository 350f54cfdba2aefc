"""What unit tests share: a state directory of their own, and an engine that is only pretended."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import pytest
from pretended_clock import Clock
from replicating import PretendedFleet
from wavetank.change import role_transition
from wavetank.change.failover import collecting, detection
from wavetank.machine import containers
from wavetank.machine.containers import ContainerState
from wavetank.provision import port_allocation, rendering
from wavetank.topology import instance
from wavetank.topology.instance import Instance
from wavetank.topology.memory_sizing import MIB, buffer_pool_bytes
from wavetank.topology.model import Sizing, Topology
from wavetank.topology.parsing import read_nodes

Hosts = Mapping[str, Mapping[str, Any]]
MakeTopology = Callable[..., Topology]


@dataclass
class Engine:
    """A Docker engine of the test's own: what it says it has, and what it was asked to judge."""

    states: list[ContainerState] = field(default_factory=list)
    complaint: str = ""
    judged: list[str] = field(default_factory=list)

    def containers(self, project: str | None = None) -> list[ContainerState]:
        """Answer as containers.containers() does."""
        return [state for state in self.states if not project or state.name.startswith(project + "-")]

    def validate_configs(self, _image: str, _entrypoint: Path, candidates: Path) -> str:
        """Answer as containers.validate_configs() does, and remember whose files were shown."""
        self.judged += sorted(file.parent.name for file in candidates.glob("*/my.cnf"))
        return self.complaint

    def run(self, name: str, *ports: int, status: str = "running", home: str | None = None) -> None:
        """Have a container that publishes `ports` on 127.0.0.1."""
        published = tuple(("127.0.0.1", port) for port in ports)
        self.states.append(ContainerState(f"id-{name}", name, status, home, published))


@pytest.fixture(autouse=True)
def _no_real_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        raise AssertionError("a unit test asked the real Docker engine")

    monkeypatch.setattr(containers, "_client", refuse)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Pretend an engine without containers, that knows every image and accepts every my.cnf."""
    pretended = Engine()
    monkeypatch.setattr(containers, "engine_answers", lambda: True)
    monkeypatch.setattr(containers, "containers", pretended.containers)
    monkeypatch.setattr(containers, "validate_configs", pretended.validate_configs)
    monkeypatch.setattr(containers, "image_id", lambda name: f"sha256:{name}")
    return pretended


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the files of all instances in a directory of the test's own."""
    directory = tmp_path / "state"
    monkeypatch.setattr(instance, "STATE", directory)
    monkeypatch.setattr(rendering, "_VALIDATED", directory / "validated")
    return directory


@pytest.fixture
def free_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every port of this machine be free, whatever runs on it."""
    monkeypatch.setattr(port_allocation, "is_free", lambda _port: True)


@pytest.fixture
def make_topology() -> MakeTopology:
    """Return a function that makes a topology from hosts; `memory` is in MiB."""

    def make(
        hosts: Hosts | None = None,
        *,
        instance: str = "sea",
        base_port: int = 13310,
        memory: int = 512,
        **rest: object,
    ) -> Topology:
        hosts = hosts or {
            "db1": {"server_id": 1},
            "db2": {"server_id": 2, "replicates_from": "db1"},
            "db3": {"server_id": 3, "replicates_from": "db1"},
        }
        cpus = rest.pop("cpus", None)
        return Topology(
            name=str(rest.pop("name", "master-slave")),
            instance=instance,
            nodes=read_nodes(hosts, base_port),
            image="wavetank/node:0123456789abcdef",
            sizing=Sizing(memory * MIB, buffer_pool_bytes(memory * MIB), cpus),  # type: ignore[arg-type]
            **rest,  # type: ignore[arg-type]
        )

    return make


@pytest.fixture
def make_fleet(make_topology: MakeTopology, monkeypatch: pytest.MonkeyPatch) -> Callable[..., PretendedFleet]:
    """Return what makes a fleet: db1 with the replicas db2 and db3, where nothing else is said; waits take no time."""
    Clock.instead(monkeypatch)
    monkeypatch.setattr(detection, "AGREE_S", 0.05)
    monkeypatch.setattr(collecting, "APPLY_S", 3.0)
    monkeypatch.setattr(collecting, "SEND_S", 0.05)
    monkeypatch.setattr(role_transition, "FOLLOW_TIMEOUT_S", 1.0)

    def make(hosts: Hosts | None = None, **options: object) -> PretendedFleet:
        fleet = PretendedFleet(make_topology(hosts, **options))
        # One instance after the other has the same directory.
        (fleet.instance.directory / "failovers.json").unlink(missing_ok=True)
        monkeypatch.setattr(containers, "containers", fleet.containers)
        monkeypatch.setattr(containers, "kill", fleet.kill)
        return fleet

    return make


@pytest.fixture
def record() -> Callable[[Topology], Topology]:
    """Return a function that records a topology as topology-up does."""

    def write(topology: Topology) -> Topology:
        file = Instance(topology.instance).record
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(topology.to_json())
        return topology

    return write
