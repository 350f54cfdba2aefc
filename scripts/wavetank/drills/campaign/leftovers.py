"""What a taken-down instance must not leave on this machine, and what a killed campaign has left running."""

import contextlib
from pathlib import Path

import psutil

from wavetank.machine import containers
from wavetank.own_command import program
from wavetank.topology.instance import Instance
from wavetank.topology.model import project_of

# How long a process may take to end before it is killed, in seconds.
END_S = 30


def left_behind(name: str) -> list[str]:
    """Return what is left on this machine of an instance that has been taken down, a phrase each."""
    project = project_of(name)
    kinds = {
        "container": [state.name for state in containers.containers(project)],
        "volume": list(containers.volumes(project)),
        "network": containers.networks(project),
        "directory": [str(Instance(name).directory)] if Instance(name).directory.exists() else [],
        "mount": [part.mountpoint for part in psutil.disk_partitions(all=True) if project in part.mountpoint],
        "process": [f"{process.pid}" for process in _processes(name)],
    }
    return [f"{kind} {each}" for kind, found in kinds.items() for each in found]


def end_orphans(prefix: str) -> None:
    """End the commands that a killed campaign has left running on its instances: they would bring them up again."""
    orphans = _processes(prefix)
    for process in orphans:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(orphans, timeout=END_S)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _processes(prefix: str) -> list[psutil.Process]:
    """Return the commands of this clone that run on instances whose names begin so."""
    ours = str(Path(program()).parent)
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            line = process.cmdline()
            if process.environ().get("INSTANCE", "").startswith(prefix) and any(ours in part for part in line[:2]):
                found.append(process)
    return found
