"""What SQLAlchemy's engines have in common, whatever their driver is."""

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.pool import PoolResetState

from wavetank.client_faults.subjects._blocking import Client
from wavetank.client_faults.subjects._failures import is_sound_after
from wavetank.client_faults.subjects._types import Block, Connection, Cursor, Handle, Parameters, Rows
from wavetank.client_faults.subjects.server import Server

# 5 that it keeps, and 10 more.
_MOST_BY_DEFAULT = 15


def url(server: Server, driver: str) -> sqlalchemy.URL:
    """Return where an engine goes."""
    return sqlalchemy.URL.create(
        f"mysql+{driver}", server.user, server.password, server.host, server.port, server.database
    )


def settings(hardened: Mapping[str, Any], tls: Mapping[str, Any]) -> dict[str, Any]:
    """Return what create_engine() takes, with that by which the driver verifies the server."""
    return {**hardened, "connect_args": {**hardened["connect_args"], **tls}}


def harden(engine: sqlalchemy.Engine, reset: Callable[[Connection], object]) -> None:
    """Let an engine reset sessions, and give up a connection after every error that is no refusal of the server's."""

    def clean(connection: Connection, _: object, state: PoolResetState) -> None:
        if not state.terminate_only:
            reset(connection)

    def note(context: ExceptionContext) -> None:
        # It does not know all errors by which a driver says that a connection is lost, or that a timeout is over.
        context.is_disconnect = context.is_disconnect or not is_sound_after(context.original_exception)

    event.listen(engine, "reset", clean)
    event.listen(engine, "handle_error", note)


def limit(engine: Any) -> int | None:  # noqa: ANN401 - blocking or not
    """Return how many connections it lends at most."""
    return int(engine.handle.pool.size()) if engine.hardened else _MOST_BY_DEFAULT


def held(engine: Any) -> int:  # noqa: ANN401 - blocking or not
    """Return how many connections its pool counts, lent and idle."""
    return int(engine.handle.pool.checkedin() + engine.handle.pool.checkedout())


class Engine(Client):
    """An engine."""

    def __init__(
        self,
        server: Server,
        driver: str,
        settings: dict[str, Any],
        reset: Callable[[Connection], object],
        *,
        hardened: bool,
    ) -> None:
        """Take what hardens an engine, and what resets a connection of its driver."""
        self._driver = driver
        self._settings = settings
        self._reset = reset
        super().__init__(server, hardened=hardened)

    def open(self) -> Handle:
        """Return an engine, which has no connection yet."""
        if not self.hardened:
            return sqlalchemy.create_engine(url(self.server, self._driver))
        engine = sqlalchemy.create_engine(url(self.server, self._driver), **self._settings)
        harden(engine, self._reset)
        return engine

    def close(self) -> None:
        """Close the idle connections, and those that are lent when they come back."""
        self.handle.dispose()

    def lend(self) -> Connection:
        """Borrow."""
        return self.handle.connect()

    def take_back(self, connection: Connection, error: BaseException | None) -> None:  # noqa: ARG002 - it does not care
        """Return it."""
        connection.close()

    def clean(self, connection: Connection) -> None:
        """Leave it to the pool."""

    def sever(self, connection: Connection) -> None:
        """Close it, and let the pool have another one in its place."""
        connection.invalidate()

    def execute(self, connection: Connection, statement: str, parameters: Parameters) -> Rows:
        """Run a statement, and take all its rows."""
        result = connection.exec_driver_sql(statement, tuple(parameters))
        return [tuple(row) for row in result] if result.returns_rows else []

    def send(self, connection: Connection, statement: str, parameters: Parameters) -> Cursor:
        """Run a statement, and leave its rows unread where the driver has a cursor that does."""
        return connection.exec_driver_sql(statement, tuple(parameters), execution_options={"stream_results": True})

    def transacting(self, connection: Connection) -> Block:
        """Have a transaction as its documentation says."""
        return connection.begin()
