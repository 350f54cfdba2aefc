"""asyncmy: PyMySQL with await, in Cython."""

from typing import Any

import asyncmy
from asyncmy.cursors import SSCursor

from wavetank.client_faults.subjects._async_drivers import OneLikePyMySQL
from wavetank.client_faults.subjects._awaiting import close, commit, read, result, run, transaction, write
from wavetank.client_faults.subjects._settings import settings, verifying
from wavetank.client_faults.subjects._types import Connection, Cursor, Handle
from wavetank.client_faults.subjects.server import Server

__all__ = ["HARDENED", "KIND", "NAME", "PACKAGES", "close", "commit", "connect", "read", "result", "run", "transaction",
           "write"]  # fmt: skip

NAME = "asyncmy"
KIND = "driver"
PACKAGES = ("asyncmy",)
HARDENED: dict[str, Any] = {
    # It covers TCP alone. There is a read_timeout, after which it waits 30 s more for the other side to close TLS:
    # every await is in asyncio.timeout() instead.
    "connect_timeout": 3,
    # And ssl=, a context as ssl.create_default_context(cafile=...) makes it.
}


class Client(OneLikePyMySQL):
    """One connection."""

    async def open(self) -> Handle:
        """Return a new connection."""
        return await asyncmy.connect(**settings(self, HARDENED, verifying))

    async def streaming(self, connection: Connection) -> Cursor:
        """Return a cursor that does not fetch all rows at once."""
        return connection.cursor(SSCursor)


async def connect(server: Server, *, hardened: bool) -> Client:
    """Connect; hardened, over TLS that proves who the server is."""
    client = Client(server, hardened=hardened)
    await client.start()
    return client
