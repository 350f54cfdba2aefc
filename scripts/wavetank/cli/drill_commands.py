"""The commands that let storms loose, and judge and draw what came of them."""

import json
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from wavetank.cli.options import DEFAULT_TOPOLOGY, FINDING, INTERRUPTED, AsJson, InstanceName, known_instance
from wavetank.cli.printing import progress

# Of a table in a log, in characters.
WIDE = 130


def drill(  # noqa: PLR0913, PLR0917 - what a person may say of a drill
    name: Annotated[str, typer.Argument(metavar="DRILL", help="Which storm; without one, list them.")] = "",
    seed: Annotated[int, typer.Option(envvar="SEED", help="Which random numbers.")] = 1,
    operations: Annotated[int, typer.Option(envvar="OPERATIONS", help="How many harmless ones.")] = 5000,
    strategy: Annotated[str, typer.Option(envvar="STRATEGY", help="How conflicts are resolved.")] = "latest-wins",
    via: Annotated[
        str, typer.Option(envvar="VIA", help="How clients come to the servers: direct, proxysql, routing.")
    ] = "",
    max_rto: Annotated[
        str, typer.Option(envvar="MAX_RTO", help="Fail where a client is without a write for more seconds.")
    ] = "",
    max_lost: Annotated[str, typer.Option(envvar="MAX_LOST", help="Fail where more writes are lost.")] = "",
    second: Annotated[str, typer.Option(envvar="SECOND", help="Which fault hits what mends the first one.")] = "",
    second_at: Annotated[float, typer.Option(envvar="SECOND_AT", help="When: a share of what mending takes.")] = 0.5,
    topology: Annotated[str, typer.Option(envvar="TOPOLOGY", help="Bring this one up for it, if need be.")] = "",
    instance: InstanceName = "",
    as_json: AsJson = False,
) -> None:
    """Let a storm loose on an instance, and say what came of it; without a name, list the storms."""
    from wavetank.drills.drill import Options
    from wavetank.drills.runner import drill_list, find_drill, run_drill
    from wavetank.drills.second_faults import read_second_fault
    from wavetank.drills.traffic.promises import read_thresholds
    from wavetank.servers.node import Servers

    thresholds = read_thresholds(max_rto, max_lost)
    hit = read_second_fault(second, second_at, seed)
    if not name:
        print(json.dumps(drill_list(), indent=2) if as_json else "\n".join(_drill_lines(drill_list())))
        return
    if topology:
        instance = _staged(name, topology, instance, via, as_json=as_json)
    known = known_instance(instance).topology()
    find_drill(name, known)
    options = Options(seed, operations, strategy, via, thresholds, hit)
    with Servers(known) as servers:
        report = run_drill(name, servers, options, progress(as_json=as_json))
    print(json.dumps(report.as_dict(), indent=2) if as_json else "\n".join(report.lines()))
    sys.exit(0 if report.passed else FINDING)


def judge(
    directory: Annotated[Path, typer.Argument(metavar="DIRECTORY", help="A drill's report.")],
    as_json: AsJson = False,
) -> None:
    """Compute a drill's verdict anew, from the files in its report's directory alone; 1 where it is red."""
    from wavetank.drills.judging.history import read_history
    from wavetank.drills.judging.judges import judge as decide

    judgement = decide(read_history(directory))
    print(json.dumps(judgement.as_dict(), indent=2) if as_json else "\n".join(judgement.lines()))
    sys.exit(0 if judgement.passed else FINDING)


def picture(
    directory: Annotated[Path, typer.Argument(metavar="DIRECTORY", help="A drill's report.")],
    topology: Annotated[str, typer.Option("--topology", help="Which inventory file it hit.")] = DEFAULT_TOPOLOGY,
) -> None:
    """Draw a drill from its report's directory as one SVG, on standard output: topology, steps, and the plot."""
    from wavetank.drills.reporting.picture import drill_picture, read_drill, server_names
    from wavetank.topology.inventory import drawn_topology

    drill = read_drill(directory)
    print(drill_picture(drill, drawn_topology(topology, server_names(directory))), end="")


def _staged(drill: str, topology: str, instance: str, via: str, *, as_json: bool) -> str:
    """Return the name of the drill's instance, which is brought up where it is not there."""
    from wavetank.drills.staging import absent_instance
    from wavetank.own_command import topology_up

    if absent := absent_instance(drill, topology, instance, via):
        show = sys.stderr if as_json else sys.stdout
        print(f"no instance {absent} here: bringing it up for the drill", file=show, flush=True)
        if code := topology_up(absent, show, TOPOLOGY=topology):
            sys.exit(code)
    return instance or topology


def compare(
    name: Annotated[str, typer.Argument(metavar="DRILL", help="Which storm.")] = "",
    runs: Annotated[str, typer.Option(envvar="RUNS", help="How many runs of each setting.")] = "3",
    semi_sync: Annotated[
        str, typer.Option(envvar="SEMI_SYNC", help="How many acknowledgements a commit waits for; several with commas.")
    ] = "",
    via: Annotated[str, typer.Option(envvar="VIA", help="Which ways clients come; several with commas.")] = "",
    as_json: AsJson = False,
) -> None:
    """Let one storm loose under several settings, on instances of its own, and put what came of it in one table."""
    from rich.console import Console

    from wavetank.drills.comparing import report
    from wavetank.drills.comparing.runner import run_all
    from wavetank.drills.comparing.settings import make_plan

    say = progress(as_json=as_json)
    plan = make_plan(name, runs=runs, acknowledgements=semi_sync, ways=via, plain=DEFAULT_TOPOLOGY, say=say)
    now = datetime.now(UTC)
    started, directory = now.isoformat(timespec="seconds"), report.directory_of(plan, now)
    try:
        rows = run_all(plan, directory, say)
    except KeyboardInterrupt:
        print("wavetank: interrupted; the comparison's instances are gone", file=sys.stderr)
        sys.exit(INTERRUPTED)
    page = report.write(plan, rows, started, directory)
    if as_json:
        print(json.dumps(report.as_dict(plan, rows, started) | {"directory": str(directory)}, indent=2))
    else:
        # A log has no width of its own; a table cut to 80 columns would lose its right side.
        Console(width=None if sys.stdout.isatty() else WIDE).print(report.table(plan, rows))
        print(f"report: {page}")
    sys.exit(0 if report.passed(rows) else FINDING)


def campaign(  # noqa: PLR0913, PLR0917 - what a person may say of a campaign
    storms: Annotated[str, typer.Option(envvar="STORMS", help="How many.")] = "100",
    seed: Annotated[int, typer.Option(envvar="SEED", help="What they are drawn from.")] = 1,
    storm: Annotated[str, typer.Option(envvar="STORM", help="Run this one of them again, and no other.")] = "",
    drill: Annotated[str, typer.Option(envvar="DRILL", help="Storms of this drill only.")] = "",
    jobs: Annotated[
        str, typer.Option(envvar="JOBS", help="How many side by side; figures are for one at a time.")
    ] = "1",
    as_json: AsJson = False,
) -> None:
    """Let many storms loose that are drawn from a seed, on instances of their own, and sum up what came of them."""
    from rich.console import Console

    from wavetank.drills.campaign import command, report

    try:
        done, directory = command.run(command.asked(storms, seed, storm, drill, jobs), progress(as_json=as_json))
    except KeyboardInterrupt:
        print("wavetank: interrupted; the same command goes on where this one stopped", file=sys.stderr)
        sys.exit(INTERRUPTED)
    page = report.write(done, directory)
    if as_json:
        print(json.dumps(done.as_dict() | {"directory": str(directory)}, indent=2))
    else:
        Console(width=None if sys.stdout.isatty() else WIDE).print(report.table(done))
        print("\n".join([*report.failure_lines(done), f"report: {page}"]))
    sys.exit(0 if done.passed else FINDING)


def _drill_lines(drills: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, each in drills.items():
        yield f"{name:<18} {each['storm']}"
        yield f"{'':<18} for {', '.join(each['topologies']) or 'no topology here'}"
