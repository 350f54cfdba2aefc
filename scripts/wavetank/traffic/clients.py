"""Clients that write and read at a steady rate, by a way that says what they know of the servers."""

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, Self

from wavetank.errors import UnreachableError
from wavetank.node import Servers, StatementError
from wavetank.traffic.log import READ, WRITE, Operation, OperationLog
from wavetank.traffic.table import INSERT, NEWEST, TABLE, held_ids
from wavetank.traffic.ways import DIRECT, Session, open_way

__all__ = ["Traffic", "held_ids"]

CLIENTS = 4
WRITES_PER_S = 200
READS_PER_S = 200
# Between two looks for a server that takes writes, while there is none.
SEARCH_PAUSE_S = 0.02
STOP_TIMEOUT_S = 30


class Traffic:
    """Writers and readers, as many of each; use it as a context, so that they end with it."""

    def __init__(self, servers: Servers, log: OperationLog | None = None, ways: Sequence[str] = (DIRECT,)) -> None:
        """Know whom to write to, the clients in turn by each of `ways`; nothing is sent yet."""
        self.log = log or OperationLog()
        self._servers = servers
        self._ways = [open_way(name, servers) for name in ways]
        self._names = {node.server_id: node.name for node in servers.topology.nodes}
        self._ids = itertools.count(1)
        self._ids_lock = threading.Lock()
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Make the table on the source, and begin."""
        self._servers[self._servers.topology.sources[0].name].execute(*TABLE)
        for client in range(1, CLIENTS + 1):
            way = self._ways[client % len(self._ways)]
            for run, writes in ((self._write, True), (self._read, False)):
                session = way.session(client // len(self._ways), writes=writes)
                self._threads.append(threading.Thread(target=run, args=(client, session)))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End all clients; what they have sent is answered or fails first."""
        self._over.set()
        for thread in self._threads:
            thread.join(STOP_TIMEOUT_S)
        for way in self._ways:
            way.close()

    def __enter__(self) -> Self:
        """Begin."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End all clients."""
        self.stop()

    def _ticks(self, per_s: float) -> Iterator[None]:
        """Yield at a steady rate until it is over; what was missed while waiting is not made up for."""
        due = time.monotonic()
        while not self._over.is_set():
            yield
            due = max(due + 1 / per_s, time.monotonic())
            self._over.wait(due - time.monotonic())

    def _write(self, client: int, session: Session) -> None:
        for _ in self._ticks(WRITES_PER_S / CLIENTS):
            if not session.asks and not session.find():
                self._over.wait(SEARCH_PAUSE_S)
                continue
            with self._ids_lock:
                id_ = next(self._ids)
            self._log(WRITE, client, id_, session, INSERT, client, id_)
        session.close()

    def _read(self, client: int, session: Session) -> None:
        for _ in self._ticks(READS_PER_S / CLIENTS):
            if not session.asks and not session.find():
                self._over.wait(SEARCH_PAUSE_S)
                continue
            self._log(READ, client, 0, session, NEWEST, client)
        session.close()

    def _log(self, kind: Any, client: int, id_: int, session: Session, statement: str, *values: int) -> None:  # noqa: ANN401
        server, sent_s, error = session.asks, time.monotonic(), ""
        try:
            rows, taker = session.run(statement, *values)
            id_, taker = (int(rows[0]["id"]), int(rows[0]["taker"])) if rows else (id_, taker)
            server = self._names.get(taker, f"server {taker}")
        except StatementError as refusal:
            error = f"error {refusal.errno}"
        except UnreachableError as lost:
            error = " ".join(str(lost).removeprefix(f"{server} does not answer: ").split(". ")[0].split())
        self.log.add(Operation(kind, client, id_, sent_s, time.monotonic(), server, error))
