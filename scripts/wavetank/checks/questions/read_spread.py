"""Are reads spread over the replicas as their weights say?"""

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding, NotAsked, Seen
from wavetank.servers.accounts import APP_ACCOUNT
from wavetank.servers.node import Servers, query_on
from wavetank.topology.hostgroups import Pair, pairs_of
from wavetank.topology.model import Topology
from wavetank.topology.proxies import ADMIN, Proxy, proxysqls

QUESTION = "Do the replicas get the reads in proportion to their weights, within 10 percentage points?"
READS = 400
# Chance alone is beyond it once in 16,000 times, since it is four standard deviations of a half of so many reads.
TOLERANCE = 0.10
# No @@: ProxySQL would keep the session at one server from then on.
WHO = "SELECT VARIABLE_VALUE AS uuid FROM performance_schema.global_variables WHERE VARIABLE_NAME = 'server_uuid'"
# ProxySQL's administration takes no parameters.
_ONLINE = "SELECT hostname FROM runtime_mysql_servers WHERE hostgroup_id = {group} AND status = 'ONLINE'"


def concerns(topology: Topology) -> Iterable[Proxy]:
    """Ask every ProxySQL."""
    return proxysqls(topology.proxies)


def examine(proxy: Proxy, servers: Servers) -> Iterator[Seen]:
    """Read through one connection a shard, and count who answered; a replica left out is proxy_monitor's."""
    for pair in pairs_of(servers.topology, proxy):
        yield from _examine(proxy, servers, pair)


def _examine(proxy: Proxy, servers: Servers, pair: Pair) -> Iterator[Seen]:
    rows = servers[proxy.side].query(_ONLINE.format(group=pair.reader), account=ADMIN)
    online = {row["hostname"] for row in rows}
    replicas = [
        node for node in pair.nodes
        if not node.is_source and node.name in online and not servers[node.name].given_up
    ]  # fmt: skip
    silent = [node.name for node in pair.nodes if not node.is_source and node not in replicas]
    if silent:
        yield NotAsked(f"{', '.join(silent)} cannot get reads: proxy_monitor or reachable reports why")
    if not replicas:
        return
    # A connection of its own: one that has asked for a variable stays with one server.
    with contextlib.closing(servers[proxy.name].connect(APP_ACCOUNT, database=pair.schema)) as connection:
        answers = Counter(query_on(connection, WHO, node=proxy.name)[0]["uuid"] for _ in range(READS))
    total = sum(node.weight for node in replicas)
    for node in replicas:
        share = answers[servers[node.name].value("SELECT @@server_uuid")] / READS
        wanted = node.weight / total
        if abs(share - wanted) > TOLERANCE:
            yield Finding(
                proxy.name,
                f"{wanted:.0%} of {READS} reads at {node.name}, give or take {TOLERANCE:.0%}",
                f"{share:.0%}",
                "make topology-up, then make status",
            )
