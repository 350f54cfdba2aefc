"""Replicas that are late on purpose."""

import contextlib
from collections.abc import Iterator

from wavetank.servers.node import Servers


@contextlib.contextmanager
def held_back(servers: Servers, *names: str) -> Iterator[None]:
    """Let these replicas receive and apply nothing."""
    for name in names:
        servers[name].execute("STOP REPLICA SQL_THREAD")
    try:
        yield
    finally:
        for name in names:
            servers[name].execute("START REPLICA SQL_THREAD")
