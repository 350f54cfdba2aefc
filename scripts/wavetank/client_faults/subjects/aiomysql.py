"""aiomysql: PyMySQL with await."""

from typing import Any

import aiomysql

from wavetank.client_faults.subjects._aiomysql import demand_encryption, renamed
from wavetank.client_faults.subjects._async_drivers import OneLikePyMySQL
from wavetank.client_faults.subjects._awaiting import close, commit, read, result, run, transaction, write
from wavetank.client_faults.subjects._settings import settings, verifying
from wavetank.client_faults.subjects._types import Connection, Cursor, Handle
from wavetank.client_faults.subjects.server import Server

__all__ = ["HARDENED", "KIND", "NAME", "PACKAGES", "close", "commit", "connect", "read", "result", "run", "transaction",
           "write"]  # fmt: skip

NAME = "aiomysql"
KIND = "driver"
PACKAGES = ("aiomysql", "PyMySQL")
HARDENED: dict[str, Any] = {
    # It covers TCP alone, and there is no other timeout: every await is in asyncio.timeout().
    "connect_timeout": 3,
    # And ssl=, a context as ssl.create_default_context(cafile=...) makes it.
}


class Client(OneLikePyMySQL):
    """One connection."""

    async def open(self) -> Handle:
        """Return a new connection."""
        connection = await aiomysql.connect(**renamed(settings(self, HARDENED, verifying)))
        if self.hardened:
            demand_encryption(connection)
        return connection

    async def streaming(self, connection: Connection) -> Cursor:
        """Return a cursor that does not fetch all rows at once."""
        return await connection.cursor(aiomysql.SSCursor)


async def connect(server: Server, *, hardened: bool) -> Client:
    """Connect; hardened, over TLS that proves who the server is."""
    client = Client(server, hardened=hardened)
    await client.start()
    return client
