"""The command that puts client libraries under faults."""

import json
import sys
from typing import Annotated

import typer

from wavetank.cli.options import FINDING, INTERRUPTED, AsJson, InstanceName, known_instance
from wavetank.cli.printing import progress


def clients(  # noqa: PLR0913, PLR0917 - what a person may say of a matrix
    subjects: Annotated[
        str, typer.Option(envvar=["SUBJECTS", "SUBJECT"], help="Which clients, with commas; a path is one of your own.")
    ] = "",
    faults: Annotated[str, typer.Option(envvar=["FAULTS", "FAULT"], help="Which faults, with commas.")] = "",
    runs: Annotated[str, typer.Option(envvar="RUNS", help="How often each cell.")] = "1",
    hardened: Annotated[str, typer.Option(envvar="HARDENED", help="0: defaults only, 1: hardened only.")] = "",
    publish: Annotated[
        bool, typer.Option("--publish", envvar="PUBLISH", help="Write the pages of docs/clients, too.")
    ] = False,
    what: Annotated[bool, typer.Option("--list", help="List clients and faults.")] = False,
    instance: InstanceName = "",
    as_json: AsJson = False,
) -> None:
    """Put client libraries through faults, and show what each of them did; one client and one fault step by step.

    It exits with 1 where something is red although the client is hardened.
    """
    from rich.console import Console

    from wavetank.client_faults.matrix import command, pages, report
    from wavetank.client_faults.matrix.plan import make_plan
    from wavetank.client_faults.matrix.timeline import explained
    from wavetank.topology.instance import HOME

    plan = make_plan(subjects, faults, runs or "1", hardened)
    if what:
        print("\n".join([f"{each.key:<22} {each.kind:<7} {each.name}" for each in plan.subjects]))
        print("\n".join(["", *(f"{each.name:<22} {each.what}" for each in plan.faults)]))
        return
    said = command.command_line(SUBJECTS=subjects, FAULTS=faults, RUNS=runs, HARDENED=hardened, INSTANCE=instance)
    name = known_instance(instance).name if instance else ""
    measured = command.measure(plan, name, said, progress(as_json=as_json))
    results = measured.results
    if publish and measured.whole:
        pages.publish(report.as_dict(plan, results, measured.about), HOME / "docs" / "clients")
    if as_json:
        print(json.dumps(report.as_dict(plan, results, measured.about), indent=2, default=str))
    elif len(plan.subjects) == len(plan.faults) == 1:
        print("\n".join(explained(results)))
    else:
        Console(width=None if sys.stdout.isatty() else 200).print(report.table(plan, results))
        print("\n".join(report.legend(plan, results)))
    print(f"report: {measured.page}", file=sys.stderr if as_json else sys.stdout)
    if not measured.whole:
        print("wavetank: interrupted; the report has what was measured until then", file=sys.stderr)
        sys.exit(INTERRUPTED)
    sys.exit(FINDING if results.red_though_hardened else 0)
