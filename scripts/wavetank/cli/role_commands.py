"""The commands that move roles: which server replicates from whom, and who is the source."""

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from wavetank.cli.options import AsJson, DryRun, InstanceName, known_instance
from wavetank.cli.printing import refuse

if TYPE_CHECKING:
    from wavetank.change.change_plan import Plan
    from wavetank.change.role_transition import Change


def repoint(
    node: Annotated[str, typer.Argument(envvar="NODE", help="Which replica; several with commas.")] = "",
    to: Annotated[str, typer.Option("--to", envvar="TO", help="Its new source.")] = "",
    instance: InstanceName = "",
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Let a replica replicate from another server, by GTID auto-position; its old source may be dead."""
    from wavetank.change.repoint import plan_repoint, read_names
    from wavetank.change.repoint import repoint as move
    from wavetank.servers.node import Servers

    names, target = read_names(node, to)
    with Servers(known_instance(instance).topology()) as servers:
        if dry_run:
            _print_plan(plan_repoint(servers, names, target), as_json=as_json)
        moved = move(servers, names, target)
    print(json.dumps([asdict(each) for each in moved], indent=2) if as_json else "\n".join(each.line for each in moved))


def _print_change(change: "Change", *, as_json: bool) -> None:
    print(json.dumps(asdict(change), indent=2) if as_json else "\n".join(change.lines))


def _print_plan(plan: "Plan", *, as_json: bool) -> NoReturn:
    """Print what would be done and exit as doing it would: 2 where it would be refused."""
    print(json.dumps(plan.as_dict(), indent=2) if as_json else "\n".join(plan.lines()))
    if plan.refused:
        refuse(f"would be refused: {plan.refused}")
    sys.exit(0)


def switchover(
    to: Annotated[str, typer.Option("--to", envvar="TO", help="The replica that becomes the source.")] = "",
    instance: InstanceName = "",
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Let a replica take its source's place, in order and with nothing lost."""
    from wavetank.change.switchover import plan_switchover, switch_over
    from wavetank.servers.node import Servers

    with Servers(known_instance(instance).topology()) as servers:
        if dry_run:
            _print_plan(plan_switchover(servers, to), as_json=as_json)
        _print_change(switch_over(servers, to), as_json=as_json)


def failover(
    instance: InstanceName = "",
    as_json: AsJson = False,
    force: Annotated[
        bool,
        typer.Option("--force", envvar="FORCE", help="Even if it answers, so soon after another one, or with losses."),
    ] = False,
    node: Annotated[str, typer.Option("--node", envvar="NODE", help="Which source, where several do not answer.")] = "",
    dry_run: DryRun = False,
) -> None:
    """Replace a source that is gone by a replica that has, or can get, everything."""
    from wavetank.change.failover.dry_run import plan_failover
    from wavetank.change.failover.run import fail_over
    from wavetank.servers.node import Servers

    with Servers(known_instance(instance).topology()) as servers:
        if dry_run:
            _print_plan(plan_failover(servers, node, force=force), as_json=as_json)
        _print_change(fail_over(servers, node, force=force), as_json=as_json)
