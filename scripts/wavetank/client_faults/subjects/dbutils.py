"""DBUtils: PooledDB over PyMySQL."""

import contextlib
from collections.abc import Iterator
from typing import Any, ClassVar

import pymysql
from dbutils.pooled_db import PooledDB, TooManyConnectionsError
from pymysql.cursors import SSCursor

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
from wavetank.client_faults.subjects._resetting import reset
from wavetank.client_faults.subjects._settings import settings, verified
from wavetank.client_faults.subjects._types import Block, Connection, Handle
from wavetank.client_faults.subjects.server import Server

__all__ = ["HARDENED", "KIND", "NAME", "PACKAGES", "borrow", "close", "commit", "connect", "give_back", "limit", "read",
           "result", "run", "transaction", "write"]  # fmt: skip

NAME = "DBUtils PooledDB"
KIND = "pool"
PACKAGES = ("DBUtils", "PyMySQL")
HARDENED: dict[str, Any] = {
    # There is no limit otherwise. To wait for a place (blocking) would have none either.
    "maxconnections": 5,
    # Its ping and its ROLLBACK hide that they fail, and connect anew: the code around it does both.
    "ping": 0,
    "reset": False,
    # After no error is a statement run again on a new connection: it may have run.
    "isfatal": lambda _error: False,
    # It covers TCP alone, read_timeout the greeting and the login, too.
    "connect_timeout": 3,
    # Without it a statement waits for ever.
    "read_timeout": 5,
    "write_timeout": 5,
    # With ssl_ca, which alone verifies nothing.
    "ssl_verify_cert": True,
    "ssl_verify_identity": True,
}


class Pool(Client):
    """The pool; hardened, it is asked again while it is exhausted, which it says at once."""

    exhausted = (TooManyConnectionsError,)
    unbuffered: ClassVar[dict[str, Any]] = {"cursor": SSCursor}

    def open(self) -> Handle:
        """Return a pool, which has no connection yet."""
        return PooledDB(creator=pymysql, **settings(self, HARDENED, verified))

    def lend(self) -> Connection:
        """Borrow; hardened, a connection that answers, or a new one in its place."""
        connection = self.handle.connection()
        if self.hardened:
            try:
                _revive(connection.dbapi_connection)
            except BaseException:
                connection.close()
                raise
        return connection

    def take_back(self, connection: Connection, error: BaseException | None) -> None:  # noqa: ARG002 - it does not care
        """Return it; the pool rolls back."""
        connection.close()

    def clean(self, connection: Connection) -> None:
        """Reset the session."""
        reset(connection.dbapi_connection)

    def sever(self, connection: Connection) -> None:
        """Close the connection itself; the pool opens another one in its place."""
        connection.dbapi_connection.close()

    @contextlib.contextmanager
    def transacting(self, connection: Connection) -> Iterator[None]:
        """Begin, as its documentation says, which keeps it from reconnecting amid the transaction."""
        connection.begin()
        yield
        connection.commit()

    def writing(self, connection: Connection) -> Block:
        """Commit the one statement; who does not know better does not begin for that."""
        return self.committing(connection)


def connect(server: Server, *, hardened: bool) -> Pool:
    """Open a pool."""
    return Pool(server, hardened=hardened)


def limit(pool: Pool) -> int | None:
    """Return how many connections it lends at most."""
    return HARDENED["maxconnections"] if pool.hardened else None


def _revive(connection: Connection) -> None:
    try:
        connection.ping(reconnect=False)
    except pymysql.Error:
        connection.connect()
