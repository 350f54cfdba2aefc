"""The pairs of hostgroups of a ProxySQL and their numbers: a pair for each source with its replicas, told by schemas.

With which weight a server is in one is said by proxysql.expected_rows.
"""

from dataclasses import dataclass

from wavetank.topology.model import Node, Topology
from wavetank.topology.proxies import Proxy

# A shard's hostgroups are those of group_vars in the hundred of its number: 110 and 120, 210 and 220.
PER_SHARD = 100


@dataclass(frozen=True)
class Pair:
    """Where the writes and the reads of one source go.

    Attributes:
        writer: the hostgroup of the source.
        reader: the hostgroup of its replicas, and of itself where none can answer.
        nodes: the servers.
        shard: the number that a hint names, 0 where there is only one pair.
        schema: of the shard; statements of a session in it come here. '' where there is only one pair.
    """

    writer: int
    reader: int
    nodes: tuple[Node, ...]
    shard: int = 0
    schema: str = ""


def pairs_of(topology: Topology, proxy: Proxy) -> tuple[Pair, ...]:
    """Return the pairs of hostgroups of a ProxySQL in front of a topology."""
    writer, reader = proxy.settings["hostgroups"]["writer"], proxy.settings["hostgroups"]["reader"]
    if not topology.shards:
        return (Pair(writer, reader, topology.nodes),)
    return tuple(
        Pair(
            writer + PER_SHARD * shard.number,
            reader + PER_SHARD * shard.number,
            (shard.source, *shard.replicas),
            shard.number,
            shard.schema,
        )
        for shard in topology.shards
    )


def meaning(topology: Topology, proxy: Proxy) -> dict[int, str]:
    """Return what each hostgroup is for, by its number: writes or reads, and of which shard."""
    found: dict[int, str] = {}
    for pair in pairs_of(topology, proxy):
        of = f" of shard {pair.shard}" if pair.shard else ""
        found |= {pair.writer: f"writes{of}", pair.reader: f"reads{of}"}
    return found
