"""SQLAlchemy's asyncio extension over aiomysql."""

from typing import Any

from wavetank.client_faults.subjects._aiomysql import demand_encryption
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
from wavetank.client_faults.subjects._settings import verifying
from wavetank.client_faults.subjects._sqlalchemy import held, limit, settings
from wavetank.client_faults.subjects._sqlalchemy_async import AsyncEngine
from wavetank.client_faults.subjects._types import Connection
from wavetank.client_faults.subjects.server import Server

__all__ = ["HARDENED", "KIND", "NAME", "PACKAGES", "borrow", "close", "commit", "connect", "give_back", "held", "limit",
           "read", "result", "run", "transaction", "write"]  # fmt: skip

NAME = "SQLAlchemy, aiomysql"
KIND = "ORM"
PACKAGES = ("SQLAlchemy", "aiomysql", "PyMySQL")
HARDENED: dict[str, Any] = {
    "pool_size": 5,
    "max_overflow": 0,
    "pool_timeout": 3,
    "pool_pre_ping": True,
    # In its place the event "reset" resets the whole session.
    "pool_reset_on_return": None,
    "connect_args": {
        # It covers TCP alone, and there is no other timeout: every await is in asyncio.timeout().
        "connect_timeout": 3,
        # And ssl=, a context as ssl.create_default_context(cafile=...) makes it.
    },
}


class Engine(AsyncEngine):
    """An engine; hardened, its connections are encrypted, or they are none."""

    def check(self, connection: Connection) -> None:
        """Raise where a connection is not encrypted."""
        demand_encryption(connection)


async def connect(server: Server, *, hardened: bool) -> AsyncEngine:
    """Return an engine; hardened, over TLS that proves who the server is."""
    engine = Engine(server, "aiomysql", settings(HARDENED, verifying(server)), hardened=hardened)
    await engine.start()
    return engine
