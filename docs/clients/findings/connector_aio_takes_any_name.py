"""mysql.connector.aio: with ssl_verify_identity, a certificate with another name is accepted.

MYSQL_CA is the path of the certificate of the server's authority; MYSQL_HOST is an address that the server's
certificate does not have. The blocking connector refuses it.
"""

import asyncio
import os

import _server
import mysql.connector
import mysql.connector.aio

SETTINGS = {
    "host": _server.HOST, "port": _server.PORT, "user": _server.USER, "password": _server.PASSWORD,
    "ssl_verify_cert": True, "ssl_verify_identity": True,
}  # fmt: skip
CA = os.environ["MYSQL_CA"]


def blocking():
    """Return why the blocking connector refuses it, '' where it does not."""
    try:
        mysql.connector.connect(**SETTINGS, ssl_ca=CA, use_pure=True).close()
    except mysql.connector.Error as error:
        return str(error)
    return ""


async def asynchronous():
    """Return why the asynchronous one refuses it, '' where it does not."""
    os.environ["SSL_CERT_FILE"] = CA
    try:
        await (await mysql.connector.aio.connect(**SETTINGS)).close()
    except mysql.connector.Error as error:
        return str(error)
    return ""


refused, accepted = blocking(), asyncio.run(asynchronous())
found = f"blocking: {refused or 'accepted'}; asynchronous: {accepted or 'accepted'}"
_server.shown(found, so=bool(refused and not accepted))
