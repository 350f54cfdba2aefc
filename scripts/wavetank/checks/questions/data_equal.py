"""Do source and replica hold the same rows, by checksum?"""

from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding, NotAsked, Seen, of_stopped
from wavetank.servers.equality import BehindError, Unfinished, differences
from wavetank.servers.node import Servers
from wavetank.servers.replication import channels_of, replicates
from wavetank.topology.model import Channel, Node, Topology

QUESTION = "Does the replica hold the same rows as its source, by checksum?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask the replicas; two servers that replicate from each other are compared once, when the later one is asked."""
    return [node for node in topology.replicas if _channels(topology, node)]


def examine(node: Node, servers: Servers) -> Iterator[Seen]:
    """Compare every table with that of each source.

    A channel that does not run is the finding of replication_threads: what is not there yet is no difference.
    """
    found = channels_of(servers[node.name])
    for channel in _channels(servers.topology, node):
        if replicates(found.get(channel.name, {})):
            yield from _compared(node, servers.topology.node(channel.source), servers)
        else:
            yield of_stopped(channel)


def _compared(node: Node, source: Node, servers: Servers) -> Iterator[Seen]:
    step = (
        "make conflicts says what each side did, make resolve decides"
        if node.is_source
        else f"make topology-up REBUILD={node.name} copies it anew"
    )
    try:
        for each in differences(servers[source.name], servers[node.name], peers=node.peer and source.peer):
            if isinstance(each, Unfinished):
                expected = f"{each.table} compared with that on {source.name}"
                yield Finding(node.name, expected, each.why, "make check again, when the servers have less to do")
            else:
                yield Finding(node.name, f"as on {source.name}: {each.table}: {each.expected}", each.found, step)
    except BehindError as error:
        yield NotAsked(str(error))


def _channels(topology: Topology, node: Node) -> list[Channel]:
    """Return the channels of which both ends are compared when this node is asked."""
    return [channel for channel in node.channels if not _asked_the_other_way(topology, node, channel)]


def _asked_the_other_way(topology: Topology, node: Node, channel: Channel) -> bool:
    """Return whether the same two servers are compared when the source is asked about its own channels."""
    source = topology.node(channel.source)
    mutual = any(back.source == node.name for back in source.channels)
    return mutual and topology.nodes.index(node) < topology.nodes.index(source)
