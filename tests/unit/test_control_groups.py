"""What the kernel says of a container's processes: that it has none is said only where that is certain."""

from pathlib import Path

import pytest
from wavetank.machine import control_groups

PLACES = ("pids/docker/{}", "docker/{}", "pids/system.slice/docker-{}.scope", "system.slice/docker-{}.scope")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(control_groups, "_ROOT", tmp_path)
    return tmp_path


def a_group(root: Path, container: str, *, place: str = PLACES[0], pids: tuple[int, ...] = (), tasks: int = 0) -> None:
    directory = root / place.format(container)
    directory.mkdir(parents=True)
    (directory / "pids.current").write_text(f"{tasks}\n")
    (directory / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))


@pytest.mark.parametrize("place", PLACES)
def test_a_group_without_a_task_is_empty(root: Path, place: str) -> None:
    a_group(root, "killed", place=place)

    assert control_groups.is_empty("killed", [])


def test_a_group_with_a_thread_left_is_not_empty(root: Path) -> None:
    # The main thread is a zombie already, and is listed no more; another thread is still being ended.
    a_group(root, "dying", tasks=1)
    a_group(root, "fellow", tasks=40)

    assert not control_groups.is_empty("dying", ["fellow"])


def test_a_group_that_is_gone_is_empty_where_its_fellows_are_seen(root: Path) -> None:
    a_group(root, "fellow", tasks=40)

    assert control_groups.is_empty("killed", ["stopped", "fellow"])


@pytest.mark.usefixtures("root")
def test_of_an_engine_elsewhere_nothing_is_known() -> None:
    assert not control_groups.is_empty("killed", ["fellow"])
    assert not control_groups.holds("killed", 17)


def test_a_group_that_cannot_be_read_is_not_empty(root: Path) -> None:
    (root / PLACES[1].format("strange")).mkdir(parents=True)

    assert not control_groups.is_empty("strange", [])


def test_only_its_own_processes_are_held(root: Path) -> None:
    a_group(root, "server", pids=(17, 42), tasks=40)

    assert control_groups.holds("server", 17)
    assert not control_groups.holds("server", 4)
