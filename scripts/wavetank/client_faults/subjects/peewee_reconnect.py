"""peewee: MySQLDatabase with ReconnectMixin, over PyMySQL."""

from typing import Any

from peewee import MySQLDatabase
from playhouse.shortcuts import ReconnectMixin

from wavetank.client_faults.subjects._blocking import close, read, transaction, write
from wavetank.client_faults.subjects._peewee import Database
from wavetank.client_faults.subjects._settings import settings, verified
from wavetank.client_faults.subjects._types import Block, Connection, Handle
from wavetank.client_faults.subjects.server import Server

__all__ = ["HARDENED", "KIND", "NAME", "PACKAGES", "close", "connect", "read", "transaction", "write"]

NAME = "peewee, ReconnectMixin"
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


class ReconnectingDatabase(ReconnectMixin, MySQLDatabase):  # type: ignore[misc]
    """As its documentation has it."""


class Reconnecting(Database):
    """The database; hardened, every write is in a transaction: others are run again after their answer was lost."""

    def open(self) -> Handle:
        """Return the database, connected."""
        database = ReconnectingDatabase(**settings(self, HARDENED, verified))
        database.connect()
        return database

    def writing(self, connection: Connection) -> Block:
        """Hardened, have a transaction for one statement, too."""
        return self.transacting(connection) if self.hardened else super().writing(connection)


def connect(server: Server, *, hardened: bool) -> Reconnecting:
    """Connect; hardened, over TLS that proves who the server is."""
    return Reconnecting(server, hardened=hardened)
