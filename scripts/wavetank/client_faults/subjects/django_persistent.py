"""Django's MySQL backend, over mysqlclient, with persistent connections: CONN_MAX_AGE=None."""

import contextlib
import itertools
from typing import Any

import django
from django.conf import settings
from django.db import close_old_connections, connections
from django.db import transaction as transactions

from wavetank.client_faults.subjects._blocking import Client, close, read, transaction, write
from wavetank.client_faults.subjects._settings import verified_by_libmariadb
from wavetank.client_faults.subjects._types import Block, Connection, Handle, Parameters, Rows
from wavetank.client_faults.subjects.server import Server

__all__ = ["HARDENED", "KIND", "NAME", "PACKAGES", "close", "connect", "read", "transaction", "write"]

NAME = "Django, CONN_MAX_AGE=None"
KIND = "ORM"
PACKAGES = ("Django", "mysqlclient")
HARDENED: dict[str, Any] = {
    # Ping at the first query of each request.
    "CONN_HEALTH_CHECKS": True,
    "OPTIONS": {
        "connect_timeout": 3,
        # Without it a statement waits for ever.
        "read_timeout": 5,
        "write_timeout": 5,
        # With ssl={"ca": ...}; else encryption is a matter of the C library's defaults.
        "ssl_mode": "VERIFY_IDENTITY",
    },
}
_numbers = itertools.count()


class Database(Client):
    """An alias of its own in DATABASES; each read and write is a request, with what Django does around one."""

    def open(self) -> Handle:
        """Return the alias; a thread connects when it asks."""
        if not settings.configured:
            settings.configure(DATABASES={})
            django.setup()
        alias = f"client{next(_numbers)}"
        connections.settings[alias] = self._settings()
        connections.configure_settings(connections.settings)
        return alias

    def close(self) -> None:
        """Close this thread's connection."""
        connections[self.handle].close()

    def lend(self) -> Connection:
        """Begin a request; hardened, connect by now."""
        connection = connections[self.handle]
        _end_of_request(connection)
        if self.hardened:
            connection.close_if_health_check_failed()
            connection.ensure_connection()
        return connection

    def take_back(self, connection: Connection, error: BaseException | None) -> None:  # noqa: ARG002 - it looks itself
        """End a request."""
        _end_of_request(connection)

    def clean(self, connection: Connection) -> None:
        """Leave it: with autocommit no transaction is open, and nobody else is to have it."""

    def execute(self, connection: Connection, statement: str, parameters: Parameters) -> Rows:
        """Run a statement, and take all its rows."""
        with connection.cursor() as cursor:
            cursor.execute(statement, tuple(parameters) or None)
            return list(cursor.fetchall()) if cursor.description else []

    def transacting(self, connection: Connection) -> Block:
        """Have a transaction as its documentation says."""
        return transactions.atomic(using=connection.alias)

    def writing(self, connection: Connection) -> Block:  # noqa: ARG002 - autocommit does it
        """Leave it to autocommit."""
        return contextlib.nullcontext()

    def _settings(self) -> dict[str, Any]:
        """Return what DATABASES has for the alias."""
        where = {
            "ENGINE": "django.db.backends.mysql",
            "HOST": self.server.host,
            "PORT": self.server.port,
            "USER": self.server.user,
            "PASSWORD": self.server.password,
            "NAME": self.server.database,
            "CONN_MAX_AGE": None,
        }
        if not self.hardened:
            return where
        return where | HARDENED | {"OPTIONS": HARDENED["OPTIONS"] | verified_by_libmariadb(self.server)}


def connect(server: Server, *, hardened: bool) -> Database:
    """Configure a database; hardened, over TLS that proves who the server is."""
    return Database(server, hardened=hardened)


def _end_of_request(connection: Connection) -> None:
    """Do what Django does at the beginning and the end of a request, of which a transaction is but a part."""
    if not connection.in_atomic_block:
        close_old_connections()
