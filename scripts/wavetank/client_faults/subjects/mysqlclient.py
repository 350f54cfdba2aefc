"""mysqlclient: MySQLdb over a C library, here MariaDB's."""

from typing import Any, ClassVar

import MySQLdb
import MySQLdb.cursors

from wavetank.client_faults.subjects._blocking import close, commit, read, result, run, transaction, write
from wavetank.client_faults.subjects._drivers import Driver
from wavetank.client_faults.subjects._settings import settings, verified_by_libmariadb
from wavetank.client_faults.subjects._types import Handle
from wavetank.client_faults.subjects.server import Server

__all__ = ["HARDENED", "KIND", "NAME", "PACKAGES", "close", "commit", "connect", "read", "result", "run", "transaction",
           "write"]  # fmt: skip

NAME = "mysqlclient"
KIND = "driver"
PACKAGES = ("mysqlclient",)
HARDENED: dict[str, Any] = {
    "connect_timeout": 3,
    # Without it a statement waits for ever.
    "read_timeout": 5,
    "write_timeout": 5,
    # With ssl={"ca": ...}; else encryption is a matter of the C library's defaults.
    "ssl_mode": "VERIFY_IDENTITY",
}


class Client(Driver):
    """One connection."""

    unbuffered: ClassVar[dict[str, Any]] = {"cursorclass": MySQLdb.cursors.SSCursor}

    def open(self) -> Handle:
        """Return a new connection."""
        return MySQLdb.connect(**settings(self, HARDENED, verified_by_libmariadb))


def connect(server: Server, *, hardened: bool) -> Client:
    """Connect; hardened, over TLS that proves who the server is."""
    return Client(server, hardened=hardened)
