"""The commands `wavetank shard …`: arguments in, exit code out. What is done is decided elsewhere."""

import json
import sys
from typing import Annotated

import typer

from wavetank.cli.options import FINDING, AsJson, InstanceName, known_instance

app = typer.Typer(no_args_is_help=True, help="Where rows lie that are spread over shards.")


@app.command()
def locate(
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="The customer's id.")],
    instance: InstanceName = "",
    as_json: AsJson = False,
) -> None:
    """Say on which shard a customer belongs, and whether it is there; 1 where it is not."""
    from wavetank.servers.node import Servers
    from wavetank.sharding.locating import locate as find

    with Servers(known_instance(instance).topology()) as servers:
        found = find(servers, customer)
    print(json.dumps(found.as_dict(), indent=2) if as_json else "\n".join(found.lines()))
    sys.exit(0 if found.on_its_shard else FINDING)


@app.command("map")
def map_(instance: InstanceName = "", as_json: AsJson = False) -> None:
    """Show the shard map: its version, what each shard has of the keys, and what it holds."""
    from wavetank.servers.node import Servers
    from wavetank.sharding.map_report import describe

    with Servers(known_instance(instance).topology()) as servers:
        report = describe(servers)
    print(json.dumps(report.as_dict(), indent=2) if as_json else "\n".join(report.lines()))


@app.command()
def rehome(
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="The customer's id.")],
    instance: InstanceName = "",
    as_json: AsJson = False,
) -> None:
    """Bring a customer that lies on a wrong shard, and its orders, to where it belongs."""
    from wavetank.servers.node import Servers
    from wavetank.sharding.rehoming import rehome as bring

    with Servers(known_instance(instance).topology()) as servers:
        done = bring(servers, customer)
    print(json.dumps(done.as_dict(), indent=2) if as_json else "\n".join(done.lines()))


@app.command()
def recover(
    older_than: Annotated[
        float, typer.Option("--older-than", help="Leave transactions alone that are younger, in seconds.")
    ] = 30.0,
    instance: InstanceName = "",
    as_json: AsJson = False,
) -> None:
    """End transactions across shards whose client is gone; 1 where any stays in doubt."""
    from wavetank.servers.node import Servers
    from wavetank.sharding.recovery import recover as end

    with Servers(known_instance(instance).topology()) as servers:
        recovery = end(servers, older_than)
    print(json.dumps(recovery.as_dict(), indent=2) if as_json else "\n".join(recovery.lines()))
    sys.exit(0 if recovery.complete else FINDING)


@app.command()
def query(
    statement: Annotated[str, typer.Argument(envvar="SQL", help="A SELECT over the tables of the shop.")],
    instance: InstanceName = "",
    as_json: AsJson = False,
    explain: Annotated[bool, typer.Option("--explain", help="Say what would be sent where, and how merged.")] = False,
    sources: Annotated[bool, typer.Option("--sources", help="Ask the sources and no replicas.")] = False,
) -> None:
    """Ask all shards a question and merge what they say, exactly; what cannot be is refused."""
    from wavetank.servers.node import Servers
    from wavetank.sharding.query.printing import notes, text_lines, write_json
    from wavetank.sharding.query.scatter_gather import gatherer_of

    with Servers(known_instance(instance).topology()) as servers, gatherer_of(servers, sources=sources) as gatherer:
        if explain:
            plan = gatherer.explain(statement)
            print(json.dumps(plan.as_dict(), indent=2) if as_json else "\n".join(plan.lines()))
            return
        with gatherer.ask(statement) as answer:
            if as_json:
                write_json(answer, sys.stdout.write)
                return
            for line in text_lines(answer):
                print(line)
            print("\n".join(notes(answer)), file=sys.stderr)


@app.command()
def analytics(
    first: Annotated[
        str, typer.Option("--from", envvar="FROM", metavar="DAY", help="The first day, such as 2024-01-01.")
    ],
    last: Annotated[str, typer.Option("--to", envvar="TO", metavar="DAY", help="The last day, which is included.")],
    instance: InstanceName = "",
    as_json: AsJson = False,
) -> None:
    """Show orders, revenue and the average order between two days, of each shard and of all together."""
    from wavetank.servers.node import Servers
    from wavetank.sharding.query.analytics import cross_shard_analytics, read_day
    from wavetank.sharding.query.scatter_gather import gatherer_of

    days = read_day("--from", first), read_day("--to", last)
    with Servers(known_instance(instance).topology()) as servers, gatherer_of(servers) as gatherer:
        found = cross_shard_analytics(gatherer, *days)
    print(json.dumps(found.as_dict(), indent=2) if as_json else "\n".join(found.lines()))
