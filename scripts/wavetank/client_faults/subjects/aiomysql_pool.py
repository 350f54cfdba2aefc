"""aiomysql's pool."""

from typing import Any

import aiomysql

from wavetank.client_faults.subjects._aiomysql import demand_encryption, renamed
from wavetank.client_faults.subjects._async_drivers import PoolLikePyMySQL, held, limit
from wavetank.client_faults.subjects._awaiting import (
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
from wavetank.client_faults.subjects._settings import settings, verifying
from wavetank.client_faults.subjects._types import Connection, Cursor, Handle
from wavetank.client_faults.subjects.server import Server

__all__ = ["HARDENED", "KIND", "NAME", "PACKAGES", "borrow", "close", "commit", "connect", "give_back", "held", "limit",
           "read", "result", "run", "transaction", "write"]  # fmt: skip

NAME = "aiomysql, pool"
KIND = "pool"
PACKAGES = ("aiomysql", "PyMySQL")
HARDENED: dict[str, Any] = {
    "maxsize": 5,
    # It covers TCP alone, and there is no other timeout: every await is in asyncio.timeout().
    "connect_timeout": 3,
    # And ssl=, a context as ssl.create_default_context(cafile=...) makes it.
}


class Pool(PoolLikePyMySQL):
    """The pool; hardened, nobody waits on while there is a place."""

    async def open(self) -> Handle:
        """Return a pool, with one connection."""
        return await aiomysql.create_pool(**renamed(settings(self, HARDENED, verifying)))

    def check(self, connection: Connection) -> None:
        """Raise where it is not encrypted."""
        demand_encryption(connection)

    async def discard(self, connection: Connection) -> None:
        """Free its place, and wake who waits for one: the pool does not for a connection that is closed."""
        await self.handle.release(connection)
        await self.handle._wakeup()  # noqa: SLF001 - there is no other way

    async def streaming(self, connection: Connection) -> Cursor:
        """Return a cursor that does not fetch all rows at once."""
        return await connection.cursor(aiomysql.SSCursor)


async def connect(server: Server, *, hardened: bool) -> Pool:
    """Open a pool; hardened, over TLS that proves who the server is."""
    pool = Pool(server, hardened=hardened)
    await pool.start()
    return pool
