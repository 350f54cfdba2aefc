"""peewee: MySQLDatabase, over PyMySQL."""

from typing import Any

from peewee import MySQLDatabase

from wavetank.client_faults.subjects._blocking import close, read, transaction, write
from wavetank.client_faults.subjects._peewee import Database
from wavetank.client_faults.subjects._settings import settings, verified
from wavetank.client_faults.subjects._types import Handle
from wavetank.client_faults.subjects.server import Server

__all__ = ["HARDENED", "KIND", "NAME", "PACKAGES", "close", "connect", "read", "transaction", "write"]

NAME = "peewee, MySQLDatabase"
KIND = "ORM"
PACKAGES = ("peewee", "PyMySQL")
HARDENED: dict[str, Any] = {
    # It covers TCP alone, read_timeout the greeting and the login, too.
    "connect_timeout": 3,
    # Without it a statement waits for ever.
    "read_timeout": 5,
    "write_timeout": 5,
    # With ssl_ca, which alone verifies nothing.
    "ssl_verify_cert": True,
    "ssl_verify_identity": True,
}


class Plain(Database):
    """The database."""

    def open(self) -> Handle:
        """Return the database, connected."""
        database = MySQLDatabase(**settings(self, HARDENED, verified))
        database.connect()
        return database


def connect(server: Server, *, hardened: bool) -> Plain:
    """Connect; hardened, over TLS that proves who the server is."""
    return Plain(server, hardened=hardened)
