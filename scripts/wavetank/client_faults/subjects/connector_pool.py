"""mysql.connector.pooling: the pool of mysql-connector-python, over whichever of its drivers can be loaded."""

from typing import Any

import mysql.connector
from mysql.connector.pooling import MySQLConnectionPool

from wavetank.client_faults.subjects._blocking import (
    Client,
    borrow,
    close,
    commit,
    give_back,
    read,
    result,
    run,
    transaction,
    write,
)
from wavetank.client_faults.subjects._settings import settings, verified
from wavetank.client_faults.subjects._types import Connection, Handle
from wavetank.client_faults.subjects.server import Server

__all__ = ["HARDENED", "KIND", "NAME", "PACKAGES", "borrow", "close", "commit", "connect", "give_back", "limit", "read",
           "result", "run", "transaction", "write"]  # fmt: skip

NAME = "mysql.connector.pooling"
KIND = "pool"
PACKAGES = ("mysql-connector-python",)
HARDENED: dict[str, Any] = {
    "pool_size": 5,
    # Else a connection that comes back with rows unread fails for every borrower from then on.
    "consume_results": True,
    "connection_timeout": 3,
    # Without it a statement waits for ever.
    "read_timeout": 5,
    "write_timeout": 5,
    # With ssl_ca, which alone verifies nothing.
    "ssl_verify_cert": True,
    "ssl_verify_identity": True,
}
# It pings when it lends, and resets the session when it takes back, by default.


class Pool(Client):
    """The pool; hardened, it is asked again while it is exhausted, which it says at once."""

    exhausted = (mysql.connector.PoolError,)

    def open(self) -> Handle:
        """Return a pool, whose connections are open."""
        return MySQLConnectionPool(pool_name="mypool", **settings(self, HARDENED, verified))

    def close(self) -> None:
        """Close the idle connections; it has no method for it but this."""
        self.handle._remove_connections()  # noqa: SLF001

    def lend(self) -> Connection:
        """Borrow."""
        return self.handle.get_connection()

    def take_back(self, connection: Connection, error: BaseException | None) -> None:  # noqa: ARG002 - it does not care
        """Return it."""
        connection.close()

    def clean(self, connection: Connection) -> None:
        """Leave it to the pool, which resets the session."""

    def sever(self, connection: Connection) -> None:
        """Close the connection itself; the pool opens it anew when it is to be lent."""
        connection.disconnect()


def connect(server: Server, *, hardened: bool) -> Pool:
    """Open a pool."""
    return Pool(server, hardened=hardened)


def limit(pool: Pool) -> int | None:
    """Return the pool's size."""
    return int(pool.handle.pool_size)
