"""What peewee's databases have in common: over PyMySQL, with autocommit, and with a connection for each thread."""

import contextlib

from wavetank.client_faults.subjects._blocking import Client
from wavetank.client_faults.subjects._types import Block, Connection, Cursor, Parameters, Rows


class Database(Client):
    """A database, which is what is lent, too: it knows the thread's connection, and within a transaction that one."""

    def lend(self) -> Connection:
        """Lend the thread's connection; hardened, one that is alive."""
        if self.hardened and not self.handle.in_transaction():
            if not self.handle.is_connection_usable():
                self.forget()
            self.handle.connect(reuse_if_open=True)
        return self.handle

    def take_back(self, connection: Connection, error: BaseException | None) -> None:
        """Keep it."""

    def clean(self, connection: Connection) -> None:
        """Leave it: with autocommit no transaction is open, and nobody else is to have it."""

    def sever(self, connection: Connection) -> None:  # noqa: ARG002 - the database knows which
        """Close the thread's connection; a transaction around this one fails by that."""
        if not self.handle.in_transaction():
            self.forget()
        elif not self.handle.is_closed():
            self.handle.connection().close()

    def forget(self) -> None:
        """Close the thread's connection, and forget it also where it cannot be closed."""
        with contextlib.suppress(Exception):
            self.handle.close()

    def execute(self, connection: Connection, statement: str, parameters: Parameters) -> Rows:
        """Run a statement, and take all its rows."""
        cursor = self.send(connection, statement, parameters)
        return list(cursor.fetchall()) if cursor.description else []

    def send(self, connection: Connection, statement: str, parameters: Parameters) -> Cursor:  # noqa: ARG002
        """Run a statement; the driver has fetched the rows, but nobody has read them."""
        return self.handle.execute_sql(statement, tuple(parameters))

    def commit(self, connection: Connection) -> None:  # noqa: ARG002
        """Commit."""
        self.handle.commit()

    def transacting(self, connection: Connection) -> Block:  # noqa: ARG002
        """Have a transaction as its documentation says."""
        return self.handle.atomic()

    def writing(self, connection: Connection) -> Block:  # noqa: ARG002 - autocommit does it
        """Leave it to autocommit."""
        return contextlib.nullcontext()
