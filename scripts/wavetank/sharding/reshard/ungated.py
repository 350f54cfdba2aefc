"""Who writes through a ProxySQL without holding gates: such writes of moving keys would be lost.

A server cannot tell: by its session a writer who holds no gate looks like any other. What a ProxySQL has counted shows
at least where nobody holds any.
"""

import re
from collections import Counter
from collections.abc import Iterator

from wavetank.errors import UnreachableError
from wavetank.servers.node import Row, Servers, StatementError
from wavetank.sharding.schema import DIVIDED
from wavetank.topology.hostgroups import pairs_of
from wavetank.topology.proxies import ADMIN, proxysqls

_DIGESTS = "SELECT hostgroup, digest_text, count_star FROM stats_mysql_query_digest"
_HOLDS = re.compile(r"CALL\s+sharding\.HoldGates\b", re.IGNORECASE)
_WRITES = re.compile(rf"(INSERT|UPDATE|DELETE|REPLACE)\b.*\b({'|'.join(DIVIDED)})\b", re.IGNORECASE | re.DOTALL)


def ungated(servers: Servers) -> Iterator[str]:
    """Yield a line for each shard whose rows were written through a ProxySQL, and whose gates nobody held.

    A ProxySQL that does not answer is passed over: it is a check's finding.
    """
    for proxy in proxysqls(servers.topology.proxies):
        try:
            writes, holds = count_digests(servers[proxy.side].query(_DIGESTS, account=ADMIN))
        except (UnreachableError, StatementError):
            continue
        for pair in pairs_of(servers.topology, proxy):
            count = writes[pair.writer]
            if count and not holds[pair.writer]:
                yield (
                    f"{proxy.name} has seen {count:,} writes of customers' rows on shard {pair.shard}, and "
                    "nobody held gates: while rows move such writes are lost; docs/topologies/four-shard-proxysql.md"
                )


def count_digests(rows: list[Row]) -> tuple[Counter[int], Counter[int]]:
    """Return by hostgroup how many writes of the divided tables were counted, and how often gates were held."""
    writes: Counter[int] = Counter()
    holds: Counter[int] = Counter()
    for row in rows:
        for kind, counted in ((_WRITES, writes), (_HOLDS, holds)):
            if kind.match(row["digest_text"]):
                counted[int(row["hostgroup"])] += int(row["count_star"])
    return writes, holds
