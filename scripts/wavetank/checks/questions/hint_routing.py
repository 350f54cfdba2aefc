"""Does a ProxySQL obey the hint that names a shard?"""

import contextlib
from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding
from wavetank.servers.accounts import APP_ACCOUNT
from wavetank.servers.node import Server, Servers, query_on
from wavetank.topology.hostgroups import Pair, pairs_of
from wavetank.topology.model import Topology
from wavetank.topology.proxies import ADMIN, Proxy, proxysqls

QUESTION = "Does the comment shard:3 send a write to that shard's source, and a read to its replica?"
# Comments are not in a digest: what tells these statements apart is the name of their column.
_READ = "/* shard:{number} */ SELECT @@server_uuid AS hinted_{number}"
_WRITE = _READ + " FOR UPDATE"
_COUNTED = """
    SELECT hostgroup, SUM(count_star) AS count FROM stats_mysql_query_digest
     WHERE digest_text LIKE '{digest}' GROUP BY hostgroup
"""
_WHO = "SELECT @@server_uuid AS uuid, @@GLOBAL.super_read_only AS closed"


def concerns(topology: Topology) -> Iterable[Proxy]:
    """Ask the ProxySQL in front of shards."""
    return proxysqls(topology.proxies) if topology.shards else ()


def examine(proxy: Proxy, servers: Servers) -> Iterator[Finding]:
    """Run both for each shard, from sessions in no schema; compare who answers, and in which hostgroup that counts."""
    for pair in pairs_of(servers.topology, proxy):
        sources, replicas = _uuids(servers, pair, closed=False), _uuids(servers, pair, closed=True)
        for form, group, answering in (
            (_WRITE, pair.writer, sources),
            # The source answers where no replica can.
            (_READ, pair.reader, replicas or sources),
        ):
            statement = form.format(number=pair.shard)
            uuid, counted = _run(servers, proxy, statement)
            if counted != {group} or uuid not in answering:
                found = f"counted in {' and '.join(map(str, sorted(counted))) or 'none'}, answered by {uuid}"
                expected = f"{statement} in hostgroup {group}, answered there"
                yield Finding(proxy.name, expected, found, "make topology-up, then make status")


def _run(servers: Servers, proxy: Proxy, statement: str) -> tuple[str, set[int]]:
    """Return who answered a statement, and the hostgroups that it was counted in."""
    digest = statement.partition("*/ ")[2]
    before = _by_group(servers[proxy.side], digest)
    # A session of its own: one that has asked for a variable stays with its server.
    with contextlib.closing(servers[proxy.name].connect(APP_ACCOUNT)) as connection:
        (row,) = query_on(connection, statement, node=proxy.name)
    after = _by_group(servers[proxy.side], digest)
    return str(next(iter(row.values()))), {group for group in after if after[group] > before.get(group, 0)}


def _by_group(admin: Server, digest: str) -> dict[int, int]:
    rows = admin.query(_COUNTED.format(digest=digest), account=ADMIN)
    return {int(row["hostgroup"]): int(row["count"]) for row in rows}


def _uuids(servers: Servers, pair: Pair, *, closed: bool) -> set[str]:
    """Return who of a shard takes writes, or who takes none."""
    rows = [servers[node.name].query(_WHO)[0] for node in pair.nodes if not servers[node.name].given_up]
    return {row["uuid"] for row in rows if bool(row["closed"]) == closed}
