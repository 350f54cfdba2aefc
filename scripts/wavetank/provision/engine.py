"""Whether this machine has a working Docker engine and compose plugin, and what is missing if not."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from wavetank.machine import containers

LEAST_COMPOSE = (2, 18)


@dataclass(frozen=True)
class Engine:
    """What is missing of the engine; nothing is, where all three are true."""

    installed: bool
    running: bool
    compose: bool

    @property
    def ready(self) -> bool:
        """Whether containers can be run and composed."""
        return self.running and self.compose


def look_at_engine() -> Engine:
    """Return the state of the engine that DOCKER_HOST, or the default socket, names."""
    running = containers.engine_answers()
    installed = running or shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None
    return Engine(installed=installed, running=running, compose=_compose_version() >= LEAST_COMPOSE)


def can_install() -> bool:
    """Return whether we may install Docker here: root on Debian or Ubuntu, who has not named another engine."""
    if os.environ.get("DOCKER_HOST"):
        return False
    release = Path("/etc/os-release")
    ids = (
        set(re.findall(r"^ID(?:_LIKE)?=[\"']?([^\"'\n]*)", release.read_text(), re.MULTILINE))
        if release.exists()
        else set()
    )
    return os.geteuid() == 0 and bool({"debian", "ubuntu"} & set(" ".join(ids).split()))


def advice(engine: Engine) -> str:
    """Return the one line for somebody for whom we may not install or start anything."""
    if (named := os.environ.get("DOCKER_HOST")) and not engine.running:
        return f"the Docker engine at {named} does not answer: start it, or unset DOCKER_HOST"
    if not engine.installed:
        return (
            "Docker is not here, and only root on Debian or Ubuntu can have it installed by us: "
            "install Docker Engine and its compose plugin"
        )
    if not engine.running:
        return "the Docker engine does not answer: start it (sudo service docker start), or join the docker group"
    return (
        "docker compose is missing or older than 2.18: install the compose plugin "
        "(docker-compose-plugin or docker-compose-v2)"
    )


def _compose_version() -> tuple[int, ...]:
    try:
        result = subprocess.run(
            ["docker", "compose", "version", "--short"],  # noqa: S607 - whichever docker is the user's,
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    found = re.match(r"v?(\d+)\.(\d+)", result.stdout.strip())
    return (int(found[1]), int(found[2])) if found and result.returncode == 0 else ()
