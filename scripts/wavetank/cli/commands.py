"""The command `wavetank`: arguments in, exit code out. What is done is decided elsewhere."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from wavetank.cli import server_commands, shard_commands
from wavetank.cli.options import (
    DEFAULT_TOPOLOGY,
    FINDING,
    INTERRUPTED,
    USAGE,
    AsJson,
    DryRun,
    InstanceName,
    known_instance,
)
from wavetank.errors import UnreachableError, UsageError
from wavetank.topology.instance import (
    HOME,
    INVENTORIES,
    Instance,
    find_instance,
    instance_names,
    topology_names,
    topology_summary,
)

if TYPE_CHECKING:
    from wavetank.change.change_plan import Plan
    from wavetank.change.role_transition import Change

# Of a table in a log, in characters.
WIDE = 130

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Real MySQL topologies: brought up, proven, and broken on purpose.",
)

app.add_typer(shard_commands.app, name="shard")


def main() -> NoReturn:
    """Run the command; refusals become one line on standard error."""
    # Whoever ends it otherwise than by Ctrl-C wants the same taken back. Who ignores a signal, as nohup does, goes on.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ending) == signal.SIG_DFL:
            signal.signal(ending, signal.default_int_handler)
    try:
        app()
    except UsageError as refusal:
        _refuse(str(refusal))
    except UnreachableError as error:
        _refuse(f"{error} (make status shows the instance, make topology-up mends it)")
    sys.exit(0)


def _check_names() -> list[str]:
    """Return the names that the shell completes."""
    from wavetank.checks.asking import check_names

    return check_names()


def _refuse(reason: str) -> NoReturn:
    print(f"wavetank: {reason}", file=sys.stderr)
    sys.exit(USAGE)


def _playbook(name: str, inventory: Path, instance: str, *arguments: str) -> NoReturn:
    """Run a playbook and exit as it went: 1 where verification has findings, 2 where it was refused."""
    report = Instance(instance).report
    report.unlink(missing_ok=True)
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")),
        "-i",
        str(inventory),
        f"playbooks/{name}.yml",
    ]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(HOME / "ansible.cfg"), "INSTANCE": instance}
    try:
        code = subprocess.run([*command, *arguments], cwd=HOME, env=environment, check=False).returncode
    except KeyboardInterrupt:
        print("wavetank: interrupted; the same command goes on where this one stopped", file=sys.stderr)
        sys.exit(INTERRUPTED)
    if code == 0:
        sys.exit(0)
    sys.exit(FINDING if report.exists() and not json.loads(report.read_text())["green"] else USAGE)


@app.command()
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


@app.command()
def down(instance: InstanceName = "") -> None:
    """Remove an instance: its containers, volumes, network and files, and nothing else."""
    known = known_instance(instance)
    inventory = INVENTORIES / f"{known.topology().name}.yml"
    if not inventory.exists():  # an instance outlives the file that it was made from
        inventory = INVENTORIES / f"{DEFAULT_TOPOLOGY}.yml"
    _playbook("topology_down", inventory, known.name)


@app.command()
def prepare() -> None:
    """Have engine and images, without an instance."""
    _playbook("prepare", INVENTORIES / f"{DEFAULT_TOPOLOGY}.yml", DEFAULT_TOPOLOGY)


@app.command()
def verify(instance: InstanceName = "") -> None:
    """Verify a running instance with pytest-testinfra: its containers, its files, and every check."""
    known = known_instance(instance)
    program = Path(sys.executable).with_name("pytest")
    os.chdir(HOME)
    os.execv(  # noqa: S606 - pytest takes our place
        program, [str(program), "tests/live", f"--instance={known.name}"]
    )


@app.command()
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


@app.command()
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


@app.command()
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
        _refuse(f"would be refused: {plan.refused}")
    sys.exit(0)


@app.command()
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


@app.command()
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


@app.command()
def load(
    rows: Annotated[int, typer.Argument(metavar="ROWS", help="How many orders the shop shall hold.")],
    seed: Annotated[int, typer.Option("--seed", help="Which rows: the same seed gives the same ones.")] = 1,
    instance: InstanceName = "",
    as_json: AsJson = False,
) -> None:
    """Fill the sample shop: ROWS orders on every source; again or more adds what is missing."""
    from wavetank.sample.loading import load as load_rows
    from wavetank.sample.shop import progress_bar
    from wavetank.servers.node import Servers

    with Servers(known_instance(instance).topology()) as servers, progress_bar() as bar:
        loaded = load_rows(servers, rows, seed, bar)
    print(json.dumps(loaded.as_dict(), indent=2) if as_json else "\n".join(loaded.lines()))


@app.command()
def reshard(
    to: Annotated[int, typer.Option("--to", envvar="TO", help="How many shards the customers are divided among.")] = 0,
    without_replica: Annotated[
        bool,
        typer.Option("--without-replica", envvar="WITHOUT_REPLICA", help="Also where a shard has no replica."),
    ] = False,
    instance: InstanceName = "",
    as_json: AsJson = False,
) -> None:
    """Divide the customers among more or fewer shards while clients write; again goes on where it stopped."""
    from wavetank.servers.node import Servers
    from wavetank.sharding.reshard.cutover import DiffersError
    from wavetank.sharding.reshard.growing import with_servers_for
    from wavetank.sharding.reshard.run import reshard as move
    from wavetank.sharding.reshard.ungated import ungated
    from wavetank.sharding.reshard.view import watched

    topology = with_servers_for(known_instance(instance), to, quiet=as_json)
    try:
        with Servers(topology) as servers, watched(silent=as_json) as watch:
            for line in ungated(servers):
                print(f"wavetank: {line}", file=sys.stderr)
            done = move(servers, to, watch, without_replica=without_replica)
    except DiffersError as finding:
        print(f"wavetank: {finding}", file=sys.stderr)
        sys.exit(FINDING)
    print(json.dumps(done.as_dict(), indent=2) if as_json else "\n".join(done.lines()))


@app.command("reshard-abort")
def reshard_abort(instance: InstanceName = "", as_json: AsJson = False) -> None:
    """Take back a resharding that has not been cut over: the copies are deleted, the old map stays."""
    from wavetank.servers.node import Servers
    from wavetank.sharding.reshard.run import abort

    with Servers(known_instance(instance).topology()) as servers:
        done = abort(servers)
    print(json.dumps(done.as_dict(), indent=2) if as_json else "\n".join(done.lines()))


@app.command()
def conflicts(instance: InstanceName = "", as_json: AsJson = False) -> None:
    """Find and record what sources did to the same rows without knowing of each other; 1 where any is open."""
    from wavetank.conflicts.report import conflict_lines
    from wavetank.conflicts.resolve import look
    from wavetank.servers.node import Servers

    with Servers(known_instance(instance).topology()) as servers:
        still_open = look(servers)
    if as_json:
        print(json.dumps([conflict.as_dict() for conflict in still_open], indent=2))
    else:
        print("\n".join(conflict_lines(servers, still_open)))
    sys.exit(FINDING if still_open else 0)


@app.command()
def resolve(
    strategy: Annotated[str, typer.Option(envvar="STRATEGY", help="latest-wins, source-wins=<node> or manual.")] = "",
    instance: InstanceName = "",
    as_json: AsJson = False,
) -> None:
    """Let one version of each row in conflict win, on every server; 1 where anything is left to do."""
    from wavetank.conflicts.report import manual_lines, resolution_lines
    from wavetank.conflicts.resolve import MANUAL, look, read_strategy
    from wavetank.conflicts.resolve import resolve as decide
    from wavetank.servers.node import Servers

    with Servers(known_instance(instance).topology()) as servers:
        chosen = read_strategy(strategy, servers.topology)
        if chosen.name == MANUAL:
            still_open = look(servers)
            plain = [conflict.as_dict() for conflict in still_open]
            print(json.dumps(plain, indent=2) if as_json else "\n".join(manual_lines(servers, still_open)))
            sys.exit(FINDING if still_open else 0)
        done = decide(servers, chosen, _progress(as_json=as_json))
    print(json.dumps(done.as_dict(), indent=2) if as_json else "\n".join(resolution_lines(done)))
    sys.exit(0 if done.complete else FINDING)


@app.command()
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
        report = run_drill(name, servers, options, _progress(as_json=as_json))
    print(json.dumps(report.as_dict(), indent=2) if as_json else "\n".join(report.lines()))
    sys.exit(0 if report.passed else FINDING)


@app.command()
def judge(
    directory: Annotated[Path, typer.Argument(metavar="DIRECTORY", help="A drill's report.")],
    as_json: AsJson = False,
) -> None:
    """Compute a drill's verdict anew, from the files in its report's directory alone; 1 where it is red."""
    from wavetank.drills.judging.judges import judge as decide
    from wavetank.drills.judging.kept import read_kept

    judgement = decide(read_kept(directory))
    print(json.dumps(judgement.as_dict(), indent=2) if as_json else "\n".join(judgement.lines()))
    sys.exit(0 if judgement.passed else FINDING)


@app.command()
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

    if absent := absent_instance(drill, topology, instance, via):
        show = sys.stderr if as_json else sys.stdout
        print(f"no instance {absent} here: bringing it up for the drill", file=show, flush=True)
        environment = {**os.environ, "TOPOLOGY": topology, "INSTANCE": absent}
        code = subprocess.run(
            [str(Path(sys.executable).with_name("wavetank")), "up"],
            cwd=HOME, env=environment, stdout=show, check=False,
        ).returncode  # fmt: skip
        if code:
            sys.exit(code)
    return instance or topology


@app.command()
def compare(
    name: Annotated[str, typer.Argument(metavar="DRILL", help="Which storm.")] = "",
    runs: Annotated[str, typer.Option(envvar="RUNS", help="How many runs of each setting.")] = "3",
    semi_sync: Annotated[
        str, typer.Option(envvar="SEMI_SYNC", help="How many receipts a commit waits for; several with commas.")
    ] = "",
    via: Annotated[str, typer.Option(envvar="VIA", help="Which ways clients come; several with commas.")] = "",
    as_json: AsJson = False,
) -> None:
    """Let one storm loose under several settings, on instances of its own, and put what came of it in one table."""
    from rich.console import Console

    from wavetank.drills.comparing import report
    from wavetank.drills.comparing.runner import run_all
    from wavetank.drills.comparing.settings import make_plan

    say = _progress(as_json=as_json)
    plan = make_plan(name, runs=runs, receipts=semi_sync, ways=via, plain=DEFAULT_TOPOLOGY, say=say)
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


@app.command()
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
        done, directory = command.run(command.asked(storms, seed, storm, drill, jobs), _progress(as_json=as_json))
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


def _progress(*, as_json: bool) -> Callable[[str], None]:
    """Return what prints a step as it is taken: for people only, and at once, also into a log."""
    return (lambda _: None) if as_json else (lambda step: print(f"  {step}", flush=True))


@app.command("list")
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


app.command()(server_commands.sql)
app.command()(server_commands.logs)
