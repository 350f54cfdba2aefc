"""peewee: PooledMySQLDatabase, over PyMySQL."""

import contextlib
from collections.abc import Iterator
from typing import Any

from playhouse.pool import PooledMySQLDatabase

from wavetank.client_faults.subjects import _blocking
from wavetank.client_faults.subjects._blocking import (
    Lease,
    close,
    commit,
    give_back,
    read,
    result,
    run,
    transaction,
    write,
)
from wavetank.client_faults.subjects._peewee import Database
from wavetank.client_faults.subjects._resetting import reset
from wavetank.client_faults.subjects._settings import settings, verified
from wavetank.client_faults.subjects._types import Connection, Cursor, Handle, Parameters
from wavetank.client_faults.subjects.server import Server

__all__ = ["HARDENED", "KIND", "NAME", "PACKAGES", "borrow", "close", "commit", "connect", "give_back", "limit", "read",
           "result", "run", "transaction", "write"]  # fmt: skip

NAME = "peewee, PooledMySQLDatabase"
KIND = "ORM"
PACKAGES = ("peewee", "PyMySQL")
HARDENED: dict[str, Any] = {
    "max_connections": 5,
    # Else it says at once that all are lent.
    "timeout": 3,
    # It covers TCP alone, read_timeout the greeting and the login, too.
    "connect_timeout": 3,
    # Without it a statement waits for ever.
    "read_timeout": 5,
    "write_timeout": 5,
    # With ssl_ca, which alone verifies nothing.
    "ssl_verify_cert": True,
    "ssl_verify_identity": True,
}
# It pings when it lends, by default.

_MOST_BY_DEFAULT = 20


class Pooled(Database):
    """The database; a piece of work has a connection of the pool."""

    def open(self) -> Handle:
        """Return the database, which has no connection yet."""
        return PooledMySQLDatabase(**settings(self, HARDENED, verified))

    def close(self) -> None:
        """Close all connections, also those that are lent."""
        self.handle.close_all()

    def lend(self) -> Connection:
        """Borrow a connection for this thread, unless it has one."""
        context = self.handle.connection_context()
        context.__enter__()
        return context

    def take_back(self, connection: Connection, error: BaseException | None) -> None:  # noqa: ARG002 - it does not care
        """Return the connection, unless this thread had it before."""
        connection.__exit__(None, None, None)

    def clean(self, connection: Connection) -> None:  # noqa: ARG002 - the database knows which
        """Reset the session, unless this was only a part of a transaction."""
        if not self.handle.in_transaction():
            reset(self.handle.connection(), autocommit=True)

    def forget(self) -> None:
        """Close the connection instead of returning it."""
        self.handle.manual_close()


class Places(Pooled):
    """The same database; what is lent is no thread's, so that one thread can hold several."""

    def __init__(self, pooled: Pooled) -> None:
        """Share the database."""
        self._database = pooled.handle
        super().__init__(pooled.server, hardened=pooled.hardened)

    def open(self) -> Handle:
        """Return the same database."""
        return self._database

    def lend(self) -> Connection:
        """Borrow a connection, and take it from this thread."""
        self.handle.connect()
        connection = self.handle.connection()
        self.handle._state.reset()  # noqa: SLF001 - there is no other way
        return connection

    def take_back(self, connection: Connection, error: BaseException | None) -> None:  # noqa: ARG002 - it does not care
        """Return it."""
        with self._had(connection):
            self.handle.close()

    def clean(self, connection: Connection) -> None:
        """Reset the session."""
        reset(connection, autocommit=True)

    def sever(self, connection: Connection) -> None:
        """Close the connection instead of returning it."""
        with self._had(connection):
            self.handle.manual_close()

    def send(self, connection: Connection, statement: str, parameters: Parameters) -> Cursor:
        """Run a statement on it."""
        with self._had(connection):
            return super().send(connection, statement, parameters)

    def commit(self, connection: Connection) -> None:
        """Commit."""
        with self._had(connection):
            super().commit(connection)

    @contextlib.contextmanager
    def _had(self, connection: Connection) -> Iterator[None]:
        """Let this thread have a connection, for as long as the block lasts."""
        self.handle._state.set_connection(connection)  # noqa: SLF001
        try:
            yield
        finally:
            self.handle._state.reset()  # noqa: SLF001


def connect(server: Server, *, hardened: bool) -> Pooled:
    """Have a pool."""
    return Pooled(server, hardened=hardened)


def borrow(pooled: Pooled) -> Lease:
    """Borrow a connection."""
    return _blocking.borrow(Places(pooled))


def limit(pooled: Pooled) -> int | None:
    """Return how many connections it lends at most."""
    return int(HARDENED["max_connections"]) if pooled.hardened else _MOST_BY_DEFAULT
