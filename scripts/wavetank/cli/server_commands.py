"""The commands that open one server of an instance for a person: its client, and its log."""

import os
import sys
from typing import Annotated, NoReturn

import typer

from wavetank.cli.options import InstanceName, known_instance, member_names
from wavetank.errors import UsageError
from wavetank.topology.model import Member, Topology

# Of a log, before what is new: in lines.
EARLIER_LINES = 100

Server = Annotated[
    str, typer.Argument(metavar="NODE", envvar="NODE", help="Which server.", autocompletion=member_names)
]


def sql(node: Server = "", instance: InstanceName = "") -> None:
    """Open a mysql client on a server, as root through the socket in its container; statements may come from a pipe."""
    topology = known_instance(instance).topology()
    server = _chosen(node, topology, topology.nodes)
    _need_container(topology.container(server), running=True)
    # Through the socket root needs no password, so none can be seen anywhere. A pipe has no terminal to lend.
    terminal = ["--tty"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    _become("docker", "exec", "--interactive", *terminal, topology.container(server), "mysql")


def logs(node: Server = "", instance: InstanceName = "") -> None:
    """Follow what a server or proxy logs, from its last 100 lines on, until Ctrl-C."""
    topology = known_instance(instance).topology()
    container = topology.container(_chosen(node, topology, topology.members))
    _need_container(container, running=False)
    _become("docker", "logs", "--follow", "--tail", str(EARLIER_LINES), container)


def _chosen(name: str, topology: Topology, members: tuple[Member, ...]) -> Member:
    """Return which of these is called so.

    Raises:
        UsageError: none is; the message lists those that there are.
    """
    found = next((member for member in members if member.name == name), None)
    if found is None:
        there = ", ".join(member.name for member in members)
        given = f"{topology.instance} has no {name!r} to ask" if name else "name one with NODE="
        raise UsageError(f"{given}; there are: {there}")
    return found


def _need_container(name: str, *, running: bool) -> None:
    """Refuse in one line what the docker program would refuse in its own words."""
    from wavetank.machine import containers
    from wavetank.provision.engine import advice, look_at_engine

    if not containers.engine_answers():
        raise UsageError(advice(look_at_engine()))
    status = next((each.status for each in containers.containers() if each.name == name), "absent")
    if status == "absent" or (running and status != "running"):
        raise UsageError(f"the container {name} is {status}: make topology-up mends that")


def _become(*command: str) -> NoReturn:
    """Let a program take our place: its terminal, its signals and its exit code are the caller's."""
    os.execvp(command[0], command)  # noqa: S606 - an argument list, without a shell
