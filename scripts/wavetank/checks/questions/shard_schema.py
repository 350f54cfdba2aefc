"""Has every shard the same tables, views and routines?"""

from collections import Counter
from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding
from wavetank.servers.node import Servers
from wavetank.sharding.schema import definitions, make_missing, shard_statements, sharding_statements
from wavetank.sharding.side_by_side import on_each
from wavetank.topology.model import Node, Topology

QUESTION = "Has every shard the same tables, views and routines?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask once, for all shards together: which one differs, only the others can tell."""
    return (shard.source for shard in topology.shards[:1])


def examine(node: Node, servers: Servers) -> Iterator[Finding]:
    """Compare each definition with that which most shards have; what all should have and one lacks is named first."""
    shards = servers.topology.shards
    lacking: dict[str, list[str]] = {}
    for shard in shards:
        name = shard.source.name
        statements = [*sharding_statements(catalogue=name == node.name), *shard_statements(shard)]
        lacking[name] = make_missing(servers[name], statements, dry_run=True)
        for missing in lacking[name]:
            yield Finding(name, missing, "no such thing", "make topology-up makes it, without rows")
    found = on_each(servers, shards, lambda shard, server: definitions(server, shard.schema))
    for what in sorted({what for each in found.values() for what in each}):
        usual, _ = Counter(each.get(what) for each in found.values()).most_common(1)[0]
        for shard in shards:
            name, theirs = shard.source.name, found[shard.number].get(what)
            if theirs != usual and f"{shard.schema}.{what.split()[1]}" not in lacking[name]:
                other = next(each for each in shards if found[each.number].get(what) == usual)
                expected = f"{what} as on {other.source.name}" if usual else f"no {what}, as on {other.source.name}"
                yield Finding(name, expected, _difference(usual, theirs), f"change it on {name} by hand")


def _difference(usual: str | None, theirs: str | None) -> str:
    """Return the first line that is not as usual."""
    if usual is None or theirs is None:
        return "it" if theirs else "nothing"
    ours = set(usual.splitlines())
    lines = [line.strip() for line in theirs.splitlines() if line not in ours]
    return lines[0] if lines else "less than there"
