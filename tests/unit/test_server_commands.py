"""Commands that open one server, ask one check, and complete what a person types."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner
from wavetank.cli import commands, options, server_commands
from wavetank.errors import UsageError
from wavetank.topology.model import Topology

if TYPE_CHECKING:
    from conftest import Engine

MakeTopology = Callable[..., Topology]
PROGRAM = Path(sys.executable).with_name("wavetank")


@pytest.fixture
def sea(make_topology: MakeTopology, record: Callable[[Topology], Topology], engine: "Engine") -> Topology:
    """An instance with a source that runs, a replica that is stopped, and one without a container."""
    engine.run("wavetank-sea-db1")
    engine.run("wavetank-sea-db2", status="exited")
    return record(make_topology(instance="sea"))


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Return which programs have taken the command's place."""
    programs: list[tuple[str, ...]] = []

    def execvp(_file: str, arguments: tuple[str, ...]) -> None:
        programs.append(arguments)

    monkeypatch.setattr(os, "execvp", execvp)
    return programs


def called(*arguments: str) -> Any:  # noqa: ANN401 - Typer's own result
    return CliRunner().invoke(commands.app, arguments)


def refusal(*arguments: str) -> str:
    error = called(*arguments).exception
    assert isinstance(error, UsageError), error
    assert "\n" not in str(error)
    return str(error)


# --- one server


@pytest.mark.usefixtures("sea")
def test_sql_opens_the_client_in_the_servers_container(became: list[tuple[str, ...]]) -> None:
    called("sql", "db1", "--instance", "sea")
    # What the tests pipe into it is no terminal.
    assert became == [("docker", "exec", "--interactive", "wavetank-sea-db1", "mysql")]


@pytest.mark.usefixtures("sea")
def test_sql_lends_the_terminal_where_there_is_one(
    became: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for stream in ("stdin", "stdout"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True)
    server_commands.sql("db1", "sea")
    assert became == [("docker", "exec", "--interactive", "--tty", "wavetank-sea-db1", "mysql")]


@pytest.mark.usefixtures("sea")
def test_no_password_is_on_the_command_line(became: list[tuple[str, ...]]) -> None:
    called("sql", "db1", "--instance", "sea")
    assert not [word for word in became[0] if word.startswith(("-p", "--password", "--defaults-extra"))]


@pytest.mark.usefixtures("sea")
@pytest.mark.parametrize("server", ["db1", "db2"])
def test_logs_follow_a_server_also_one_that_has_stopped(server: str, became: list[tuple[str, ...]]) -> None:
    called("logs", server, "--instance", "sea")
    assert became == [("docker", "logs", "--follow", "--tail", "100", f"wavetank-sea-{server}")]


@pytest.mark.usefixtures("sea")
def test_the_server_may_be_named_by_the_environment_as_make_does(
    became: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODE", "db1")
    called("sql", "--instance", "sea")
    assert became[0][-2:] == ("wavetank-sea-db1", "mysql")


@pytest.mark.usefixtures("sea")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sql",), "name one with NODE=; there are: db1, db2, db3"),
        (("sql", "db9"), "sea has no 'db9' to ask; there are: db1, db2, db3"),
        (("sql", "db2"), "the container wavetank-sea-db2 is exited: make topology-up mends that"),
        (("logs", "db3"), "the container wavetank-sea-db3 is absent: make topology-up mends that"),
    ],
)
def test_what_cannot_be_opened_is_refused_in_one_line(
    arguments: tuple[str, ...], said: str, became: list[tuple[str, ...]]
) -> None:
    assert refusal(*arguments, "--instance", "sea") == said
    assert became == []


@pytest.mark.usefixtures("sea")
def test_without_an_engine_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wavetank.machine.containers.engine_answers", lambda: False)
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    assert "Docker" in refusal("sql", "db1", "--instance", "sea")


# --- one check


@pytest.mark.usefixtures("sea")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("applier_leg", "no check 'applier_leg'; there are: applier_lag"),
        ("shard_map", "the check shard_map has nothing to ask of sea, a master-slave topology"),
    ],
)
def test_a_check_that_cannot_be_asked_is_refused_in_one_line(name: str, said: str) -> None:
    assert refusal("check", name, "--instance", "sea") == said


def test_a_refusal_is_exit_code_2(tmp_path: Path) -> None:
    done = subprocess.run(
        [PROGRAM, "check", "applier_leg", "--instance", f"none-{os.getpid()}"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)


# --- completion


@pytest.mark.usefixtures("sea")
def test_names_are_completed() -> None:
    assert options.member_names() == ["db1", "db2", "db3"]


def completed(words: str, home: Path) -> list[str]:
    """Return what bash is told where it asks how these words go on."""
    asked = {"_WAVETANK_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    environment = {**os.environ, **asked, "HOME": str(home)}
    done = subprocess.run([PROGRAM], env=environment, capture_output=True, text=True, check=False)
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("wavetank switch", ["switchover"]),
        ("wavetank check shard_re", ["shard_reference", "shard_relations", "shard_resharding"]),
        ("wavetank shard lo", ["locate"]),
    ],
)
def test_commands_and_checks_are_completed(words: str, expected: list[str], tmp_path: Path) -> None:
    assert completed(words, tmp_path) == expected


def test_completion_can_be_installed(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run(
        [PROGRAM, "--install-completion", "bash"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "_WAVETANK_COMPLETE=complete_bash" in (tmp_path / ".bash_completions" / "wavetank.sh").read_text()
