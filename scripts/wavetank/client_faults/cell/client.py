"""A cell's client: the subject, the server that it goes to, and the statements whose effect can be counted later."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from wavetank.client_faults.cell.driven import Driven, Rows, Statement
from wavetank.client_faults.cell.telling import attempt, gate, tell
from wavetank.client_faults.subjects.server import Server

INSERT = "INSERT INTO writes (cell, nonce) VALUES (%s, %s)"
_SLOW_INSERT = "INSERT INTO writes (cell, nonce) SELECT %s, %s FROM (SELECT SLEEP(%s)) AS slow"
_ANSWER = "SELECT %s"
SLOW_ANSWER = "SELECT %s FROM (SELECT SLEEP(%s)) AS slow"
COUNT = "SELECT COUNT(*) FROM writes WHERE cell = %s AND nonce = %s"
CONNECTION = "SELECT CONNECTION_ID()"


@dataclass
class CellClient:
    """What a scenario works with.

    Attributes:
        subject: the library.
        server: where it goes.
        hardened: whether it is set up as it should be.
        cell: the number in the column of that name.
        cap_s: how long anything is waited for.
        handle: what connect() returned.
    """

    subject: Driven
    server: Server
    hardened: bool
    cell: int
    cap_s: float
    handle: Any = None
    _nonces: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def open(self) -> None:
        """Connect; where a library does that only when it is used, it is used later."""
        self.handle = self.subject.connect(self.server, hardened=self.hardened)
        tell("opened")

    def another(self, server: Server | None = None) -> "CellClient":
        """Return a second client of the same library, not connected, whose rows are the same cell's."""
        return replace(self, server=server or self.server, handle=None)

    def nonce(self) -> int:
        """Return a number that this cell has not used yet."""
        return next(self._nonces)

    def read(self, what: str = "read") -> bool:
        """Ask the server for a number; return whether it came, which is told, as is what came."""
        nonce = self.nonce()
        return attempt(what, lambda: self._asked(_ANSWER, nonce), kind="read", nonce=nonce) is not None

    def slow_read(self, seconds: float, what: str = "read") -> None:
        """Ask for a number that takes its time."""
        nonce = self.nonce()
        attempt(what, lambda: self._asked(SLOW_ANSWER, nonce, seconds), kind="read", nonce=nonce)

    def _asked(self, statement: str, *parameters: float) -> int:
        return int(self.subject.read(self.handle, statement, parameters)[0][0])

    def write(self, what: str = "write", seconds: float = 0) -> int:
        """Write a row, whose statement takes that long; return its nonce."""
        nonce = self.nonce()
        statement, parameters = (_SLOW_INSERT, (self.cell, nonce, seconds)) if seconds else (INSERT, (self.cell, nonce))
        attempt(what, lambda: self.subject.write(self.handle, statement, parameters), kind="write", nonces=[nonce])
        return nonce

    def transact(self, what: str = "transaction", between: str = "", last: str = "") -> None:
        """Write two rows in one transaction, with a gate between the two, or before COMMIT, that is passed once."""
        first, second = self.nonce(), self.nonce()
        statements = Statements([self.insert(first), self.insert(second)], {1: between, 2: last})
        attempt(what, lambda: self.subject.transaction(self.handle, statements), kind="write", nonces=[first, second])

    def insert(self, nonce: int) -> Statement:
        """Return the statement that writes a row."""
        return INSERT, (self.cell, nonce)

    def rows_of(self, nonce: int) -> int:
        """Return how many rows this client sees of a nonce."""
        return int(self.subject.read(self.handle, COUNT, (self.cell, nonce))[0][0])

    # On a connection that was borrowed, or a driver's own.
    def run(self, connection: Any, statement: str, *parameters: Any) -> Rows:  # noqa: ANN401 - the library's
        """Run a statement on one connection; nothing is committed."""
        rows: Rows = self.subject.run(connection, statement, parameters)
        return rows

    def id_of(self, connection: Any) -> int:  # noqa: ANN401 - the library's
        """Return the server's number of a connection."""
        return int(self.run(connection, CONNECTION)[0][0])

    def finish(self) -> None:
        """Say what the pool says of itself, give everything up, and let what is left be counted."""
        if self.subject.has("held") and self.handle is not None:
            attempt("held", lambda: self.subject.held(self.handle))
        gate("settled")
        if self.subject.has("close") and self.handle is not None:
            attempt("close", lambda: self.subject.close(self.handle))
        gate("closed")
        tell("done")


class Statements:
    """Statements of a transaction, as often as they are asked for; gates among them are passed once."""

    def __init__(self, statements: list[Statement], gates: dict[int, str | Callable[[], None]]) -> None:
        """Take the statements, and what is before the one of that number, or before what follows the last one."""
        self._statements = statements
        self._gates = gates

    def __iter__(self) -> Iterator[Statement]:
        """Yield them; what is before one happens when it is asked for."""
        for number in range(len(self._statements) + 1):
            if stop := self._gates.pop(number, None):
                gate(stop) if isinstance(stop, str) else stop()
            if number < len(self._statements):
                yield self._statements[number]
