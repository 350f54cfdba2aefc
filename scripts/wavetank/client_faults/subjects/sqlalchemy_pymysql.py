"""SQLAlchemy over PyMySQL."""

from typing import Any

from wavetank.client_faults.subjects._blocking import (
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
from wavetank.client_faults.subjects._resetting import reset
from wavetank.client_faults.subjects._settings import verified
from wavetank.client_faults.subjects._sqlalchemy import Engine, held, limit, settings
from wavetank.client_faults.subjects.server import Server

__all__ = ["HARDENED", "KIND", "NAME", "PACKAGES", "borrow", "close", "commit", "connect", "give_back", "held", "limit",
           "read", "result", "run", "transaction", "write"]  # fmt: skip

NAME = "SQLAlchemy, PyMySQL"
KIND = "ORM"
PACKAGES = ("SQLAlchemy", "PyMySQL")
HARDENED: dict[str, Any] = {
    "pool_size": 5,
    "max_overflow": 0,
    "pool_timeout": 3,
    "pool_pre_ping": True,
    # In its place the event "reset" resets the whole session.
    "pool_reset_on_return": None,
    "connect_args": {
        # It covers TCP alone, read_timeout the greeting and the login, too.
        "connect_timeout": 3,
        # Without it a statement waits for ever.
        "read_timeout": 5,
        "write_timeout": 5,
        # With ssl_ca, which alone verifies nothing.
        "ssl_verify_cert": True,
        "ssl_verify_identity": True,
    },
}


def connect(server: Server, *, hardened: bool) -> Engine:
    """Return an engine; hardened, over TLS that proves who the server is."""
    return Engine(server, "pymysql", settings(HARDENED, verified(server)), reset, hardened=hardened)
