"""What the commands of several modules share: options, exit codes, and which instance is meant."""

from typing import Annotated

import typer

from wavetank.topology.instance import Instance, find_instance, instance_names

DEFAULT_TOPOLOGY = "master-slave"
FINDING, USAGE, INTERRUPTED = 1, 2, 130


def member_names() -> list[str]:
    """Return the names that the shell completes: of all servers and proxies of all instances."""
    topologies = [Instance(name).topology() for name in instance_names()]
    return sorted({member.name for topology in topologies for member in topology.members})


InstanceName = Annotated[
    str,
    typer.Option(
        "--instance",
        envvar="INSTANCE",
        help="Which running copy of a topology; without it the only one there is, or master-slave.",
        autocompletion=instance_names,
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", envvar="DRY_RUN", help="Say what would be done, or why not; change nothing.")
]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]


def known_instance(name: str) -> Instance:
    """Return an instance that exists; where only one does, an empty name means that one.

    Raises:
        UsageError: there is none of that name.
    """
    there = instance_names()
    instance = find_instance(name or (there[0] if len(there) == 1 else DEFAULT_TOPOLOGY))
    instance.topology()
    return instance
