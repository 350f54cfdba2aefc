#!/usr/bin/env python3
"""Bring about the virtual environment that everything else runs in. Needs nothing but Python itself.

Run by make before every target; where the environment is there and current, it does nothing. With `docs` it also
installs what builds the documentation, which no topology needs; with `clients` it makes another environment, with the
client libraries that are put under faults.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
VENV = HOME / ".venv"
LOCK = HOME / "requirements.lock"
DOCS_LOCK = HOME / "requirements-docs.lock"
CLIENTS = HOME / ".venv-clients"
CLIENTS_LOCK = HOME / "requirements-clients.lock"
# There are no wheels of these: each is built by itself, and where that fails the others are there all the same.
BUILT = ("mysqlclient", "mariadb")
BUILD_PACKAGES = ("gcc", "libmariadb-dev", "pkg-config", "python3-dev")
LEAST_PYTHON = (3, 11)
LOG = VENV / "bootstrap.log"


def main() -> int:
    """Make the environment if it is missing, old or half-made; return the exit code."""
    stamp = VENV / f".complete-{_fingerprint()}"
    if stamp.exists():
        return 0
    if sys.version_info < LEAST_PYTHON:
        return _refuse(
            f"Python {'.'.join(map(str, LEAST_PYTHON))} or later is needed, this is {sys.version.split()[0]}"
        )
    if importlib.util.find_spec("ensurepip") is None and not _install_packages(["python3-venv"]):
        return _refuse("Python's venv module is missing: install the package python3-venv")
    print("wavetank: making the Python environment in .venv, once, about a minute", flush=True)
    shutil.rmtree(VENV, ignore_errors=True)
    install = _install(VENV)
    steps = (
        [sys.executable, "-m", "venv", str(VENV)],
        [*install, "--require-hashes", "-r", str(LOCK)],
        [*install, "--no-deps", "--no-build-isolation", "--no-index", "--editable", f"{HOME}[lab]"],
    )
    for step in steps:
        done = _run(*step)
        if done.returncode != 0:
            VENV.mkdir(exist_ok=True)
            LOG.write_text(done.stdout)
            return _refuse(f"the Python environment cannot be made: {_last(done)} (all of it: {LOG.relative_to(HOME)})")
    stamp.touch()
    return 0


def add_docs() -> int:
    """Add what builds the documentation to the environment; return the exit code."""
    stamp = VENV / f".docs-{hashlib.sha256(DOCS_LOCK.read_bytes()).hexdigest()[:16]}"
    if stamp.exists():
        return 0
    print("wavetank: installing what builds the documentation, once", flush=True)
    done = _run(*_install(VENV), "--require-hashes", "-r", str(DOCS_LOCK))
    if done.returncode != 0:
        return _refuse(f"what builds the documentation cannot be installed: {done.stdout.strip()}")
    stamp.touch()
    return 0


def make_clients() -> int:
    """Make the clients' environment if it is missing or old; return the exit code.

    A library that cannot be built is said, and left out.
    """
    stamp = CLIENTS / f".complete-{hashlib.sha256(CLIENTS_LOCK.read_bytes() + str(HOME).encode()).hexdigest()[:16]}"
    if stamp.exists():
        return 0
    print("wavetank: making the client libraries' environment in .venv-clients, once, about a minute", flush=True)
    shutil.rmtree(CLIENTS, ignore_errors=True)
    done = _run(sys.executable, "-m", "venv", str(CLIENTS))
    if done.returncode != 0:
        return _refuse(f"the client libraries' environment cannot be made: {_last(done)}")
    entries = _lock_entries(CLIENTS_LOCK.read_text())
    wheels = "\n".join(text for name, text in entries.items() if name not in BUILT)
    done = _install_locked(wheels)
    if done.returncode != 0:
        return _refuse(f"the client libraries cannot be installed: {_last(done)}")
    _install_packages(BUILD_PACKAGES)
    for name in BUILT:
        done = _install_locked(entries[name], "--no-deps")
        if done.returncode != 0:
            (CLIENTS / f"{name}.log").write_text(done.stdout)
            print(f"wavetank: {name} is left out, it cannot be built: {_last(done)} "
                  f"(all of it: .venv-clients/{name}.log)", flush=True)  # fmt: skip
    stamp.touch()
    return 0


def _lock_entries(text: str) -> dict[str, str]:
    """Return the entries of a lock file by the name of their package, each with its hashes."""
    entries: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line[:1].isalnum():
            name = line.partition("==")[0]
        if name and not line.lstrip().startswith("#"):
            entries[name] = entries.get(name, "") + line + "\n"
    return entries


def _install_locked(entries: str, *options: str) -> "subprocess.CompletedProcess[str]":
    with tempfile.NamedTemporaryFile("w", suffix=".lock") as file:
        file.write(entries)
        file.flush()
        return _run(*_install(CLIENTS), *options, "--require-hashes", "-r", file.name)


def _install(venv: Path) -> list[str]:
    return [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def _run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _last(done: "subprocess.CompletedProcess[str]") -> str:
    return (done.stdout.strip().splitlines() or ["no output"])[-1]


def _fingerprint() -> str:
    """Return what the environment depends on: the lock, our own packaging, Python, and where the clone is."""
    packaging = tomllib.loads((HOME / "pyproject.toml").read_text())
    ours = [packaging["project"], packaging["build-system"], packaging["tool"]["setuptools"]]
    parts = (LOCK.read_bytes(), json.dumps(ours).encode(), sys.version.encode(), str(HOME).encode())
    return hashlib.sha256(b"|".join(parts)).hexdigest()[:16]


def _install_packages(names: Sequence[str]) -> bool:
    """Install Debian's packages of these names where we may; those that are there are left as they are."""
    missing = [name for name in names if _run("dpkg", "-s", name).returncode != 0] if shutil.which("dpkg") else []
    if not missing:
        return True
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    print(f"wavetank: installing {', '.join(missing)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "-qq", "update"], ["apt-get", "-qq", "install", "-y", *missing]):
        if subprocess.run(command, check=False, env=environment, stdout=subprocess.DEVNULL).returncode != 0:
            return False
    return True


def _refuse(reason: str) -> int:
    print(f"wavetank: {reason}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    further = {"docs": add_docs, "clients": make_clients}
    sys.exit(main() or next((code for name in sys.argv[1:] if (code := further[name]())), 0))
