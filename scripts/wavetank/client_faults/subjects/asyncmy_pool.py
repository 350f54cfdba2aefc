"""asyncmy's pool."""

from typing import Any

import asyncmy
from asyncmy.cursors import SSCursor

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

NAME = "asyncmy, pool"
KIND = "pool"
PACKAGES = ("asyncmy",)
HARDENED: dict[str, Any] = {
    "maxsize": 5,
    # It covers TCP alone. There is a read_timeout, after which it waits 30 s more for the other side to close TLS:
    # every await is in asyncio.timeout() instead.
    "connect_timeout": 3,
    # And ssl=, a context as ssl.create_default_context(cafile=...) makes it.
}


class Pool(PoolLikePyMySQL):
    """The pool."""

    async def open(self) -> Handle:
        """Return a pool, with one connection."""
        return await asyncmy.create_pool(**settings(self, HARDENED, verifying))

    async def streaming(self, connection: Connection) -> Cursor:
        """Return a cursor that does not fetch all rows at once."""
        return connection.cursor(SSCursor)


async def connect(server: Server, *, hardened: bool) -> Pool:
    """Open a pool; hardened, over TLS that proves who the server is."""
    pool = Pool(server, hardened=hardened)
    await pool.start()
    return pool
