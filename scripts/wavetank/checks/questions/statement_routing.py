"""Does a ProxySQL send what writes to the source, and what reads to the replicas?"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from wavetank.checks.finding import Finding
from wavetank.proxysql.routing_proof import Routed, route
from wavetank.proxysql.statement_corpus import mixed_statements
from wavetank.servers.node import Servers
from wavetank.topology.hostgroups import Pair, pairs_of
from wavetank.topology.model import Topology
from wavetank.topology.proxies import Proxy, proxysqls

QUESTION = "Of 1,000 mixed statements, does each that writes go to the source, and each plain read to a replica?"
STATEMENTS = 1_000
_IDENTITY = "SELECT @@server_uuid AS uuid, @@GLOBAL.super_read_only AS closed"
_MOST_NAMED = 3
# What reads, and would begin a transaction at a replica in a session without autocommit: docs/topologies/proxysql.md.
KEPT = frozenset({"select in brackets", "select of a common table", "select of a recursive common table"})

# ProxySQL sends it to the account's own hostgroup, whatever the rules say: with shards that is the first one's.
BEYOND_RULES = frozenset({"set of a user variable"})


def concerns(topology: Topology) -> Iterable[Proxy]:
    """Ask every ProxySQL."""
    return proxysqls(topology.proxies)


def examine(proxy: Proxy, servers: Servers) -> Iterator[Finding]:
    """Run the statements; compare the hostgroup that each was counted in, and who answered, with what it is."""
    pairs = pairs_of(servers.topology, proxy)
    for pair in pairs:
        yield from _examine(proxy, servers, pair, STATEMENTS // len(pairs))


def _examine(proxy: Proxy, servers: Servers, pair: Pair, count: int) -> Iterator[Finding]:
    """Do so for one source and its replicas, in sessions that are in its schema."""
    open_ = set()
    for node in pair.nodes:
        if not servers[node.name].given_up:
            row = servers[node.name].query(_IDENTITY)[0]
            open_ |= set() if row["closed"] else {row["uuid"]}
    routed = [
        each
        for each in route(servers, proxy, mixed_statements(count), pair.schema)
        if not (pair.shard and each.statement.form in BEYOND_RULES)
    ]
    kept = [each for each in routed if each.statement.writes or each.statement.form in KEPT]
    sent = [each for each in routed if each not in kept]
    misled = {
        "an answer to every statement": [each for each in routed if each.error],
        f"what writes in hostgroup {pair.writer}": [each for each in kept if each.hostgroups != (pair.writer,)],
        "what writes answered by a server that takes writes": [
            each for each in kept if each.answered_by and each.answered_by not in open_
        ],
        f"what reads in hostgroup {pair.reader}": [each for each in sent if each.hostgroups != (pair.reader,)],
    }
    for expected, wrong in misled.items():
        if wrong:
            yield Finding(proxy.name, expected, _summary(wrong), "make topology-up, then its rules in group_vars")


def _summary(wrong: Sequence[Routed]) -> str:
    """Return how many went wrong, the commonest forms of them, and an example."""
    forms = Counter(each.statement.form for each in wrong)
    named = ", ".join(f"{form} ({count})" for form, count in forms.most_common(_MOST_NAMED))
    example = wrong[0]
    seen = example.error or f"in {' and '.join(map(str, example.hostgroups)) or 'none'}"
    return f"{len(wrong)} elsewhere: {named}; {seen}: {example.statement.text}"
