"""SQLAlchemy over mysqlclient."""

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
from wavetank.client_faults.subjects._settings import verified_by_libmariadb
from wavetank.client_faults.subjects._sqlalchemy import Engine, held, limit, settings
from wavetank.client_faults.subjects._types import Connection
from wavetank.client_faults.subjects.server import Server

__all__ = ["HARDENED", "KIND", "NAME", "PACKAGES", "borrow", "close", "commit", "connect", "give_back", "held", "limit",
           "read", "result", "run", "transaction", "write"]  # fmt: skip

NAME = "SQLAlchemy, mysqlclient"
KIND = "ORM"
PACKAGES = ("SQLAlchemy", "mysqlclient")
HARDENED: dict[str, Any] = {
    "pool_size": 5,
    "max_overflow": 0,
    "pool_timeout": 3,
    "pool_pre_ping": True,
    # In its place the event "reset" resets the whole session.
    "pool_reset_on_return": None,
    "connect_args": {
        "connect_timeout": 3,
        # Without it a statement waits for ever.
        "read_timeout": 5,
        "write_timeout": 5,
        # With ssl={"ca": ...}; else encryption is a matter of the C library's defaults.
        "ssl_mode": "VERIFY_IDENTITY",
    },
}


def connect(server: Server, *, hardened: bool) -> Engine:
    """Return an engine; hardened, over TLS that proves who the server is."""

    def reset(connection: Connection) -> None:
        # It has no COM_RESET_CONNECTION. This does the same, but leaves a collation that is the client library's.
        connection.change_user(server.user, server.password, server.database)
        connection.set_character_set(connection.character_set_name())
        connection.autocommit(False)  # noqa: FBT003 - its own signature

    return Engine(server, "mysqldb", settings(HARDENED, verified_by_libmariadb(server)), reset, hardened=hardened)
