"""Connections to one server as one account: SQLAlchemy's pool, with a ping, a reset and figures."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event, exc
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from wavetank.client.splitting.errors import PoolTimeoutError
from wavetank.client.splitting.settings import PoolSize
from wavetank.servers.node import Connection, StatementError


@dataclass(frozen=True)
class PoolFigures:
    """What a pool is doing and has done; waiting is in seconds."""

    server: str
    account: str
    borrowed: int
    idle: int
    opened: int
    discarded: int
    waits: int
    waited_s: float
    timeouts: int
    statements: int


class PooledConnection:
    """A connection that is checked out, and what its user found out about it."""

    def __init__(self, server: str, pool: "Pool", proxied: PoolProxiedConnection) -> None:
        """Take the pool into which the connection is checked in."""
        self.server = server
        self._pool = pool
        self._proxied = proxied
        # It broke, or nobody knows what state it is in: never handed out again.
        self.broken = False
        # Something may be left in the server's session: reset before it is handed out again.
        self.touched = False

    @property
    def connection(self) -> Connection:
        """The driver's own connection."""
        connection: Connection = self._proxied.dbapi_connection  # type: ignore[assignment]
        return connection

    def count_statement(self) -> None:
        """Let the pool know of one more statement."""
        self._pool.count_statement()

    def checkin(self) -> None:
        """Return the connection, clean, or close it; never raises for what the server says."""
        self._pool.checkin(self._proxied, self)


class Pool:
    """The connections to one server; may be shared by threads."""

    def __init__(self, server: str, account: str, connect: Callable[[], Connection], size: PoolSize) -> None:
        """Open nothing yet; `connect` opens one connection."""
        self.server = server
        self.account = account
        self._size = size
        self._most = size.kept + size.overflow
        self._lock = threading.Lock()
        self._opened = self._discarded = self._waits = self._timeouts = self._statements = 0
        self._waited_s = 0.0
        self._cut_at = 0.0
        self._checked_out: set[PooledConnection] = set()
        self._closed = False
        self._pool = QueuePool(
            connect,  # type: ignore[arg-type]
            pool_size=size.kept,
            max_overflow=size.overflow,
            timeout=size.wait_s,
            recycle=int(size.max_age_s),
            reset_on_return=None,
            use_lifo=True,
        )
        event.listen(self._pool, "connect", self._on_open)
        event.listen(self._pool, "checkout", self._on_checkout)
        event.listen(self._pool, "checkin", self._on_checkin)
        event.listen(self._pool, "close", self._on_close)

    def checkout(self) -> PooledConnection:
        """Check out a connection that works; it must be checked in.

        Raises:
            PoolTimeoutError: all are in use, and none came back in time.
            UnreachableError: a new one cannot be opened.
        """
        began = time.monotonic()
        busy = self._pool.checkedout() >= self._most
        try:
            pooled = PooledConnection(self.server, self, self._pool.connect())
        except exc.TimeoutError as error:
            self._add(timeouts=1)
            raise PoolTimeoutError(
                f"all {self._most} connections to {self.server} as {self.account} are in use, "
                f"and none came back in {self._size.wait_s:g} s"
            ) from error
        finally:
            if busy:
                self._add(waits=1, waited_s=time.monotonic() - began)
        with self._lock:
            self._checked_out.add(pooled)
        return pooled

    def checkin(self, proxied: PoolProxiedConnection, pooled: PooledConnection) -> None:
        """Keep a connection if it is sound, and rid of what its user left in it."""
        with self._lock:
            self._checked_out.discard(pooled)
        if not (pooled.broken or self._closed):
            try:
                _clean(pooled)
            except (StatementError, OSError):
                pooled.broken = True
        if pooled.broken or self._closed:
            proxied.invalidate()
        proxied.close()

    def cut(self) -> None:
        """End what runs on the server now and hand out none of its connections again: it does not answer."""
        self._cut_at = time.monotonic()
        with self._lock:
            pooled = list(self._checked_out)
        for each in pooled:
            each.broken = True
            # Its user's recv() ends. The pure driver is made for that; it never raises.
            each.connection.shutdown()

    def close(self) -> None:
        """Close the idle connections now, and those that are checked out when they come back."""
        self._closed = True
        self._pool.dispose()

    def count_statement(self) -> None:
        """Count one more statement."""
        self._add(statements=1)

    def figures(self) -> PoolFigures:
        """Return how things are."""
        with self._lock:
            borrowed = len(self._checked_out)
            return PoolFigures(
                self.server,
                self.account,
                borrowed=borrowed,
                # SQLAlchemy counts places; one whose connection was closed has none.
                idle=self._opened - self._discarded - borrowed,
                opened=self._opened,
                discarded=self._discarded,
                waits=self._waits,
                waited_s=round(self._waited_s, 3),
                timeouts=self._timeouts,
                statements=self._statements,
            )

    def _add(self, **more: float) -> None:
        with self._lock:
            for name, much in more.items():
                setattr(self, f"_{name}", getattr(self, f"_{name}") + much)

    def _on_open(self, _connection: object, record: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own
        record.info["opened"] = record.info["used"] = time.monotonic()
        self._add(opened=1)

    def _on_checkout(self, connection: Connection, record: Any, _proxied: object) -> None:  # noqa: ANN401
        if record.info["opened"] <= self._cut_at:
            raise exc.DisconnectionError
        if time.monotonic() - record.info["used"] > self._size.ping_after_s:
            try:
                connection.ping()
            except (StatementError, OSError) as error:
                raise exc.DisconnectionError from error

    def _on_checkin(self, connection: Connection | None, record: Any) -> None:  # noqa: ANN401
        if connection is not None:
            record.info["used"] = time.monotonic()

    def _on_close(self, *_: object) -> None:
        self._add(discarded=1)


def _clean(pooled: PooledConnection) -> None:
    if pooled.touched:
        pooled.connection.cmd_reset_connection()
    elif pooled.connection.in_transaction:
        pooled.connection.rollback()
