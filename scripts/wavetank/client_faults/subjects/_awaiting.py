"""What all asynchronous libraries have in common; it does what _blocking does, with a bound on each operation.

A statement that ran out of time, or whose await was cancelled, leaves an answer behind: its connection is closed.
"""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from wavetank.client_faults.subjects._failures import GivenUpError, is_sound_after
from wavetank.client_faults.subjects._retrying import opened_async, repeated_async
from wavetank.client_faults.subjects._types import Connection, Cursor, Handle, Parameters, Rows, Statements
from wavetank.client_faults.subjects.server import Server

T = TypeVar("T")
CONNECT_S = 3
# For a place in the pool, and for all that it takes to be lent a connection that answers.
WAIT_S, LEND_S = 3, 6
OPERATION_S = 5


class Lease:
    """A connection that is lent."""

    def __init__(self, client: "Client", connection: Connection) -> None:
        """Take what the library lends."""
        self.client = client
        self.connection = connection
        # Nobody knows its state, or it is somebody else's by now: hardened, nothing is run on it any more.
        self.broken = self.returned = False
        # Rows that nobody has read are there for as long as their cursor is.
        self.unread: Cursor = None

    async def give_up(self) -> None:
        """Close it: nobody is to use it again."""
        self.broken = True
        with contextlib.suppress(Exception):
            await self.client.sever(self.connection)

    def end(self) -> None:
        """Note that it was given back."""
        self.returned = True


class Client(ABC):
    """A library as it is used.

    Attributes:
        server: where it goes.
        hardened: whether failures are dealt with, or only passed on.
        handle: what the library is used by: a pool, an engine, a connection.
        operation_s: how long a statement may take, None where the library bounds it itself.
    """

    operation_s: float | None = OPERATION_S

    def __init__(self, server: Server, *, hardened: bool) -> None:
        """Open nothing yet."""
        self.server = server
        self.hardened = hardened
        self.handle: Handle = None

    async def start(self) -> None:
        """Open."""
        self.handle = await self.opened()

    async def opened(self) -> Handle:
        """Return what the library is used by; hardened, with a bound, and again while nobody listens."""

        async def within() -> Handle:
            async with asyncio.timeout(CONNECT_S):
                return await self.open()

        return await (opened_async(within) if self.hardened else self.open())

    @abstractmethod
    async def open(self) -> Handle:
        """Return what the library is used by."""

    @abstractmethod
    async def close(self) -> None:
        """Give up all that was opened."""

    async def borrow(self) -> Lease:
        """Borrow a connection."""

        async def within() -> Connection:
            async with asyncio.timeout(LEND_S):
                return await self.lend()

        return Lease(self, await (opened_async(within) if self.hardened else self.lend()))

    @abstractmethod
    async def lend(self) -> Connection:
        """Take a connection out of the pool; hardened, one that is alive."""

    @abstractmethod
    async def take_back(self, connection: Connection) -> None:
        """Give it back as the library's users do."""

    @abstractmethod
    async def clean(self, connection: Connection) -> None:
        """Rid it of what its user left in it, before it is given back."""

    @abstractmethod
    async def sever(self, connection: Connection) -> None:
        """Close it without a word to the server, but do not give it back yet."""

    async def discard(self, connection: Connection) -> None:
        """Give it back after it was severed."""
        await self.take_back(connection)

    @abstractmethod
    async def execute(self, connection: Connection, statement: str, parameters: Parameters) -> Rows:
        """Run a statement, and take all its rows."""

    @abstractmethod
    async def send(self, connection: Connection, statement: str, parameters: Parameters) -> Cursor:
        """Run a statement, and return the cursor with its rows unread."""


async def borrow(client: Client) -> Lease:
    """Borrow a connection."""
    return await client.borrow()


async def give_back(_: Client, lease: Lease) -> None:
    """Give it back; hardened, what goes wrong with that is not the borrower's business."""
    client = lease.client
    if not client.hardened:
        await client.take_back(lease.connection)
        return
    if lease.returned:
        raise GivenUpError("this connection was given back before")
    lease.end()
    if not lease.broken:
        try:
            async with asyncio.timeout(OPERATION_S):
                await client.clean(lease.connection)
                await client.take_back(lease.connection)
        except BaseException as failure:
            await lease.give_up()
            if not isinstance(failure, Exception):
                await _discard(lease)
                raise
    if lease.broken:
        await _discard(lease)


async def run(lease: Lease, statement: str, parameters: Parameters = ()) -> Rows:
    """Run a statement; hardened, a driver's connection that was lost is replaced by read() and write() only."""
    async with _guarded(lease):
        return await lease.client.execute(lease.connection, statement, parameters)


async def commit(lease: Lease) -> None:
    """Commit."""
    async with _guarded(lease):
        await lease.connection.commit()


async def result(lease: Lease, statement: str, parameters: Parameters = ()) -> Cursor:
    """Send a statement and return the cursor, with its rows unread."""
    async with _guarded(lease):
        lease.unread = await lease.client.send(lease.connection, statement, parameters)
        return lease.unread


async def read(client: Client, statement: str, parameters: Parameters = ()) -> Rows:
    """Read."""
    return await _using(client, lambda lease: run(lease, statement, parameters))


async def write(client: Client, statement: str, parameters: Parameters = ()) -> None:
    """Run one statement and commit."""
    await transaction(client, [(statement, parameters)])


async def transaction(client: Client, statements: Statements) -> None:
    """Run them all and commit."""

    async def work(lease: Lease) -> None:
        async with _given_up_on_doubt(lease):
            for statement, parameters in statements:
                await run(lease, statement, parameters)
            await commit(lease)

    async def once() -> None:
        await _using(client, work)

    await (repeated_async(once) if client.hardened else once())


async def close(client: Client) -> None:
    """Give up all that was opened."""
    await client.close()


async def _using(client: Client, work: Callable[[Lease], Awaitable[T]]) -> T:
    lease = await client.borrow()
    try:
        return await work(lease)
    finally:
        await give_back(client, lease)


async def _discard(lease: Lease) -> None:
    # Also a pool may want to say goodbye to a connection that is dead.
    with contextlib.suppress(Exception):
        await lease.client.discard(lease.connection)


@contextlib.asynccontextmanager
async def _guarded(lease: Lease) -> AsyncIterator[None]:
    """Hardened, bound what is done, and give the connection up unless the server has only refused something."""
    if not lease.client.hardened:
        yield
        return
    if lease.broken or lease.returned:
        raise GivenUpError("this connection was given up, or given back: borrow another one")
    async with _given_up_on_doubt(lease), asyncio.timeout(lease.client.operation_s):
        yield


@contextlib.asynccontextmanager
async def _given_up_on_doubt(lease: Lease) -> AsyncIterator[None]:
    try:
        yield
    except BaseException as error:
        if lease.client.hardened and not is_sound_after(error):
            await lease.give_up()
        raise
