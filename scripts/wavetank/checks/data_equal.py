"""Do source and replica hold the same rows, by checksum?"""

from collections.abc import Iterable, Iterator

from wavetank.checks import Finding
from wavetank.equality import differences
from wavetank.node import Servers
from wavetank.replication import channels_of, replicates
from wavetank.topology import Channel, Node, Topology

QUESTION = "Does the replica hold the same rows as its source, by checksum?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask the replicas."""
    return topology.replicas


def examine(node: Node, servers: Servers) -> Iterator[Finding]:
    """Compare every table with that of each source.

    A channel that does not run is the finding of replication_threads: what is not there yet is no difference.
    """
    topology = servers.topology
    found = channels_of(servers[node.name])
    step = (
        "make conflicts says what each side did, make resolve decides"
        if node.is_source
        else f"make topology-up REBUILD={node.name} copies it anew"
    )
    for channel in node.channels:
        source = topology.node(channel.source)
        if _asked_the_other_way(topology, node, channel) or not replicates(found.get(channel.name, {})):
            continue
        for difference in differences(servers[source.name], servers[node.name], peers=node.peer and source.peer):
            yield Finding(
                node.name, f"as on {source.name}: {difference.table}: {difference.expected}", difference.found, step
            )


def _asked_the_other_way(topology: Topology, node: Node, channel: Channel) -> bool:
    """Return whether the same two servers are compared when the source is asked about its own channels."""
    source = topology.node(channel.source)
    mutual = any(back.source == node.name for back in source.channels)
    return mutual and topology.nodes.index(node) < topology.nodes.index(source)
