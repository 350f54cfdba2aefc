"""The commands that make rows, move them among shards, and settle what sources did to the same ones."""

import json
import sys
from typing import Annotated

import typer

from wavetank.cli.options import FINDING, AsJson, InstanceName, known_instance
from wavetank.cli.printing import progress


def load(
    rows: Annotated[int, typer.Argument(metavar="ROWS", help="How many orders the shop shall hold.")],
    seed: Annotated[int, typer.Option("--seed", help="Which rows: the same seed gives the same ones.")] = 1,
    instance: InstanceName = "",
    as_json: AsJson = False,
) -> None:
    """Fill the sample shop: ROWS orders on every source; again or more adds what is missing."""
    from wavetank.sample.loading import load as load_rows
    from wavetank.sample.progress import progress_bar
    from wavetank.servers.node import Servers

    with Servers(known_instance(instance).topology()) as servers, progress_bar() as bar:
        loaded = load_rows(servers, rows, seed, bar)
    print(json.dumps(loaded.as_dict(), indent=2) if as_json else "\n".join(loaded.lines()))


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
    from wavetank.sharding.reshard.view import observed

    topology = with_servers_for(known_instance(instance), to, quiet=as_json)
    try:
        with Servers(topology) as servers, observed(silent=as_json) as observer:
            for line in ungated(servers):
                print(f"wavetank: {line}", file=sys.stderr)
            done = move(servers, to, observer, without_replica=without_replica)
    except DiffersError as finding:
        print(f"wavetank: {finding}", file=sys.stderr)
        sys.exit(FINDING)
    print(json.dumps(done.as_dict(), indent=2) if as_json else "\n".join(done.lines()))


def reshard_abort(instance: InstanceName = "", as_json: AsJson = False) -> None:
    """Take back a resharding that has not been cut over: the copies are deleted, the old map stays."""
    from wavetank.servers.node import Servers
    from wavetank.sharding.reshard.run import abort

    with Servers(known_instance(instance).topology()) as servers:
        done = abort(servers)
    print(json.dumps(done.as_dict(), indent=2) if as_json else "\n".join(done.lines()))


def conflicts(instance: InstanceName = "", as_json: AsJson = False) -> None:
    """Find and record what sources did to the same rows without knowing of each other; 1 where any is open."""
    from wavetank.conflicts.report import conflict_lines
    from wavetank.conflicts.resolve import find_open_conflicts
    from wavetank.servers.node import Servers

    with Servers(known_instance(instance).topology()) as servers:
        still_open = find_open_conflicts(servers)
    if as_json:
        print(json.dumps([conflict.as_dict() for conflict in still_open], indent=2))
    else:
        print("\n".join(conflict_lines(servers, still_open)))
    sys.exit(FINDING if still_open else 0)


def resolve(
    strategy: Annotated[str, typer.Option(envvar="STRATEGY", help="latest-wins, source-wins=<node> or manual.")] = "",
    instance: InstanceName = "",
    as_json: AsJson = False,
) -> None:
    """Let one version of each row in conflict win, on every server; 1 where anything is left to do."""
    from wavetank.conflicts.report import manual_lines, resolution_lines
    from wavetank.conflicts.resolve import MANUAL, find_open_conflicts, read_strategy
    from wavetank.conflicts.resolve import resolve as decide
    from wavetank.servers.node import Servers

    with Servers(known_instance(instance).topology()) as servers:
        chosen = read_strategy(strategy, servers.topology)
        if chosen.name == MANUAL:
            still_open = find_open_conflicts(servers)
            plain = [conflict.as_dict() for conflict in still_open]
            print(json.dumps(plain, indent=2) if as_json else "\n".join(manual_lines(servers, still_open)))
            sys.exit(FINDING if still_open else 0)
        done = decide(servers, chosen, progress(as_json=as_json))
    print(json.dumps(done.as_dict(), indent=2) if as_json else "\n".join(resolution_lines(done)))
    sys.exit(0 if done.complete else FINDING)
