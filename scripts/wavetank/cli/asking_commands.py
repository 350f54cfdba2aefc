"""The commands that ask: what there is, what runs, and whether it is as it should be."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from wavetank.cli.options import FINDING, AsJson, InstanceName, known_instance
from wavetank.topology.instance import HOME, Instance, instance_names, topology_names, topology_summary


def _check_names() -> list[str]:
    """Return the names that the shell completes."""
    from wavetank.checks.asking import check_names

    return check_names()


def verify(instance: InstanceName = "") -> None:
    """Verify a running instance with pytest-testinfra: its containers, its files, and every check."""
    known = known_instance(instance)
    program = Path(sys.executable).with_name("pytest")
    os.chdir(HOME)
    os.execv(  # noqa: S606 - pytest takes our place
        program, [str(program), "tests/live", f"--instance={known.name}"]
    )


def check(
    name: Annotated[str, typer.Argument(metavar="CHECK", help="Ask this one only.", autocompletion=_check_names)] = "",
    instance: InstanceName = "",
    as_json: AsJson = False,
) -> None:
    """Ask every check of a running instance, or only the one that is named."""
    from wavetank.checks.asking import ask_all, chosen
    from wavetank.cli.check_report import print_report
    from wavetank.servers.node import Servers

    topology = known_instance(instance).topology()
    names = chosen(name, topology)
    with Servers(topology) as servers:
        report = ask_all(servers, names)
    if as_json:
        print(json.dumps(report.as_dict(), indent=2))
    else:
        print_report(report)
    sys.exit(0 if report.green else FINDING)


def status(
    instance: InstanceName = "",
    as_json: AsJson = False,
    watch: Annotated[bool, typer.Option("--watch", help="Draw again every second, until Ctrl-C.")] = False,
) -> None:
    """Draw who replicates from whom as the servers report it, and how to connect; 1 where anything deviates."""
    from wavetank.status.collecting import collect
    from wavetank.status.view import print_status, watch_status

    known = known_instance(instance)
    if watch:
        watch_status(lambda: collect(known.topology()), as_json=as_json)
        return
    seen = collect(known.topology())
    if as_json:
        print(json.dumps(seen.as_dict(), indent=2))
    else:
        print_status(seen)
    sys.exit(0 if seen.as_declared else FINDING)


def list_(as_json: AsJson = False) -> None:
    """List the topologies that can be brought up and the instances that have been."""
    topologies = {name: topology_summary(name) for name in topology_names()}
    instances = {name: Instance(name).topology().name for name in instance_names()}
    if as_json:
        print(json.dumps({"topologies": topologies, "instances": instances}, indent=2))
        return
    for name, summary in topologies.items():
        print(f"{name:<16} {summary}")
    for name, of in instances.items():
        print(f"instance {name} ({of})")
