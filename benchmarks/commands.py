"""The two sides as a person would call them, timed from outside, and the removal of both."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
from figures import mib
from timing import timed
from wavetank.errors import UsageError
from wavetank.machine import containers
from wavetank.provision import images
from wavetank.topology.instance import HOME, Instance

INSTANCE = Instance("bench")
PROJECT = "wavetank-bench"
PLAIN_CONTAINER = "wavetank-bench-plain"
PLAIN_SCRIPT = HOME / "benchmarks" / "plain.sh"
WAVETANK = Path(sys.executable).with_name("wavetank")
# What topology-up says where it found all as it should be.
NOTHING_CHANGED = "nothing had to change"

# Seconds. The first topology-up may have an image to build.
FIRST_UP_TIMEOUT_S = 1800
UP_TIMEOUT_S = 240
PLAIN_TIMEOUT_S = 120
DOWN_TIMEOUT_S = 180
SHORT_TIMEOUT_S = 60
# What a server with MySQL's own defaults takes: the plain way's.
PLAIN_SERVER_MIB = 500


def refuse_unless_ready(servers: int) -> None:
    """Ask whether `servers` servers can be measured here, before anything is created.

    Raises:
        UsageError: they cannot, or something of an earlier run is there.
    """
    if shutil.which("docker") is None or not containers.engine_answers():
        raise UsageError("no Docker engine answers: make topology-up brings one about")
    refuse_others(INSTANCE)
    if any(state.name == PLAIN_CONTAINER for state in containers.containers()):
        raise UsageError(f"another benchmark runs, or was killed: docker rm --force --volumes {PLAIN_CONTAINER}")
    needed, available = servers * PLAIN_SERVER_MIB, psutil.virtual_memory().available // 2**20
    if needed > available:
        raise UsageError(f"{servers} plain servers need about {needed} MiB and {available} MiB are free")


def refuse_others(instance: Instance) -> None:
    """Refuse to measure on an instance that somebody else has.

    Raises:
        UsageError: it is there.
    """
    if instance.exists or containers.containers(f"wavetank-{instance.name}"):
        raise UsageError(f"an instance {instance.name} exists already: make topology-down INSTANCE={instance.name}")


def bring_up(instance: Instance, topology: str, *options: str, timeout_s: float) -> tuple[float, str]:
    """Bring an instance up, or find it up; return the seconds that took, and what was printed."""
    make = ["make", "--no-print-directory", "-C", str(HOME), "topology-up"]
    return timed([*make, f"INSTANCE={instance.name}", f"TOPOLOGY={topology}", *options], timeout_s)


def take_down(instance: Instance) -> None:
    """Remove an instance where it is there."""
    if instance.exists:
        timed([str(WAVETANK), "down", "--instance", instance.name], DOWN_TIMEOUT_S)


def topology_up(servers: int, timeout_s: float = UP_TIMEOUT_S) -> tuple[float, str]:
    """Bring the measured instance up, or find it up, as bring_up() does."""
    return bring_up(INSTANCE, "master-slave", f"REPLICAS={servers - 1}", timeout_s=timeout_s)


def no_change_up(servers: int) -> float:
    """Bring the running instance up again and return the seconds that took.

    Raises:
        UsageError: something was changed, so this was not what is measured.
    """
    seconds, output = topology_up(servers)
    if NOTHING_CHANGED not in output:
        raise UsageError(f"topology-up on the running instance changed something:\n{output.strip()}")
    return seconds


def ask(command: str) -> float:
    """Run a command that only asks the instance, check or status, and return the seconds that took."""
    return timed([str(WAVETANK), command, "--instance", INSTANCE.name], SHORT_TIMEOUT_S)[0]


def node_memory() -> list[float]:
    """Return what each server of the instance takes, in MiB."""
    names = [state.name for state in containers.containers(PROJECT)]
    command = ["docker", "stats", "--no-stream", "--format", "{{json .}}", *names]
    _, output = timed(command, SHORT_TIMEOUT_S)
    return [mib(json.loads(line)["MemUsage"]) for line in output.splitlines()]


def base_image() -> str:
    """Return the image that both sides take their servers from; a topology-up must have been here."""
    return images.find_base(os.environ.get("MYSQL_IMAGE", "")).name


def plain(servers: int, image: str) -> float:
    """Bring servers up the plain way and return the seconds that it took inside its container.

    Neither its container's start is timed, nor its removal, as topology-down is not.
    """
    command = ["docker", "run", f"--name={PLAIN_CONTAINER}", "--network=none", f"--volume={PLAIN_SCRIPT}:/plain.sh:ro"]
    try:
        _, output = timed([*command, "--entrypoint=/bin/bash", image, "/plain.sh", str(servers)], PLAIN_TIMEOUT_S)
        return float(output)
    finally:
        remove_plain()


def remove_plain() -> None:
    """Remove the plain container and its data, where they are."""
    command = ["docker", "rm", "--force", "--volumes", PLAIN_CONTAINER]
    subprocess.run(command, check=False, capture_output=True, timeout=SHORT_TIMEOUT_S)
