"""Whether an instance's containers still are what the last topology-up has made: then compose need not be asked."""

import json
from collections.abc import Iterable

from wavetank.files import write_if_changed
from wavetank.machine import containers, disk, network
from wavetank.machine.containers import ContainerState
from wavetank.topology.instance import Instance
from wavetank.topology.model import Topology


def note_composed(topology: Topology) -> None:
    """Remember the containers that compose has just made of the instance's compose project."""
    write_if_changed(Instance(topology.instance).composed, _made(topology, containers.containers(topology.project)))


def is_as_composed(topology: Topology) -> bool:
    """Return whether each container is the one remembered, runs on its image as it is now, and is not disturbed.

    The project that compose made them of must be the one that is written there now.
    """
    instance = Instance(topology.instance)
    states = containers.containers(topology.project)
    if not instance.composed.exists() or instance.composed.read_text() != _made(topology, states):
        return False
    names = [topology.container(each) for each in topology.members]
    running = {state.name for state in states if state.status == "running"}
    return running == set(names) and not disk.moved(topology.project) and not network.disturbed(names)


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
