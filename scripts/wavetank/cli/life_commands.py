"""The commands that bring a topology up and take it down: each is a playbook."""

import gc
import json
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from wavetank.cli.options import DEFAULT_TOPOLOGY, FINDING, INTERRUPTED, USAGE, InstanceName, known_instance
from wavetank.topology.instance import HOME, INVENTORIES, Instance, find_instance

# The exit code of Ansible's commands after Ctrl-C.
_ANSIBLE_INTERRUPTED = 99


def _playbook(name: str, inventory: Path, instance: str, *arguments: str) -> NoReturn:
    """Run a playbook and exit as it went: 1 where verification has findings, 2 where it was refused."""
    report = Instance(instance).report
    report.unlink(missing_ok=True)
    os.chdir(HOME)
    os.environ.update(ANSIBLE_CONFIG=str(HOME / "ansible.cfg"), INSTANCE=instance)
    # In this process: another Python would take a fifth of a second of a topology-up that changes nothing, and looking
    # for cycles of objects a tenth, in a run that ends soon. Ansible reads its settings when it is imported.
    gc.disable()
    from ansible.cli.playbook import main

    try:
        main(["ansible-playbook", "-i", str(inventory), f"playbooks/{name}.yml", *arguments])
        code: object = 0
    except SystemExit as end:
        code = end.code
    if code == _ANSIBLE_INTERRUPTED:
        print("wavetank: interrupted; the same command goes on where this one stopped", file=sys.stderr)
        sys.exit(INTERRUPTED)
    if code == 0:
        sys.exit(0)
    sys.exit(FINDING if report.exists() and not json.loads(report.read_text())["green"] else USAGE)


def up(
    topology: Annotated[str, typer.Option(envvar="TOPOLOGY", help="Which inventory file.")] = "",
    instance: InstanceName = "",
    check: Annotated[bool, typer.Option("--check", help="Say what would change; change nothing.")] = False,
) -> None:
    """Bring a topology up, or mend a running one, and prove it."""
    from wavetank.topology.inventory import readable_inventory

    running = find_instance(instance) if instance else None
    remembered = running.topology().name if running and running.exists else ""
    name = topology or remembered or DEFAULT_TOPOLOGY
    inventory = readable_inventory(name)
    _playbook("topology_up", inventory, instance or name, *(["--check"] if check else []))


def down(instance: InstanceName = "") -> None:
    """Remove an instance: its containers, volumes, network and files, and nothing else."""
    known = known_instance(instance)
    inventory = INVENTORIES / f"{known.topology().name}.yml"
    if not inventory.exists():  # an instance outlives the file that it was made from
        inventory = INVENTORIES / f"{DEFAULT_TOPOLOGY}.yml"
    _playbook("topology_down", inventory, known.name)


def prepare() -> None:
    """Install the engine and the images, without an instance."""
    _playbook("prepare", INVENTORIES / f"{DEFAULT_TOPOLOGY}.yml", DEFAULT_TOPOLOGY)
