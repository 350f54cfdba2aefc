"""wavetank.client.splitting: our own; it writes to the source, and reads from replicas that have what was written."""

import contextlib
from pathlib import Path
from typing import Any

import mysql.connector

from wavetank.client.splitting import (
    Access,
    Account,
    Bounds,
    Endpoint,
    MissingTransactionsError,
    NoServerError,
    PoolSize,
    Router,
    Session,
    TransactionLostError,
)
from wavetank.client_faults.subjects import _blocking
from wavetank.client_faults.subjects._blocking import (
    Client,
    Lease,
    close,
    commit,
    give_back,
    read,
    run,
    transaction,
    write,
)
from wavetank.client_faults.subjects._types import Block, Connection, Handle, Parameters, Rows
from wavetank.client_faults.subjects.server import Server
from wavetank.errors import UnreachableError
from wavetank.servers.node import Login, open_connection

__all__ = ["HARDENED", "KIND", "NAME", "PACKAGES", "SPLITS", "borrow", "close", "commit", "connect", "give_back",
           "held", "limit", "read", "run", "transaction", "write"]  # fmt: skip

NAME = "wavetank.client"
KIND = "pool"
PACKAGES = ("mysql-connector-python", "SQLAlchemy")
# It reads elsewhere than it writes, where there is a replica.
SPLITS = True
# By default it verifies the server, and bounds every wait, but more generously.
HARDENED: dict[str, Any] = {
    "bounds": {"statement": 5, "new_source": 5},
    # A connection that is idle for a moment is pinged before it is used.
    "pool_size": {"kept": 5, "overflow": 0, "wait_s": 3, "ping_after_s": 0},
}


class Split(Client):
    """A router; what is lent is a session, which hardened sees what earlier ones have written."""

    exhausted = (NoServerError,)
    undone = (TransactionLostError,)
    _seen = ""

    def open(self) -> Handle:
        """Return a router that checks its servers."""
        server = self.server
        hosts = {"source": server.host} | ({"replica": server.replica} if server.replica else {})
        account = Account(server.user, server.password)
        hardened = HARDENED if self.hardened else {"bounds": {}, "pool_size": {}}
        return Router(
            [Endpoint(name, host, server.port) for name, host in hosts.items()],
            Access(account, account, account, Path(server.ca), database=server.database),
            bounds=Bounds(**hardened["bounds"]),
            pool_size=PoolSize(**hardened["pool_size"]),
            opener=open_connection if server.named else _open_unnamed,
        ).__enter__()

    def lend(self) -> Connection:
        """Begin a session."""
        return Session(self.handle, after=self._seen)

    def take_back(self, connection: Connection, error: BaseException | None) -> None:  # noqa: ARG002 - it looks itself
        """End the session."""
        connection.close()

    def clean(self, connection: Connection) -> None:
        """Note what later sessions must see."""
        self._seen = connection.gtids

    def execute(self, connection: Connection, statement: str, parameters: Parameters) -> Rows:
        """Run a statement where it belongs."""
        try:
            return [tuple(row.values()) for row in connection.run(statement, tuple(parameters)).rows]
        except MissingTransactionsError:
            # They were lost in a failover; whoever asks next can do without them.
            self._seen = ""
            raise

    def commit(self, connection: Connection) -> None:
        """Commit."""
        connection.run("COMMIT")

    def transacting(self, connection: Connection) -> Block:
        """Have a transaction as its documentation says."""
        return connection.transaction()

    def writing(self, connection: Connection) -> Block:  # noqa: ARG002 - autocommit does it
        """Leave it to autocommit."""
        return contextlib.nullcontext()


def _open_unnamed(login: Login, read_timeout_s: int) -> Connection:
    """Open a connection as the router does by itself, but do not ask for the server's name."""
    unnamed = login.settings | {"ssl_verify_identity": False}
    try:
        return mysql.connector.connect(
            **unnamed, use_pure=True, connection_timeout=3, read_timeout=read_timeout_s, autocommit=True
        )
    except (mysql.connector.Error, OSError) as error:
        raise UnreachableError(login.name, str(error)) from error


def connect(server: Server, *, hardened: bool) -> Split:
    """Connect to the server, and to its replica, if there is one."""
    return Split(server, hardened=hardened)


def borrow(split: Split) -> Lease:
    """Begin a session that holds a connection to the source, with a transaction open."""
    lease = _blocking.borrow(split)
    run(lease, "START TRANSACTION")
    return lease


def limit(split: Split) -> int | None:
    """Return how many connections to the source it has at most."""
    size = PoolSize(**HARDENED["pool_size"]) if split.hardened else PoolSize()
    return size.kept + size.overflow


def held(split: Split) -> int:
    """Return how many connections it has: those that its pools count, and one to each server that it checks."""
    # A health check that has lost its connection finds that out when it asks the next time.
    split.handle.recheck_servers()
    checked = sum(not health.why for health in split.handle.health().values())
    return int(checked + sum(figures.borrowed + figures.idle for figures in split.handle.figures()))
