"""MariaDB Connector/Python 1.1, over MariaDB's C library."""

from typing import Any, ClassVar

import mariadb

from wavetank.client_faults.subjects._blocking import close, commit, read, result, run, transaction, write
from wavetank.client_faults.subjects._drivers import Driver
from wavetank.client_faults.subjects._settings import settings
from wavetank.client_faults.subjects._types import Handle
from wavetank.client_faults.subjects.server import Server

__all__ = ["HARDENED", "KIND", "NAME", "PACKAGES", "close", "commit", "connect", "read", "result", "run", "transaction",
           "write"]  # fmt: skip

NAME = "mariadb"
KIND = "driver"
PACKAGES = ("mariadb",)
HARDENED: dict[str, Any] = {
    "connect_timeout": 3,
    # Without it a statement waits for ever.
    "read_timeout": 5,
    "write_timeout": 5,
    # Refuse a server that offers no encryption.
    "ssl": True,
    # With ssl_ca; it verifies the name, too.
    "ssl_verify_cert": True,
}


class Client(Driver):
    """One connection."""

    unbuffered: ClassVar[dict[str, Any]] = {"buffered": False}

    def open(self) -> Handle:
        """Return a new connection."""
        return mariadb.connect(**settings(self, HARDENED, _verified))


def connect(server: Server, *, hardened: bool) -> Client:
    """Connect; hardened, over TLS that proves who the server is."""
    return Client(server, hardened=hardened)


def _verified(server: Server) -> dict[str, Any]:
    """Return what verifies the server: the name if asked for, the authority whenever there is one."""
    return {"ssl_ca": server.ca, "ssl_verify_cert": server.named}
