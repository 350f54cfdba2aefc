"""What is missing of the Docker engine, and what we may do about it."""

import os
from pathlib import Path

import pytest
from wavetank.machine import containers
from wavetank.provision import engine
from wavetank.provision.engine import Engine, advice, can_install, look_at_engine


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have a PATH with nothing in it but what the test puts there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(containers, "engine_answers", lambda: False)
    return folder


def program(path: Path, says: str, code: int = 0) -> None:
    path.write_text(f"#!/bin/sh\necho '{says}'\nexit {code}\n")
    path.chmod(0o755)


# --- advice


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (
            Engine(installed=False, running=False, compose=False),
            ["not here", "root on Debian or Ubuntu", "install Docker"],
        ),
        (
            Engine(installed=True, running=False, compose=False),
            ["does not answer", "service docker start", "docker group"],
        ),
        (
            Engine(installed=True, running=False, compose=True),
            ["does not answer", "service docker start", "docker group"],
        ),
        (Engine(installed=True, running=True, compose=False), ["compose", "2.18", "docker-compose-plugin"]),
    ],
    ids=["nothing", "not running", "only compose", "no compose"],
)
def test_the_advice_is_one_line_about_what_is_missing_first(missing: Engine, words: list[str]) -> None:
    line = advice(missing)
    assert "\n" not in line
    assert not [word for word in words if word not in line]
    assert not missing.ready


def test_an_engine_that_runs_and_composes_is_ready() -> None:
    assert Engine(installed=True, running=True, compose=True).ready


# --- looking


def test_a_bare_machine_has_nothing(docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name, **_: (docker / name).exists() or None)
    assert look_at_engine() == Engine(installed=False, running=False, compose=False)


def test_an_engine_that_is_installed_need_not_run(docker: Path) -> None:
    program(docker / "dockerd", "")
    assert look_at_engine() == Engine(installed=True, running=False, compose=False)


def test_an_engine_that_answers_counts_as_installed_wherever_it_is(
    docker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(docker / "docker", "2.26.1")
    monkeypatch.setattr(containers, "engine_answers", lambda: True)
    monkeypatch.setattr("shutil.which", lambda _name, **_: None)
    assert look_at_engine() == Engine(installed=True, running=True, compose=True)


@pytest.mark.parametrize("version", ["2.18.0", "v2.18.1", "2.26.1-4", "2.100.0", "v2.29.7-desktop.1", "5.0.0"])
def test_a_compose_plugin_of_today_is_enough(docker: Path, version: str) -> None:
    program(docker / "docker", version)
    assert look_at_engine().compose


@pytest.mark.parametrize("version", ["2.17.3", "v2.2.3", "1.29.2", "", "nonsense"])
def test_an_old_or_silent_compose_plugin_is_not(docker: Path, version: str) -> None:
    program(docker / "docker", version)
    assert not look_at_engine().compose


def test_a_docker_without_the_plugin_is_not(docker: Path) -> None:
    program(docker / "docker", "2.26.1", code=1)
    assert not look_at_engine().compose


# --- whether we may install


@pytest.mark.parametrize(
    ("release", "user", "may"),
    [
        ("ID=debian\n", 0, True),
        ('NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\n', 0, True),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', 0, True),
        ("ID=debian\n", 1000, False),
        ("ID=fedora\n", 0, False),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', 0, False),
        ("NAME=debian\nID=alpine\nVARIANT_ID=debian\n", 0, False),
        ("", 0, False),
    ],
)
def test_we_install_only_as_root_on_debian_or_ubuntu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, release: str, user: int, may: object
) -> None:
    file = tmp_path / "os-release"
    file.write_text(release)
    monkeypatch.setattr(engine, "Path", lambda name: file if name == "/etc/os-release" else Path(name))
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert can_install() is may


def test_we_install_nothing_where_the_system_does_not_say_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "Path", lambda _name: tmp_path / "none")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert not can_install()
