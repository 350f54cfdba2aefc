"""Do the directory and the mapping of customers say the same, and the same as the map?"""

from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding, NotAsked, Seen
from wavetank.servers.node import Servers
from wavetank.sharding.map_state import map_state_for_check, why_unsettled
from wavetank.sharding.maps.listed import DirectoryMap
from wavetank.topology.model import Node, Topology

QUESTION = "Do directory, mapping and shard map agree?"
_COUNTS = """
    SELECT d.shard, d.state, d.customers, COUNT(m.customer_id) AS found
      FROM sharding.shard_directory d LEFT JOIN sharding.customer_shard_mapping m USING (shard)
     GROUP BY d.shard, d.state, d.customers ORDER BY d.shard
"""
_STRANGERS = """
    SELECT customer_id, shard FROM sharding.customer_shard_mapping
     WHERE shard NOT IN (SELECT shard FROM sharding.shard_directory) ORDER BY customer_id LIMIT 1
"""
_STEP = "publish the map again, which counts anew; or mend sharding.{table} by hand"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask the source of the first shard, where there is a directory."""
    return (shard.source for shard in topology.shards[:1] if topology.shard_by == DirectoryMap.kind)


def examine(node: Node, servers: Servers) -> Iterator[Seen]:
    """Count the customers of each shard; look for shards that the directory or the map does not have."""
    map_state = map_state_for_check(servers, [])
    if not map_state:
        yield NotAsked(why_unsettled(map_state))
        return
    newest = map_state.newest
    rows = servers[node.name].query(_COUNTS, account="admin")
    expected = sorted({*newest.map.shards, *(newest.pending.shards if newest.pending else ())})
    if [row["shard"] for row in rows] != expected:
        found = ", ".join(str(row["shard"]) for row in rows) or "none"
        yield Finding(node.name, f"shards {', '.join(map(str, expected))} in the directory", found,
                      _STEP.format(table="shard_directory"))  # fmt: skip
    for row in rows:
        if row["customers"] != row["found"]:
            yield Finding(
                node.name, f"{row['customers']} customers of shard {row['shard']}, as the directory has counted",
                f"{row['found']} in the mapping", "make topology-up counts anew",
            )  # fmt: skip
    for row in servers[node.name].query(_STRANGERS, account="admin"):
        yield Finding(
            node.name, "only shards of the directory in the mapping",
            f"customer {row['customer_id']} on shard {row['shard']}", _STEP.format(table="customer_shard_mapping"),
        )  # fmt: skip
