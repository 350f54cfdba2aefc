"""COM_RESET_CONNECTION, by which the server forgets a session's state, for the drivers that have no method for it.

The session has the server's defaults then: autocommit is on, which DB-API wants off.
"""

from wavetank.client_faults.subjects._types import Connection

_RESET_CONNECTION = 0x1F


def reset(connection: Connection, *, autocommit: bool = False) -> None:
    """Reset a connection of PyMySQL."""
    connection._execute_command(_RESET_CONNECTION, b"")  # noqa: SLF001 - there is no other way
    connection._read_ok_packet()  # noqa: SLF001
    connection.autocommit(autocommit)


async def reset_async(connection: Connection) -> None:
    """Reset a connection of aiomysql or asyncmy."""
    await connection._execute_command(_RESET_CONNECTION, b"")  # noqa: SLF001 - there is no other way
    await connection._read_ok_packet()  # noqa: SLF001
    await connection.autocommit(False)  # noqa: FBT003 - their own signature
