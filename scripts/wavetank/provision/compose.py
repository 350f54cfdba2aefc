"""Compose: it makes an instance's containers, and is not asked where they still are what it has made."""

import json
import subprocess
from collections.abc import Iterable

from wavetank.errors import UsageError
from wavetank.files import write_if_changed
from wavetank.machine import containers, disk, network
from wavetank.machine.containers import ContainerState
from wavetank.topology.instance import Instance
from wavetank.topology.model import Topology

# How long compose may take, in seconds: the images are there.
COMPOSE_S = 300


def compose_up(topology: Topology) -> bool:
    """Let compose make and start what the instance's project says; return whether that changed a container.

    Raises:
        UsageError: it does not; what it says last.
    """
    before = set(containers.containers(topology.project))
    file = Instance(topology.instance).compose_file
    command = ["docker", "compose", "--ansi", "never", "--file", str(file), "up", "--detach"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=COMPOSE_S)
    except subprocess.TimeoutExpired as late:
        raise UsageError(f"compose: it did not end within {COMPOSE_S} s") from late
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise UsageError(f"compose: {said[-1] if said else f'it ended with {done.returncode}'}")
    return set(containers.containers(topology.project)) != before


def note_composed(topology: Topology) -> None:
    """Remember the containers that compose has just made of the instance's compose project."""
    write_if_changed(Instance(topology.instance).composed, _made(topology, containers.containers(topology.project)))


def stopped_ones(topology: Topology) -> list[str] | None:
    """Return the containers that have ended, where all are as compose has made them; None where it has to be asked.

    Then each is the one remembered, on its image as it is now, and nothing disturbs those that run. The project that
    compose made them of must be the one that is written there now.
    """
    instance = Instance(topology.instance)
    states = containers.containers(topology.project)
    if not instance.composed.exists() or instance.composed.read_text() != _made(topology, states):
        return None
    status = {state.name: state.status for state in states}
    names = [topology.container(each) for each in topology.members]
    running, stopped = ([name for name in names if status.get(name) == wanted] for wanted in ("running", "exited"))
    if not len(running) + len(stopped) == len(names) == len(states):
        return None
    return None if disk.moved(topology.project) or network.disturbed(running) else stopped


def _made(topology: Topology, states: Iterable[ContainerState]) -> str:
    """Return what there is of a project: its file, its containers, and the images of that name now."""
    images = {each.image for each in topology.proxies} | {topology.image}
    return json.dumps(
        {
            "project": Instance(topology.instance).compose_file.read_text(),
            "containers": {state.name: state.id for state in sorted(states, key=lambda state: state.name)},
            "images": {name: containers.image_id(name) for name in sorted(images)},
        },
        indent=2,
    )
