"""Does a prepared transaction wait for a word that nobody gives?"""

import time
from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding
from wavetank.servers.node import Servers
from wavetank.sharding import xa
from wavetank.topology.model import Node, Topology

QUESTION = "Has every transaction that was prepared for two-phase commit been committed or rolled back since?"
# A client is done in less; what waits for longer holds locks, and a resharding.
LONGEST_S = 30
# XA RECOVER does not tell when: of another program's branches, only how old the oldest transaction is.
_OLDEST = """
    SELECT COUNT(*) FROM information_schema.INNODB_TRX WHERE trx_started < NOW() - INTERVAL {seconds} SECOND
"""


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask the sources; a replica prepares what they do."""
    return topology.sources


def examine(node: Node, servers: Servers) -> Iterator[Finding]:
    """List the prepared branches, and pass over the young ones."""
    server = servers[node.name]
    now = time.time()
    branches = xa.branches(server)
    others = [branch for branch in branches if not branch.ours]
    if others and not server.value(_OLDEST.format(seconds=LONGEST_S)):
        others = []
    for branch in others:
        yield Finding(
            node.name,
            f"no transaction prepared for more than {LONGEST_S} s",
            f"{branch.gtrid!r}, which another program has prepared",
            "end it by XA COMMIT or XA ROLLBACK",
        )
    for branch in branches:
        if branch.ours and (age := branch.age_s(now)) > LONGEST_S:
            yield Finding(
                node.name,
                f"no transaction prepared for more than {LONGEST_S} s",
                f"{branch.gtrid}, begun {age:.0f} s ago, whose client is gone",
                "make recover",
            )
