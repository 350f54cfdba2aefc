"""One statement on one connection, and what its failure means."""

from dataclasses import dataclass
from typing import Any

from mysql.connector import errorcode
from mysql.connector.cursor import MySQLCursorDict
from mysql.connector.errors import (
    InterfaceError,
    OperationalError,
    ProgrammingError,
    ReadTimeoutError,
    WriteTimeoutError,
)

from wavetank.servers.node import Connection, Parameters, Row, StatementError

_READ_ONLY = frozenset({errorcode.ER_OPTION_PREVENTS_STATEMENT, errorcode.ER_READ_ONLY_MODE})
# The server's last words on a connection.
_GOODBYES = frozenset({errorcode.ER_SERVER_SHUTDOWN, errorcode.ER_CLIENT_INTERACTION_TIMEOUT})
_CLIENT_ERRORS = range(2000, 3000)


class ConnectionGoneError(Exception):
    """The connection broke during the statement."""


@dataclass(frozen=True)
class Answer:
    """What a server said: rows by column name, how many rows were changed, the id that was made for a new one."""

    server: str
    rows: list[Row]
    affected: int
    new_id: int | None

    @property
    def value(self) -> Any:  # noqa: ANN401
        """The first column of the first row, None where there is no row."""
        return next(iter(self.rows[0].values())) if self.rows else None


def run(server: str, connection: Connection, statement: str, parameters: Parameters = ()) -> Answer:
    """Run one statement and take all that it returns; of several results, the first is kept.

    Raises:
        ConnectionGoneError: the connection broke; whether the statement was carried out is not known.
        StatementError: the server refuses the statement, or it took too long.
    """
    try:
        # connection.cursor() would ping the server for each, and call a timeout of that a connection not available.
        cursor = MySQLCursorDict(connection)  # type: ignore[arg-type]
        cursor.execute(statement, parameters)  # type: ignore[arg-type]
        rows: list[Row] = cursor.fetchall() if cursor.description else []  # type: ignore[assignment]
        answer = Answer(server, rows, cursor.rowcount, cursor.lastrowid)
        while cursor.nextset():
            cursor.fetchall()
        cursor.close()
    except StatementError as error:
        if is_gone(error):
            raise ConnectionGoneError(f"{server} went away: {error.msg or error}") from error
        raise
    except OSError as error:
        raise ConnectionGoneError(f"{server} went away: {error}") from error
    return answer


def is_gone(error: StatementError) -> bool:
    """Return whether the error says that the connection is gone, rather than that the server refuses something."""
    # The driver found that out before it sent anything.
    noticed = error.errno == -1 and isinstance(error, InterfaceError | OperationalError)
    return noticed or error.errno in _CLIENT_ERRORS or error.errno in _GOODBYES


def takes_no_writes(error: StatementError) -> bool:
    """Return whether the server refused a write because it is a closed one; the statement did nothing."""
    return error.errno in _READ_ONLY and "read-only" in str(error.msg)


def is_sound_after(error: BaseException) -> bool:
    """Return whether the connection can be used again: the server refused the statement, or never heard it."""
    if isinstance(error, ProgrammingError):
        return True
    return isinstance(error, StatementError) and not timed_out(error) and (error.errno or 0) > 0


def timed_out(error: StatementError) -> bool:
    """Return whether the answer took too long; the driver has closed the connection."""
    return isinstance(error, ReadTimeoutError | WriteTimeoutError)
