"""Asynchronous drivers: by themselves, with one connection, and in their pools."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from typing import Self

from wavetank.client_faults.subjects._awaiting import CONNECT_S, WAIT_S, Client, Lease
from wavetank.client_faults.subjects._failures import GivenUpError
from wavetank.client_faults.subjects._resetting import reset_async
from wavetank.client_faults.subjects._types import Connection, Cursor, Parameters, Rows
from wavetank.client_faults.subjects.server import Server


class Driver(Client, Lease, ABC):
    """A driver's one connection, which is its own lease; hardened, a lost one is replaced before a read or a write."""

    def __init__(self, server: Server, *, hardened: bool) -> None:
        """Open nothing yet."""
        Client.__init__(self, server, hardened=hardened)
        Lease.__init__(self, self, None)
        self._at_work = False

    async def start(self) -> None:
        """Connect."""
        await super().start()
        self.connection = self.handle

    async def borrow(self) -> Self:
        """Have a connection that is alive.

        Raises:
            GivenUpError: it is at work, for another task or for a transaction that this would end.
        """
        if self.hardened:
            if self._at_work:
                raise GivenUpError("this connection is at work: it is one for one task, and for one thing at a time")
            self._at_work = True
            try:
                await self._revive()
            except BaseException:
                self._at_work = False
                raise
        return self

    @abstractmethod
    async def ping(self) -> None:
        """Raise where the connection is lost."""

    async def lend(self) -> Connection:
        """Return the one that there is."""
        return self.connection

    async def take_back(self, connection: Connection) -> None:
        """Keep it."""

    async def clean(self, connection: Connection) -> None:
        """Give up the snapshot of a read, or the next one would see the same."""
        await connection.rollback()

    def end(self) -> None:
        """Note that it is not at work any more."""
        self._at_work = False

    async def _revive(self) -> None:
        if not await self._is_alive():
            await self.give_up()
            self.connection = self.handle = await self.opened()
            self.broken = False

    async def _is_alive(self) -> bool:
        if not self.broken:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(CONNECT_S):
                    await self.ping()
                return True
        return False


class LikePyMySQL(Client, ABC):
    """aiomysql and asyncmy, which both are PyMySQL with await."""

    @abstractmethod
    async def streaming(self, connection: Connection) -> Cursor:
        """Return a cursor that does not fetch all rows at once."""

    async def sever(self, connection: Connection) -> None:
        """Close it at once: close() says nothing to the server, but waits up to 30 s for it to close TLS."""
        writer = getattr(connection, "_writer", None)
        transport = getattr(connection, "_transport", None) or getattr(writer, "transport", None)
        connection.close()
        if transport is not None:
            transport.abort()

    async def execute(self, connection: Connection, statement: str, parameters: Parameters) -> Rows:
        """Run a statement, and take all its rows."""
        async with connection.cursor() as cursor:
            await cursor.execute(statement, tuple(parameters))
            return list(await cursor.fetchall()) if cursor.description else []

    async def send(self, connection: Connection, statement: str, parameters: Parameters) -> Cursor:
        """Run a statement, and return the cursor with its rows unread."""
        cursor = await self.streaming(connection)
        await cursor.execute(statement, tuple(parameters))
        return cursor


class OneLikePyMySQL(LikePyMySQL, Driver):
    """One connection of such a driver."""

    async def close(self) -> None:
        """Close it."""
        await self.connection.ensure_closed()

    async def ping(self) -> None:
        """Ping, but do not reconnect, which is its default."""
        await self.connection.ping(reconnect=False)


class PoolLikePyMySQL(LikePyMySQL):
    """A pool of such a driver; hardened, it lends what answers, and resets the session when it takes back."""

    def check(self, connection: Connection) -> None:
        """Raise where a connection is not what was asked for."""

    async def close(self) -> None:
        """Close all connections, also those that are lent."""
        self.handle.terminate()
        await self.handle.wait_closed()

    async def lend(self) -> Connection:
        """Borrow; hardened, one that is alive."""
        if not self.hardened:
            return await self.handle.acquire()
        while True:
            async with asyncio.timeout(WAIT_S):
                connection = await self.handle.acquire()
            try:
                self.check(connection)
                await connection.ping(reconnect=False)
            except BaseException as error:
                connection.close()
                await self.discard(connection)
                if isinstance(error, GivenUpError) or not isinstance(error, Exception):
                    raise
            else:
                return connection

    async def take_back(self, connection: Connection) -> None:
        """Return it."""
        await self.handle.release(connection)

    async def clean(self, connection: Connection) -> None:
        """Reset the session."""
        await reset_async(connection)


def limit(pool: PoolLikePyMySQL) -> int | None:
    """Return how many connections it lends at most."""
    return int(pool.handle.maxsize)


def held(pool: PoolLikePyMySQL) -> int:
    """Return how many connections it counts, lent and idle."""
    return int(pool.handle.size)
