"""mysql-connector-python, its driver in C, which is the default where it can be loaded.

It brings an OpenSSL of its own, and cannot be loaded where Python has loaded an older one: hence the first import.
"""

from typing import Any

import _mysql_connector  # noqa: F401 - before anything that imports ssl
import mysql.connector

from wavetank.client_faults.subjects._blocking import close, commit, read, result, run, transaction, write
from wavetank.client_faults.subjects._drivers import Driver
from wavetank.client_faults.subjects._settings import settings, verified
from wavetank.client_faults.subjects._types import Handle
from wavetank.client_faults.subjects.server import Server

__all__ = ["HARDENED", "KIND", "NAME", "PACKAGES", "close", "commit", "connect", "read", "result", "run", "transaction",
           "write"]  # fmt: skip

NAME = "mysql-connector-python, C extension"
KIND = "driver"
PACKAGES = ("mysql-connector-python",)
HARDENED: dict[str, Any] = {
    "connection_timeout": 3,
    # Without it a statement waits for ever.
    "read_timeout": 5,
    "write_timeout": 5,
    # With ssl_ca, which alone verifies nothing.
    "ssl_verify_cert": True,
    "ssl_verify_identity": True,
}


class Client(Driver):
    """One connection."""

    def open(self) -> Handle:
        """Return a new connection."""
        return mysql.connector.connect(**settings(self, HARDENED, verified), use_pure=False)


def connect(server: Server, *, hardened: bool) -> Client:
    """Connect; hardened, over TLS that proves who the server is."""
    return Client(server, hardened=hardened)
