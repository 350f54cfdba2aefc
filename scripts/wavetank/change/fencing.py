"""An old source takes no more writes before a new one is opened: by its own word, else by the end of its process."""

import contextlib
from enum import Enum

from wavetank.change.role_transition import close
from wavetank.errors import UnreachableError, UsageError
from wavetank.machine import containers
from wavetank.servers.node import Servers
from wavetank.topology.model import Node

# How long an old source that answers may take to close: one that waits for acknowledgements in vain takes longer.
FENCE_S = 2


class Fence(Enum):
    """How a source was fenced."""

    CLOSED = "closed"  # it answers, and can still send what it has
    KILLED = "killed"  # until a moment ago it could send something
    GONE = "gone"  # its process was not there any more


def fence(servers: Servers, source: Node, *, answers: bool) -> Fence:
    """Make sure that a source takes no more writes; when it is started again it is closed, as every server is."""
    if answers:
        with contextlib.suppress(UnreachableError, UsageError):
            close(servers[source.name], FENCE_S)
            return Fence.CLOSED
    container = servers.topology.container(source)
    if containers.has_ended(container, servers.topology.project):
        return Fence.GONE
    containers.kill(container)
    return Fence.KILLED
