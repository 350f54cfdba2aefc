"""Has the replica executed everything that its source had a moment ago?"""

from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding, Seen, of_stopped
from wavetank.servers.gtid import is_hole
from wavetank.servers.node import Servers
from wavetank.servers.replication import channels_of, replicates
from wavetank.topology.model import Node, Topology

QUESTION = "Has the replica executed every transaction that its source had a moment ago?"


def concerns(topology: Topology) -> Iterable[Node]:
    """Ask the replicas."""
    return topology.replicas


def examine(node: Node, servers: Servers) -> Iterator[Seen]:
    """Wait for each source's GTID set on the replica, within the lag bound.

    A channel that does not run is the finding of replication_threads: nothing is asked of it here.
    """
    server = servers[node.name]
    found = channels_of(server)
    for channel in node.channels:
        if channel.name not in found or not replicates(found[channel.name]):
            yield of_stopped(channel)
            continue
        theirs = servers[channel.source].value("SELECT @@GLOBAL.gtid_executed")
        bound_s = servers.topology.lag_bound_s
        if server.value("SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, %s)", [theirs, bound_s], account="admin"):
            missing = server.value("SELECT GTID_SUBTRACT(%s, @@GLOBAL.gtid_executed)", [theirs])
            hole = is_hole(missing, server.value("SELECT @@GLOBAL.gtid_executed"))
            step = "make topology-up asks for them again" if hole else "make status, then the applier's workers"
            yield Finding(
                node.name, f"every transaction of {channel.source} within {bound_s:g} s", f"without {missing}", step
            )
