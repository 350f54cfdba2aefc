"""Whether compose has to be asked: not where its containers are the ones that it made, and run undisturbed."""

import subprocess
from collections.abc import Callable
from dataclasses import replace

import pytest
from unit.conftest import Engine, MakeTopology
from wavetank.errors import UsageError
from wavetank.files import write_if_changed
from wavetank.machine import containers, disk, network
from wavetank.provision import compose, missing
from wavetank.provision.engine import Engine as EngineState
from wavetank.topology.instance import Instance
from wavetank.topology.model import Topology

pytestmark = pytest.mark.usefixtures("free_ports")


@pytest.fixture
def topology(make_topology: MakeTopology, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Topology:
    """Return a topology of which compose has made the containers."""
    made = make_topology()
    for node in made.nodes:
        engine.run(made.container(node), node.port)
    monkeypatch.setattr(disk, "moved", lambda _project: [])
    monkeypatch.setattr(network, "disturbed", lambda _names: [])
    file = Instance(made.instance).compose_file
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("services: {}")
    compose.note_composed(made)
    return made


def test_compose_is_not_asked_where_all_is_as_it_made_it(topology: Topology) -> None:
    assert compose.stopped_ones(topology) == []


@pytest.mark.parametrize("stopped", [[1], [0, 1, 2]])
def test_who_has_only_ended_is_started_without_compose(topology: Topology, engine: Engine, stopped: list[int]) -> None:
    for at in stopped:
        engine.states[at] = replace(engine.states[at], status="exited")
    assert compose.stopped_ones(topology) == [topology.container(topology.nodes[at]) for at in stopped]


def test_compose_is_asked_where_somebody_who_runs_is_disturbed_while_others_have_ended(
    topology: Topology, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.states[1] = replace(engine.states[1], status="exited")
    running = [topology.container(node) for node in topology.nodes if node.name != "db2"]
    monkeypatch.setattr(network, "disturbed", lambda names: names if names == running else [])
    assert compose.stopped_ones(topology) is None


def _stop_halfway(engine: Engine, _: Topology, __: pytest.MonkeyPatch) -> None:
    engine.states[1] = replace(engine.states[1], status="restarting")


def _freeze(engine: Engine, _: Topology, __: pytest.MonkeyPatch) -> None:
    engine.states[1] = replace(engine.states[1], status="paused")


def _remove(engine: Engine, _: Topology, __: pytest.MonkeyPatch) -> None:
    del engine.states[1]


def _replace(engine: Engine, _: Topology, __: pytest.MonkeyPatch) -> None:
    engine.states[1] = replace(engine.states[1], id="another")


def _half_make(engine: Engine, topology: Topology, _: pytest.MonkeyPatch) -> None:
    engine.run(f"{topology.project}-0123456789ab_db2", status="created")


def _change_the_project(_: Engine, topology: Topology, __: pytest.MonkeyPatch) -> None:
    Instance(topology.instance).compose_file.write_text("services: {more: {}}")


def _never_end_an_up(_: Engine, topology: Topology, __: pytest.MonkeyPatch) -> None:
    Instance(topology.instance).composed.unlink()


def _build_the_image_anew(_: Engine, __: Topology, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "image_id", lambda name: f"sha256:new {name}")


def _cut_one_off(_: Engine, topology: Topology, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "disturbed", lambda _names: [topology.container(topology.nodes[0])])


def _move_to_a_small_disk(_: Engine, topology: Topology, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "moved", lambda _project: [topology.container(topology.nodes[0])])


@pytest.mark.parametrize(
    "happen",
    [
        _stop_halfway, _freeze, _remove, _replace, _half_make, _change_the_project, _never_end_an_up,
        _build_the_image_anew, _cut_one_off, _move_to_a_small_disk,
    ],
)  # fmt: skip
def test_compose_is_asked_whatever_happened(
    happen: Callable[[Engine, Topology, pytest.MonkeyPatch], None],
    topology: Topology,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    happen(engine, topology, monkeypatch)
    assert compose.stopped_ones(topology) is None


# --- asking it


def composes(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, *, code: int = 0, said: str = "", makes: str = ""
) -> None:
    """Let compose end like this, and make one container."""

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        assert command[:2] == ["docker", "compose"]
        assert command[-2:] == ["up", "--detach"]
        if makes:
            engine.run(makes, 13310)
        return subprocess.CompletedProcess(command, code, "", said)

    monkeypatch.setattr(subprocess, "run", run)


@pytest.mark.parametrize("makes", ["", "wavetank-sea-db9"])
def test_compose_has_changed_what_is_another_than_before(
    topology: Topology, engine: Engine, monkeypatch: pytest.MonkeyPatch, makes: str
) -> None:
    composes(engine, monkeypatch, makes=makes)
    assert compose.compose_up(topology) is bool(makes)


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (
            "Container db1  Creating\nError response from daemon: no such image\n",
            "Error response from daemon: no such image",
        ),
        ("", "it ended with 1"),
    ],
)
def test_what_compose_does_not_do_is_refused_with_its_last_word(
    topology: Topology, engine: Engine, monkeypatch: pytest.MonkeyPatch, said: str, line: str
) -> None:
    composes(engine, monkeypatch, code=1, said=said)
    with pytest.raises(UsageError, match=f"^compose: {line}$"):
        compose.compose_up(topology)


def test_a_compose_that_does_not_end_is_refused_in_a_line(topology: Topology, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], *, timeout: float, **_: object) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(UsageError, match=f"^compose: it did not end within {compose.COMPOSE_S} s$"):
        compose.compose_up(topology)


# --- what has to be there first


@pytest.mark.parametrize("lack", ["engine", "base", "node", None])
def test_an_engine_or_an_image_that_is_missing_is_brought_about_first(
    lack: str | None, make_topology: MakeTopology, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not engine.states
    here = {"base": "mysql:9.7", "node": "wavetank/node:"}
    gone = here.get(lack or "", "nothing")
    monkeypatch.setattr(
        missing, "look_at_engine", lambda: EngineState(installed=True, running=lack != "engine", compose=True)
    )
    monkeypatch.setattr(containers, "image_id", lambda name: None if name.startswith(gone) else f"sha256:{name}")
    # Without the official image there is the one from Debian's packages, whose node image is another one.
    expected = lack in ("engine", "node")
    assert missing.lacks_something(make_topology()) == expected


@pytest.mark.parametrize("answers", [True, False])
def test_whoever_was_composed_before_asks_only_whether_the_engine_answers(
    answers: bool,  # noqa: FBT001
    make_topology: MakeTopology,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not engine.states
    monkeypatch.setattr(missing, "look_at_engine", lambda: pytest.fail("compose was asked for its version"))
    monkeypatch.setattr(containers, "engine_answers", lambda: answers)
    topology = make_topology()
    write_if_changed(Instance(topology.instance).composed, "{}")
    assert missing.lacks_something(topology) is not answers
