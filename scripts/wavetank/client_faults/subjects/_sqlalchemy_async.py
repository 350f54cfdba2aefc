"""What SQLAlchemy's asynchronous engines have in common, whatever their driver is."""

from typing import Any

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.ext.asyncio import create_async_engine

from wavetank.client_faults.subjects import _sqlalchemy
from wavetank.client_faults.subjects._awaiting import Client
from wavetank.client_faults.subjects._resetting import reset_async
from wavetank.client_faults.subjects._types import Connection, Cursor, Handle, Parameters, Rows
from wavetank.client_faults.subjects.server import Server


class AsyncEngine(Client):
    """An engine."""

    def __init__(self, server: Server, driver: str, settings: dict[str, Any], *, hardened: bool) -> None:
        """Take what hardens an engine."""
        super().__init__(server, hardened=hardened)
        self._driver = driver
        self._settings = settings

    async def open(self) -> Handle:
        """Return an engine, which has no connection yet."""
        if not self.hardened:
            return create_async_engine(_sqlalchemy.url(self.server, self._driver))
        engine = create_async_engine(_sqlalchemy.url(self.server, self._driver), **self._settings)
        _sqlalchemy.harden(engine.sync_engine, lambda connection: connection.run_async(reset_async))
        event.listen(engine.sync_engine, "connect", lambda connection, _: self.check(connection.driver_connection))
        return engine

    def check(self, connection: Connection) -> None:
        """Raise where a connection is not what was asked for."""

    async def close(self) -> None:
        """Close the idle connections, and those that are lent when they come back."""
        await self.handle.dispose()

    async def lend(self) -> Connection:
        """Borrow."""
        return await self.handle.connect()

    async def take_back(self, connection: Connection) -> None:
        """Return it."""
        await connection.close()

    async def clean(self, connection: Connection) -> None:
        """Leave it to the pool."""

    async def sever(self, connection: Connection) -> None:
        """Close it, and let the pool have another one in its place."""
        await connection.invalidate()

    async def execute(self, connection: Connection, statement: str, parameters: Parameters) -> Rows:
        """Run a statement, and take all its rows."""
        result = await connection.exec_driver_sql(statement, tuple(parameters))
        return [tuple(row) for row in result] if result.returns_rows else []

    async def send(self, connection: Connection, statement: str, parameters: Parameters) -> Cursor:
        """Run a statement, and return the result with its rows unread."""
        names = [f"p{number}" for number in range(len(parameters))]
        text = sqlalchemy.text(statement % tuple(f":{name}" for name in names))
        return await connection.stream(text, dict(zip(names, parameters, strict=True)))
