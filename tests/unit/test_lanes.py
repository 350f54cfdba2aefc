"""Which tests run one after the other, which side by side, and what becomes of those whose image is not to be had."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fronts
import pytest
from commands import HOME

TESTS = HOME / "tests"
# What a test of a run of its own does: it notes who it was, in which lane, and from when to when.
SOME = """
import json, os, time
import pytest

@pytest.fixture(autouse=True)
def _noted(request):
    began_s = time.monotonic()
    time.sleep(0.2)
    yield
    with open("noted", "a") as noted:
        who = request.node.name, os.environ["PYTEST_XDIST_WORKER"]
        noted.write(json.dumps([*who, began_s, time.monotonic()]) + "\\n")
"""
FILES = {
    "test_first.py": "pytestmark = pytest.mark.group('same')\n"
                     "@pytest.mark.parametrize('n', range(3))\ndef test_first(n): pass\n",
    "test_other.py": "@pytest.mark.parametrize('n', range(4))\ndef test_other(n): pass\n"
                     "@pytest.mark.alone\ndef test_alone():\n    began_s = time.monotonic()\n    time.sleep(0.5)\n"
                     "    with open('alone', 'w') as file: json.dump([began_s, time.monotonic()], file)\n",
    "test_third.py": "pytestmark = pytest.mark.group('same')\n"
                     "@pytest.mark.parametrize('n', range(4))\ndef test_third(n): pass\n",
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where tests have run in two lanes that are not those of this test."""
    place = tmp_path_factory.mktemp("lanes")
    (place / "tests").mkdir()
    for name in ("lanes.py", "commands.py"):
        shutil.copy(TESTS / name, place / "tests")
    (place / "tests" / "conftest.py").write_text('pytest_plugins = ["lanes"]\n')
    (place / "pytest.ini").write_text(
        "[pytest]\npythonpath = tests\naddopts = --import-mode=importlib\nmarkers =\n    alone\n    group(name)\n"
    )
    for name, text in FILES.items():
        (place / "tests" / name).write_text(SOME + text)
    apart = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n2", "-p", "no:cacheprovider", "tests"],
        cwd=place, env=apart, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seconds by group" in done.stdout
    return place


@pytest.fixture
def noted(place: Path) -> Sequence[Any]:
    return [json.loads(line) for line in (place / "noted").read_text().splitlines()]


def test_a_group_has_one_lane_and_another_one_the_other(noted: Sequence[Any]) -> None:
    same = {lane for name, lane, *_ in noted if name.startswith(("test_first", "test_third"))}
    other = {lane for name, lane, *_ in noted if name.startswith(("test_other", "test_alone"))}
    assert len(noted) == 12
    assert (len(same), len(other), len(same | other)) == (1, 1, 2)


def test_lanes_work_side_by_side_but_for_who_is_to_be_alone(place: Path, noted: Sequence[Any]) -> None:
    def overlap(one: Sequence[float], other: Sequence[float]) -> bool:
        return one[0] < other[1] and other[0] < one[1]

    spans = {lane: [span for _, of, *span in noted if of == lane] for lane in ("gw0", "gw1")}
    assert any(overlap(one, other) for one in spans["gw0"] for other in spans["gw1"])
    alone = json.loads((place / "alone").read_text())
    assert [name for name, _, *span in noted if overlap(span, alone)] == ["test_alone"]


# --- ProxySQL, which may not be to be had


def outcome(monkeypatch: pytest.MonkeyPatch, said: str, missing: str, topology: str = "proxysql") -> str:
    """Return what becomes of a test of a topology, and what it says."""
    monkeypatch.setenv("PROXYSQL", said)
    monkeypatch.setattr(fronts, "no_proxysql", lambda: missing)
    try:
        fronts.demand(topology)
    except pytest.skip.Exception as skipped:
        return f"skipped: {skipped.msg}"
    except pytest.fail.Exception as failed:
        return f"failed: {failed.msg}"
    return "runs"


def test_a_proxysql_that_is_not_to_be_had_fails_what_needs_one(monkeypatch: pytest.MonkeyPatch) -> None:
    said = outcome(monkeypatch, "", "no registry has it")
    assert said == "failed: no registry has it; PROXYSQL=absent leaves these tests out"
    assert outcome(monkeypatch, "", "") == "runs"
    assert outcome(monkeypatch, "", "no registry has it", "master-slave") == "runs"


def test_only_absent_leaves_it_out_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert outcome(monkeypatch, "absent", "") == "skipped: PROXYSQL=absent: NOT TESTED, and nothing replaces it"
    assert outcome(monkeypatch, "absent", "", "master-slave") == "runs"
    assert outcome(monkeypatch, "no", "") == "failed: PROXYSQL=no says nothing: it is absent, or is not set"


@pytest.mark.parametrize(
    ("given", "code", "heard"),
    [
        ("", 1, ["make lint", "make docs", "make engine",
                 "PROXYSQL=absent: no topology with a ProxySQL is tested: not here", "make test absent"]),
        ("", 0, ["make lint", "make docs", "make engine", "make test"]),
        ("absent", 0, ["make lint absent", "make docs absent", "make engine absent", "make test absent"]),
    ],
)  # fmt: skip
def test_ci_says_that_there_is_none(tmp_path: Path, given: str, code: int, heard: list[str]) -> None:
    programs = {
        "bin/make": 'echo make "$1" ${PROXYSQL:-}',
        ".venv/bin/python": f"[ {code} = 0 ] || echo not here; exit {code}",
    }
    for name, text in programs.items():
        (program := tmp_path / name).parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    (tmp_path / ".ci").mkdir()
    shutil.copy(HOME / ".ci" / "run", tmp_path / ".ci" / "run")
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "PROXYSQL": given}
    done = subprocess.run([tmp_path / ".ci" / "run"], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()) == (0, heard), done.stderr
