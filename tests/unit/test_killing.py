"""A container's server is killed by its process id only where that certainly is its process."""

import signal
from types import SimpleNamespace

import pytest
from wavetank.machine import containers, control_groups

PID = 4_321


@pytest.mark.parametrize("here", [True, False])
def test_a_process_is_killed_here_only_where_it_is_seen_in_its_container(
    monkeypatch: pytest.MonkeyPatch, *, here: bool
) -> None:
    sent: list[tuple[int, int] | str] = []
    container = SimpleNamespace(id="c1", attrs={"State": {"Pid": PID}})
    engine = SimpleNamespace(containers=SimpleNamespace(get=lambda _name: container))
    monkeypatch.setattr(containers, "_client", lambda: engine)
    monkeypatch.setattr(containers, "kill", sent.append)
    monkeypatch.setattr(control_groups, "holds", lambda of, pid: here and (of, pid) == ("c1", PID))
    monkeypatch.setattr("os.kill", lambda pid, what: sent.append((pid, what)))

    containers.kill_at_once("db1")

    assert sent == [(PID, signal.SIGKILL) if here else "db1"]


@pytest.mark.parametrize(
    ("status", "empty", "ended"),
    [("exited", False, True), ("running", True, True), ("running", False, False), ("paused", False, False)],
)
def test_a_container_has_ended_by_the_word_of_the_engine_or_of_the_kernel(
    monkeypatch: pytest.MonkeyPatch, *, status: str, empty: bool, ended: bool
) -> None:
    asked: list[tuple[str, list[str]]] = []

    def is_empty(container: str, fellows: list[str]) -> bool:
        asked.append((container, fellows))
        return empty

    there = [
        containers.ContainerState(f"id of {name}", name, state, None, ())
        for name, state in (("db1", status), ("db2", "running"), ("db3", "exited"))
    ]
    monkeypatch.setattr(containers, "containers", lambda project: there if project == "wavetank-a" else [])
    monkeypatch.setattr(control_groups, "is_empty", is_empty)

    assert containers.has_ended("db1", "wavetank-a") is ended
    assert asked == ([] if status == "exited" else [("id of db1", ["id of db2"])])
    assert containers.has_ended("db9", "wavetank-a")
