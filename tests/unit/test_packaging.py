"""What an application installs and imports: the client, and nothing of the testbed's."""

import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from lab_packages import OF_THE_LAB
from wavetank.cli import main
from wavetank.topology.instance import HOME


def imports(code: str) -> set[str]:
    """Return what Python has imported after `code`, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("package", ["wavetank.client", "wavetank.client.splitting", "wavetank.client.shards"])
def test_an_application_imports_nothing_of_the_testbed(package: str) -> None:
    found = imports(f"import {package}")
    assert package in found
    assert found.isdisjoint(OF_THE_LAB)
    packages = {name.split(".")[1] for name in found if name.startswith("wavetank.")}
    assert packages.isdisjoint({"change", "checks", "cli", "drills", "machine", "provision", "status"})


def test_what_the_client_needs_is_installed_with_it_and_the_rest_is_the_labs() -> None:
    project = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]
    named = [wanted.split(">")[0] for wanted in project["dependencies"]]
    assert named == ["mysql-connector-python", "sqlalchemy", "sqlglot", "tenacity", "uhashring"]
    assert {"ansible", "docker", "typer"} <= {
        wanted.split(">")[0] for wanted in project["optional-dependencies"]["lab"]
    }


def test_the_command_says_in_a_line_that_it_needs_the_lab(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "docker" else object())
    assert main.main() == 2
    said = capsys.readouterr().err
    assert said == "wavetank: docker not installed: the testbed needs pip install '.[lab]'\n"


def test_an_installed_client_finds_the_clone_that_it_is_told_of(tmp_path: Path) -> None:
    """A copy of the package that is in no clone, as pip installs it."""
    copy = tmp_path / "lib" / "python" / "site-packages"
    shutil.copytree(HOME / "scripts" / "wavetank", copy / "wavetank", ignore=shutil.ignore_patterns("__pycache__"))
    code = "from wavetank.topology import instance; print(instance.HOME)"
    for told, expected in (({"WAVETANK_HOME": str(tmp_path)}, tmp_path), ({}, copy)):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=copy, env={"PYTHONPATH": str(copy), **told},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout.strip() == str(expected)


@pytest.mark.parametrize("newer", ["requirements.lock", "pyproject.toml", "scripts/bootstrap.py"])
def test_make_looks_at_the_environment_only_where_something_it_depends_on_is_newer(newer: str) -> None:
    def steps(*arguments: str) -> str:
        return subprocess.run(
            ["make", "--dry-run", *arguments, "setup"], cwd=HOME, check=True, capture_output=True, text=True
        ).stdout

    subprocess.run(["make", "setup"], cwd=HOME, check=True, capture_output=True)
    assert "bootstrap" not in steps()
    assert "scripts/bootstrap.py" in steps(f"--what-if={newer}")


def test_what_is_built_from_source_can_be_left_out_of_the_client_libraries_lock() -> None:
    spec = importlib.util.spec_from_file_location("bootstrap_script", HOME / "scripts" / "bootstrap.py")
    assert spec
    assert spec.loader
    bootstrap = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bootstrap)
    entries = bootstrap._lock_entries((HOME / "requirements-clients.lock").read_text())  # noqa: SLF001
    assert set(bootstrap.BUILT) < entries.keys()
    assert all("--hash=sha256:" in entry and f"{name}==" in entry for name, entry in entries.items())
    asked = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]["optional-dependencies"]["clients"]
    assert {re.split(r"[\[>=<]", each)[0].lower() for each in asked} <= entries.keys()
