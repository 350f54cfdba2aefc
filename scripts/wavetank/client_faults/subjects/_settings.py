"""What the libraries call the same: where the server is, who comes to it, and how it proves who it is."""

import ssl
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from wavetank.client_faults.subjects.server import Server


class Going(Protocol):
    """A client that is to go to a server."""

    server: Server
    hardened: bool


def settings(
    client: Going, hardened: Mapping[str, Any], verified: Callable[[Server], Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what connect() takes: where to go and as whom; only if hardened, what bounds and verifies it."""
    server = client.server
    where = {
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "password": server.password,
        "database": server.database,
    }
    return {**where, **hardened, **verified(server)} if client.hardened else where


def verified(server: Server) -> dict[str, Any]:
    """Return what PyMySQL and mysql-connector-python verify the server by; both then refuse one without TLS."""
    return {"ssl_ca": server.ca, "ssl_verify_cert": True, "ssl_verify_identity": server.named}


def verified_by_libmariadb(server: Server) -> dict[str, Any]:
    """Return the same for mysqlclient; with libmariadb, VERIFY_CA would verify the name, too.

    That one verifies the authority whenever it has one.
    """
    return {"ssl_mode": "VERIFY_IDENTITY" if server.named else "REQUIRED", "ssl": {"ca": server.ca}}


def verifying(server: Server) -> dict[str, ssl.SSLContext]:
    """Return the same for the drivers that take a context; without one they do not encrypt."""
    context = ssl.create_default_context(cafile=server.ca)
    context.check_hostname = server.named
    return {"ssl": context}
