"""PyMySQL: the driver in pure Python."""

from typing import Any, ClassVar

import pymysql
import pymysql.cursors

from wavetank.client_faults.subjects._blocking import close, commit, read, result, run, transaction, write
from wavetank.client_faults.subjects._drivers import Driver
from wavetank.client_faults.subjects._settings import settings, verified
from wavetank.client_faults.subjects._types import Handle
from wavetank.client_faults.subjects.server import Server

__all__ = ["HARDENED", "KIND", "NAME", "PACKAGES", "close", "commit", "connect", "read", "result", "run", "transaction",
           "write"]  # fmt: skip

NAME = "PyMySQL"
KIND = "driver"
PACKAGES = ("PyMySQL",)
HARDENED: dict[str, Any] = {
    # It covers TCP alone, read_timeout the greeting and the login, too.
    "connect_timeout": 3,
    # Without it a statement waits for ever.
    "read_timeout": 5,
    "write_timeout": 5,
    # With ssl_ca, which alone verifies nothing.
    "ssl_verify_cert": True,
    "ssl_verify_identity": True,
}


class Client(Driver):
    """One connection."""

    unbuffered: ClassVar[dict[str, Any]] = {"cursor": pymysql.cursors.SSCursor}

    def open(self) -> Handle:
        """Return a new connection."""
        return pymysql.connect(**settings(self, HARDENED, verified))


def connect(server: Server, *, hardened: bool) -> Client:
    """Connect; hardened, over TLS that proves who the server is."""
    return Client(server, hardened=hardened)
