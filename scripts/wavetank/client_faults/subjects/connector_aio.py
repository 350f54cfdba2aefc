"""mysql.connector.aio: the asynchronous driver of mysql-connector-python."""

import os
from typing import Any

import mysql.connector.aio

from wavetank.client_faults.subjects._async_drivers import Driver
from wavetank.client_faults.subjects._awaiting import close, commit, read, result, run, transaction, write
from wavetank.client_faults.subjects._settings import settings, verified
from wavetank.client_faults.subjects._types import Connection, Cursor, Handle, Parameters, Rows
from wavetank.client_faults.subjects.server import Server

__all__ = ["HARDENED", "KIND", "NAME", "PACKAGES", "close", "commit", "connect", "read", "result", "run", "transaction",
           "write"]  # fmt: skip

NAME = "mysql.connector.aio"
KIND = "driver"
PACKAGES = ("mysql-connector-python",)
HARDENED: dict[str, Any] = {
    "connection_timeout": 3,
    # Without it a statement waits for ever.
    "read_timeout": 5,
    "write_timeout": 5,
    # Without ssl_ca, which it does not take alone: SSL_CERT_FILE in the environment is whom it trusts.
    "ssl_verify_cert": True,
    # It has no effect: the driver does not tell TLS whom it talks to.
    "ssl_verify_identity": True,
}


class Client(Driver):
    """One connection."""

    # It bounds each answer by itself.
    operation_s = None

    async def open(self) -> Handle:
        """Return a new connection.

        It takes ssl_ca only together with a client's certificate, and trusts OpenSSL's default without. It does not
        verify the server's name: ssl_verify_identity has no effect, since it does not tell TLS whom it talks to.
        """
        chosen = settings(self, HARDENED, verified)
        if not self.hardened:
            return await mysql.connector.aio.connect(**chosen)
        os.environ["SSL_CERT_FILE"] = chosen.pop("ssl_ca")
        connection = mysql.connector.aio.MySQLConnection(**chosen)
        try:
            await connection.connect()
        except BaseException:
            # What is cancelled meanwhile would keep its connection: nobody has it who could close it.
            await connection.shutdown()
            raise
        return connection

    async def close(self) -> None:
        """Close it."""
        await self.connection.close()

    async def ping(self) -> None:
        """Raise where the connection is lost."""
        await self.connection.ping()

    async def sever(self, connection: Connection) -> None:
        """Close the socket without a word: close() would talk to the server, which may not answer."""
        await connection.shutdown()

    async def execute(self, connection: Connection, statement: str, parameters: Parameters) -> Rows:
        """Run a statement, and take all its rows."""
        async with await connection.cursor() as cursor:
            await cursor.execute(statement, tuple(parameters))
            return list(await cursor.fetchall()) if cursor.description else []

    async def send(self, connection: Connection, statement: str, parameters: Parameters) -> Cursor:
        """Run a statement, and return the cursor with its rows unread."""
        cursor = await connection.cursor()
        await cursor.execute(statement, tuple(parameters))
        return cursor


async def connect(server: Server, *, hardened: bool) -> Client:
    """Connect; hardened, over TLS that proves who the server is."""
    client = Client(server, hardened=hardened)
    await client.start()
    return client
