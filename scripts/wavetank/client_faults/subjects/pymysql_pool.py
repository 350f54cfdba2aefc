"""pymysql-pool: ConnectionPool of the module pymysqlpool."""

import contextlib
from collections.abc import Iterator
from typing import Any, ClassVar

import pymysqlpool
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
from wavetank.client_faults.subjects._types import Connection, Handle
from wavetank.client_faults.subjects.server import Server

__all__ = ["HARDENED", "KIND", "NAME", "PACKAGES", "borrow", "close", "commit", "connect", "give_back", "held", "limit",
           "read", "result", "run", "transaction", "write"]  # fmt: skip

NAME = "pymysql-pool"
KIND = "pool"
PACKAGES = ("pymysql-pool", "PyMySQL")
HARDENED: dict[str, Any] = {
    # And get_connection(retry_num=10, retry_interval=0.3): ten tries are the most that it makes.
    "size": 5,
    "maxsize": 5,
    # With autocommit a transaction that its borrower left open is committed when the connection comes back.
    "autocommit": False,
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
    """The pool; hardened, it does not count on connections that are gone."""

    unbuffered: ClassVar[dict[str, Any]] = {"cursor": SSCursor}

    def open(self) -> Handle:
        """Return a pool, which has no connection yet."""
        return pymysqlpool.ConnectionPool(**settings(self, HARDENED, verified))

    def close(self) -> None:
        """Close the idle connections one by one: the pool has no method for it."""
        while self.handle.available_num:
            _leave(self.handle.get_connection())

    def lend(self) -> Connection:
        """Borrow; hardened, one that answers. Its pre_ping would lose a place with each that it cannot reconnect."""
        if not self.hardened:
            return self.handle.get_connection()
        while True:
            connection = self.handle.get_connection(retry_num=10, retry_interval=0.3)
            try:
                connection.ping(reconnect=False)
            except pymysqlpool.pymysql.Error:
                self.discard(connection)
            else:
                return connection

    def take_back(self, connection: Connection, error: BaseException | None) -> None:
        """End the with-block that its documentation has.

        Hardened without the error, after which the session was reset: the pool would close the connection for it, and
        go on counting it.
        """
        told = None if self.hardened else error
        connection.__exit__(type(told) if told else None, told, None)

    def clean(self, connection: Connection) -> None:
        """Reset the session."""
        reset(connection)

    def sever(self, connection: Connection) -> None:
        """Close the connection itself."""
        _leave(connection)

    def discard(self, connection: Connection) -> None:
        """Free its place, which the pool never does."""
        _leave(connection)
        self.handle._created_num.pop()  # noqa: SLF001

    @contextlib.contextmanager
    def transacting(self, connection: Connection) -> Iterator[None]:
        """Begin, since there is autocommit."""
        connection.begin()
        yield
        connection.commit()


def connect(server: Server, *, hardened: bool) -> Pool:
    """Open a pool."""
    return Pool(server, hardened=hardened)


def limit(pool: Pool) -> int | None:
    """Return the pool's size."""
    return int(pool.handle.maxsize)


def held(pool: Pool) -> int:
    """Return how many connections the pool counts, lent and idle."""
    return int(pool.handle.total_num)


def _leave(connection: Connection) -> None:
    """Take a connection out of its pool, and close it."""
    connection._pool = None  # noqa: SLF001 - with it, close() returns the connection
    with contextlib.suppress(pymysqlpool.pymysql.Error):
        connection.close()
