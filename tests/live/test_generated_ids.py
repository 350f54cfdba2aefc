"""Sources that replicate from each other draw ids at the same time, and no two are equal."""

import math
from concurrent.futures import ThreadPoolExecutor

from wavetank.servers.checksums import checksum
from wavetank.servers.node import Server, Servers
from wavetank.topology.model import Node, Topology

ROWS, ROWS_A_STATEMENT = 10_000, 100
CATCH_UP_S = 30
INSERT = f"""
    INSERT INTO wavetank.generated_ids (origin) WITH RECURSIVE counted (n) AS (
        SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < {ROWS_A_STATEMENT}
    ) SELECT @@server_id FROM counted
"""
FOUND = f"""
    SELECT origin, COUNT(*) AS n, COUNT(DISTINCT id % %(sources)s) AS classes, {checksum("SHA2(id, 256)")} AS ids
      FROM wavetank.generated_ids GROUP BY origin ORDER BY origin
"""


def draw(server: Server) -> None:
    with server.connection() as connection, connection.cursor() as cursor:
        for _ in range(math.ceil(ROWS / ROWS_A_STATEMENT)):
            cursor.execute(INSERT)


def settle(servers: Servers, peers: tuple[Node, ...]) -> None:
    """Wait until every peer has what every other had."""
    for one in peers:
        executed = servers[one.name].value("SELECT @@GLOBAL.gtid_executed")
        for other in peers:
            wait = "SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, %s)"
            assert servers[other.name].value(wait, [executed, CATCH_UP_S], account="admin") == 0


def test_ids_drawn_on_all_sources_at_once_never_collide(ring: Topology, servers: Servers) -> None:
    sources = [node for node in ring.peers if node.is_source]
    try:
        with ThreadPoolExecutor(len(sources)) as pool:
            list(pool.map(lambda node: draw(servers[node.name]), sources))
        settle(servers, ring.peers)
        found = {node.name: servers[node.name].query(FOUND, {"sources": len(ring.peers)}) for node in ring.peers}
    finally:
        for node in sources:
            servers[node.name].query("DELETE FROM wavetank.generated_ids WHERE origin = @@server_id")
        settle(servers, ring.peers)
    first = found[ring.peers[0].name]
    assert [(row["origin"], row["n"]) for row in first] == sorted((node.server_id, ROWS) for node in sources)
    # Each source's ids are of one residue class, and so of no other's.
    assert [row["classes"] for row in first] == [1] * len(sources)
    assert all(rows == first for rows in found.values())


def test_nothing_of_the_proof_is_left(ring: Topology, servers: Servers) -> None:
    for node in ring.peers:
        assert servers[node.name].value("SELECT COUNT(*) FROM wavetank.generated_ids") == 0
