"""One change of an instance's sources at a time: two at once could open two servers."""

import contextlib
import fcntl
from collections.abc import Iterator

from wavetank.errors import UsageError
from wavetank.servers.node import Servers
from wavetank.topology.model import Channel, Topology


@contextlib.contextmanager
def only_change(servers: Servers) -> Iterator[None]:
    """Let nobody else change who replicates from whom meanwhile; the end of the process, too, lets go.

    Raises:
        UsageError: somebody else does, or has since the topology was read.
    """
    instance = servers.instance
    # Not opened anew: what changes nothing leaves no trace.
    with (instance.directory / "change.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"another change of who replicates from whom in {instance.name} is under way: run it again after that"
            ) from None
        if _roles(instance.topology()) != _roles(servers.topology):
            raise UsageError(f"who replicates from whom in {instance.name} has just been changed: run it again")
        yield


def _roles(topology: Topology) -> dict[str, tuple[Channel, ...]]:
    return {node.name: node.channels for node in topology.nodes}
