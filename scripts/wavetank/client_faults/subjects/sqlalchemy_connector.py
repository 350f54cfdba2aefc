"""SQLAlchemy over mysql-connector-python, whichever of its drivers can be loaded."""

from typing import Any

import mysql.connector

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
from wavetank.client_faults.subjects._settings import verified
from wavetank.client_faults.subjects._sqlalchemy import Engine, held, limit, settings
from wavetank.client_faults.subjects._types import Connection
from wavetank.client_faults.subjects.server import Server

__all__ = ["HARDENED", "KIND", "NAME", "PACKAGES", "borrow", "close", "commit", "connect", "give_back", "held", "limit",
           "read", "result", "run", "transaction", "write"]  # fmt: skip

NAME = "SQLAlchemy, mysql-connector-python"
KIND = "ORM"
PACKAGES = ("SQLAlchemy", "mysql-connector-python")
HARDENED: dict[str, Any] = {
    "pool_size": 5,
    "max_overflow": 0,
    "pool_timeout": 3,
    "pool_pre_ping": True,
    # In its place the event "reset" resets the whole session.
    "pool_reset_on_return": None,
    "connect_args": {
        "connection_timeout": 3,
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
    return Engine(server, "mysqlconnector", settings(HARDENED, verified(server)), _reset, hardened=hardened)


def _reset(connection: Connection) -> None:
    # It says of a lost connection that it was not reset, and does not raise.
    if not connection.cmd_reset_connection():
        raise mysql.connector.OperationalError("the session was not reset")
