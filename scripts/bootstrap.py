#!/usr/bin/env python3
"""Bring about the virtual environment that everything else runs in. Needs nothing but Python itself.

Run by make before every target; where the environment is there and current, it does nothing. With `docs` it also
installs what builds the documentation, which no topology needs.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
VENV = HOME / ".venv"
LOCK = HOME / "requirements.lock"
DOCS_LOCK = HOME / "requirements-docs.lock"
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
    if importlib.util.find_spec("ensurepip") is None and not _install_venv_package():
        return _refuse("Python's venv module is missing: install the package python3-venv")
    print("wavetank: making the Python environment in .venv, once, about a minute", flush=True)
    shutil.rmtree(VENV, ignore_errors=True)
    install = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    steps = (
        [sys.executable, "-m", "venv", str(VENV)],
        [*install, "--require-hashes", "-r", str(LOCK)],
        [*install, "--no-deps", "--no-build-isolation", "--no-index", "--editable", f"{HOME}[lab]"],
    )
    for step in steps:
        done = subprocess.run(step, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            VENV.mkdir(exist_ok=True)
            LOG.write_text(done.stdout)
            last = (done.stdout.strip().splitlines() or ["no output"])[-1]
            return _refuse(f"the Python environment cannot be made: {last} (all of it: {LOG.relative_to(HOME)})")
    stamp.touch()
    return 0


def add_docs() -> int:
    """Add what builds the documentation to the environment; return the exit code."""
    stamp = VENV / f".docs-{hashlib.sha256(DOCS_LOCK.read_bytes()).hexdigest()[:16]}"
    if stamp.exists():
        return 0
    print("wavetank: installing what builds the documentation, once", flush=True)
    install = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*install, "--require-hashes", "-r", str(DOCS_LOCK)],
        check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    if done.returncode != 0:
        return _refuse(f"what builds the documentation cannot be installed: {done.stdout.strip()}")
    stamp.touch()
    return 0


def _fingerprint() -> str:
    """Return what the environment depends on: the lock, our own packaging, Python, and where the clone is."""
    packaging = tomllib.loads((HOME / "pyproject.toml").read_text())
    ours = [packaging["project"], packaging["build-system"], packaging["tool"]["setuptools"]]
    parts = (LOCK.read_bytes(), json.dumps(ours).encode(), sys.version.encode(), str(HOME).encode())
    return hashlib.sha256(b"|".join(parts)).hexdigest()[:16]


def _install_venv_package() -> bool:
    """Install Debian's python3-venv where we may."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    print("wavetank: installing python3-venv", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "-qq", "update"], ["apt-get", "-qq", "install", "-y", "python3-venv"]):
        if subprocess.run(command, check=False, env=environment, stdout=subprocess.DEVNULL).returncode != 0:
            return False
    return True


def _refuse(reason: str) -> int:
    print(f"wavetank: {reason}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main() or (add_docs() if "docs" in sys.argv[1:] else 0))
