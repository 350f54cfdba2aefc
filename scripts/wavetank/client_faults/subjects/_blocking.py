"""What all blocking libraries have in common: the protocol of the subjects, on a few methods for each library.

With a library's defaults nothing is done that its documentation does not do. Hardened, a connection of whose state
nobody knows is never used again, and only what is known not to have run is tried again.
"""

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, TypeVar

from wavetank.client_faults.subjects._failures import GivenUpError, is_sound_after
from wavetank.client_faults.subjects._retrying import opened, repeated
from wavetank.client_faults.subjects._types import Block, Connection, Cursor, Handle, Parameters, Rows, Statements
from wavetank.client_faults.subjects.server import Server

T = TypeVar("T")
# A parent's connections: a child that closed them, or let them be collected, would end them for the parent.
_parents: list[Handle] = []


class Lease:
    """A connection that is lent."""

    def __init__(self, client: "Client", connection: Connection) -> None:
        """Take what the library lends."""
        self.client = client
        self.connection = connection
        # Nobody knows its state, or it is somebody else's by now: hardened, nothing is run on it any more.
        self.broken = self.returned = False
        # Rows that nobody has read are there for as long as their cursor is.
        self.unread: Cursor = None

    def give_up(self) -> None:
        """Close it: nobody is to use it again."""
        self.broken = True
        with contextlib.suppress(Exception):
            self.client.sever(self.connection)

    def end(self) -> None:
        """Note that it was given back."""
        self.returned = True


class Client(ABC):
    """A library as it is used; most methods are what DB-API says, and a pool says the rest.

    Attributes:
        server: where it goes.
        hardened: whether failures are dealt with, or only passed on.
        handle: what the library is used by: a pool, an engine, a connection.
        exhausted: what the library raises while it has no connection, and may have one soon.
        undone: what the library raises where it knows that the transaction did nothing.
        unbuffered: what makes a cursor one that does not fetch all rows at once.
    """

    exhausted: tuple[type[Exception], ...] = ()
    undone: tuple[type[Exception], ...] = ()
    unbuffered: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, server: Server, *, hardened: bool) -> None:
        """Open."""
        self.server = server
        self.hardened = hardened
        self._opened_by = os.getpid()
        self.handle: Handle = self._open_hardened() if hardened else self.open()

    @abstractmethod
    def open(self) -> Handle:
        """Return what the library is used by."""

    def close(self) -> None:
        """Give up all that was opened."""
        self.handle.close()

    def borrow(self) -> Lease:
        """Borrow a connection."""
        if not self.hardened:
            return Lease(self, self.lend())
        self.leave_to_parent()
        return Lease(self, opened(self.lend, self.exhausted))

    def leave_to_parent(self) -> None:
        """In a forked child, open anew: the connections are the parent's."""
        if self._opened_by != os.getpid():
            _parents.append(self.handle)
            self._opened_by = os.getpid()
            self.handle = self._open_hardened()

    def _open_hardened(self) -> Handle:
        return opened(self.open, self.exhausted)

    @abstractmethod
    def lend(self) -> Connection:
        """Take a connection out of the pool; hardened, one that is alive."""

    @abstractmethod
    def take_back(self, connection: Connection, error: BaseException | None) -> None:
        """Give it back as the library's users do; `error` is what ended the work on it."""

    def clean(self, connection: Connection) -> None:
        """Rid it of what its user left in it, before it is given back."""
        connection.rollback()

    def sever(self, connection: Connection) -> None:
        """Close it, but do not give it back yet."""
        connection.close()

    def discard(self, connection: Connection) -> None:
        """Give it back after it was severed."""
        self.take_back(connection, None)

    def execute(self, connection: Connection, statement: str, parameters: Parameters) -> Rows:
        """Run a statement, and take all its rows."""
        with connection.cursor() as cursor:
            cursor.execute(statement, tuple(parameters))
            return list(cursor.fetchall()) if cursor.description else []

    def send(self, connection: Connection, statement: str, parameters: Parameters) -> Cursor:
        """Run a statement, and return the cursor with its rows unread."""
        cursor = connection.cursor(**self.unbuffered)
        cursor.execute(statement, tuple(parameters))
        return cursor

    def commit(self, connection: Connection) -> None:
        """Commit."""
        connection.commit()

    def transacting(self, connection: Connection) -> Block:
        """Commit what is run in the block."""
        return self.committing(connection)

    @contextlib.contextmanager
    def committing(self, connection: Connection) -> Iterator[None]:
        """Commit at the end of the block, without a beginning: DB-API begins by itself."""
        yield
        self.commit(connection)

    def writing(self, connection: Connection) -> Block:
        """Commit the one statement that is run in the block."""
        return self.transacting(connection)


def borrow(client: Client) -> Lease:
    """Borrow a connection."""
    return client.borrow()


def give_back(_: Client, lease: Lease, error: BaseException | None = None) -> None:
    """Give it back; hardened, what goes wrong with that is not the borrower's business."""
    client = lease.client
    if not client.hardened:
        client.take_back(lease.connection, error)
        return
    if lease.returned:
        raise GivenUpError("this connection was given back before")
    lease.end()
    if not lease.broken:
        try:
            client.clean(lease.connection)
            client.take_back(lease.connection, error)
        except BaseException as failure:
            lease.give_up()
            if not isinstance(failure, Exception):
                raise
    if lease.broken:
        with contextlib.suppress(Exception):
            client.discard(lease.connection)


def run(lease: Lease, statement: str, parameters: Parameters = ()) -> Rows:
    """Run a statement; hardened, a driver's connection that was lost is replaced by read() and write() only."""
    with _guarded(lease):
        return lease.client.execute(lease.connection, statement, parameters)


def commit(lease: Lease) -> None:
    """Commit."""
    with _guarded(lease):
        lease.client.commit(lease.connection)


def result(lease: Lease, statement: str, parameters: Parameters = ()) -> Cursor:
    """Send a statement and return the cursor, with its rows unread."""
    with _guarded(lease):
        lease.unread = lease.client.send(lease.connection, statement, parameters)
        return lease.unread


def read(client: Client, statement: str, parameters: Parameters = ()) -> Rows:
    """Read."""
    return _using(client, lambda lease: run(lease, statement, parameters))


def write(client: Client, statement: str, parameters: Parameters = ()) -> None:
    """Run one statement and commit."""

    def work(lease: Lease) -> None:
        with _guarded(lease), client.writing(lease.connection):
            client.execute(lease.connection, statement, parameters)

    _repeated(client, work)


def transaction(client: Client, statements: Statements) -> None:
    """Run them all and commit."""

    def work(lease: Lease) -> None:
        with _guarded(lease), client.transacting(lease.connection):
            for statement, parameters in statements:
                client.execute(lease.connection, statement, parameters)

    _repeated(client, work)


def close(client: Client) -> None:
    """Give up all that was opened."""
    client.close()


def _using(client: Client, work: Callable[[Lease], T]) -> T:
    lease = client.borrow()
    try:
        outcome = work(lease)
    except BaseException as error:
        give_back(client, lease, error)
        raise
    give_back(client, lease)
    return outcome


def _repeated(client: Client, work: Callable[[Lease], None]) -> None:
    if client.hardened:
        repeated(lambda: _using(client, work), client.undone)
    else:
        _using(client, work)


@contextlib.contextmanager
def _guarded(lease: Lease) -> Iterator[None]:
    """Hardened, give the connection up unless the server has only refused something."""
    if lease.client.hardened and (lease.broken or lease.returned):
        raise GivenUpError("this connection was given up, or given back: borrow another one")
    try:
        yield
    except BaseException as error:
        if lease.client.hardened and not is_sound_after(error):
            lease.give_up()
        raise
