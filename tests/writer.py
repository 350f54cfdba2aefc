"""An application that writes row after row and keeps a log of what was acknowledged."""

import contextlib
import threading
from typing import Self

from wavetank.errors import UnreachableError
from wavetank.servers.node import Server, StatementError
from wavetank.waiting import wait_until

PATIENCE_S = 20
CATCH_UP_S = 20


class Writer:
    """Writes single rows to one server after the other, each as a transaction, until it is stopped.

    A row's id is the number of the attempt, so that what was acknowledged can be looked for afterwards.
    """

    def __init__(self, *servers: Server, first: int = 1) -> None:
        """Write to `servers`, each in its turn, with ids from `first` on."""
        self._servers = servers
        self._next = first
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.acknowledged: dict[int, str] = {}
        self.failed: dict[int, str] = {}

    def __enter__(self) -> Self:
        """Make the table and begin."""
        self._servers[0].execute(
            "CREATE SCHEMA IF NOT EXISTS drill",
            "CREATE TABLE IF NOT EXISTS drill.writes (id BIGINT PRIMARY KEY, origin VARCHAR(40) NOT NULL)",
            "DELETE FROM drill.writes",
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the thread."""
        self.stop()

    def _run(self) -> None:
        while not self._stopped.is_set():
            server = self._servers[self._next % len(self._servers)]
            try:
                server.query("INSERT INTO drill.writes VALUES (%s, %s)", [self._next, server.name], account="admin")
                self.acknowledged[self._next] = server.name
            except (StatementError, UnreachableError) as error:
                self.failed[self._next] = str(error)
            self._next += 1
            self._stopped.wait(0.002)

    def wait_for(self, more: int) -> None:
        """Wait until so many more rows have been acknowledged."""
        goal = len(self.acknowledged) + more
        wait_until(f"{more} more rows", lambda: len(self.acknowledged) >= goal, timeout_s=PATIENCE_S, interval_s=0.02)

    def stop(self) -> set[int]:
        """Stop writing; return the ids of what was acknowledged."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(PATIENCE_S)
        return set(self.acknowledged)

    def missing_on(self, server: Server) -> set[int]:
        """Return the ids that were acknowledged and are not on `server`, once it has had the time to catch up."""
        for other in self._servers:
            with contextlib.suppress(UnreachableError):
                executed = other.value("SELECT @@GLOBAL.gtid_executed")
                server.query("SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, %s)", [executed, CATCH_UP_S], account="admin")
        return set(self.acknowledged) - {
            row["id"] for row in server.query("SELECT id FROM drill.writes", account="admin")
        }
