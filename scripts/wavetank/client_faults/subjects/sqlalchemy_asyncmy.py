"""SQLAlchemy's asyncio extension over asyncmy."""

from typing import Any

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
from wavetank.client_faults.subjects.server import Server

__all__ = ["HARDENED", "KIND", "NAME", "PACKAGES", "borrow", "close", "commit", "connect", "give_back", "held", "limit",
           "read", "result", "run", "transaction", "write"]  # fmt: skip

NAME = "SQLAlchemy, asyncmy"
KIND = "ORM"
PACKAGES = ("SQLAlchemy", "asyncmy")
HARDENED: dict[str, Any] = {
    "pool_size": 5,
    "max_overflow": 0,
    "pool_timeout": 3,
    "pool_pre_ping": True,
    # In its place the event "reset" resets the whole session.
    "pool_reset_on_return": None,
    "connect_args": {
        # It covers TCP alone. There is a read_timeout, after which it waits 30 s more for the other side to close TLS:
        # every await is in asyncio.timeout() instead.
        "connect_timeout": 3,
        # And ssl=, a context as ssl.create_default_context(cafile=...) makes it.
    },
}


async def connect(server: Server, *, hardened: bool) -> AsyncEngine:
    """Return an engine; hardened, over TLS that proves who the server is."""
    engine = AsyncEngine(server, "asyncmy", settings(HARDENED, verifying(server)), hardened=hardened)
    await engine.start()
    return engine
