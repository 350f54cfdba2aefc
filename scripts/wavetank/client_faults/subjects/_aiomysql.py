"""What aiomysql needs, by itself and under SQLAlchemy."""

from typing import Any

from wavetank.client_faults.subjects._failures import GivenUpError
from wavetank.client_faults.subjects._types import Connection


def renamed(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings with aiomysql's own name for the schema."""
    return {"db" if name == "database" else name: value for name, value in settings.items()}


def demand_encryption(connection: Connection) -> None:
    """Close a connection without: it goes on without, where the server offers none.

    Raises:
        GivenUpError: there is none.
    """
    if connection._writer.get_extra_info("ssl_object") is None:  # noqa: SLF001 - there is no other way
        connection.close()
        raise GivenUpError("the server offers no encryption")
