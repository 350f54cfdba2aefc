"""A driver used by itself: one connection, and no pool."""

import contextlib
from abc import ABC
from typing import Self

from wavetank.client_faults.subjects._blocking import Client, Lease
from wavetank.client_faults.subjects._failures import GivenUpError
from wavetank.client_faults.subjects._retrying import opened
from wavetank.client_faults.subjects._types import Connection
from wavetank.client_faults.subjects.server import Server


class Driver(Client, Lease, ABC):
    """A driver's one connection, which is its own lease; hardened, a lost one is replaced before a read or a write."""

    def __init__(self, server: Server, *, hardened: bool) -> None:
        """Connect."""
        Client.__init__(self, server, hardened=hardened)
        Lease.__init__(self, self, self.handle)
        self._at_work = False

    def borrow(self) -> Self:
        """Have a connection that is alive.

        Raises:
            GivenUpError: it is at work, for another thread or for a transaction that this would end.
        """
        if self.hardened:
            if self._at_work:
                raise GivenUpError("this connection is at work: it is one for one thread, and for one thing at a time")
            self._at_work = True
            try:
                self._revive()
            except BaseException:
                self._at_work = False
                raise
        return self

    def close(self) -> None:
        """Close it, unless that is done."""
        if not self.broken:
            super().close()

    def ping(self) -> None:
        """Raise where the connection is lost."""
        self.connection.ping()

    def lend(self) -> Connection:
        """Return the one that there is."""
        return self.connection

    def take_back(self, connection: Connection, error: BaseException | None) -> None:
        """Keep it."""

    def end(self) -> None:
        """Note that it is not at work any more."""
        self._at_work = False

    def _revive(self) -> None:
        self.leave_to_parent()
        if self.connection is self.handle and not self._is_alive():
            self.give_up()
            self.handle = opened(self.open)
        if self.connection is not self.handle:
            self.connection, self.broken = self.handle, False

    def _is_alive(self) -> bool:
        if not self.broken:
            with contextlib.suppress(Exception):
                self.ping()
                return True
        return False
