"""Clients that write and read at a steady rate, by a way that says what they know of the servers."""

import itertools
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

from wavetank.drills.traffic.choosing import open_route
from wavetank.drills.traffic.client_route import DIRECT, Session
from wavetank.drills.traffic.load import Load, ticks
from wavetank.drills.traffic.log import READ, WRITE, Operation, OperationLog
from wavetank.drills.traffic.table import INSERT, NEWEST, TABLE, held_ids
from wavetank.drills.traffic.threads import Workers
from wavetank.errors import UnreachableError
from wavetank.servers.node import Servers, StatementError

__all__ = ["Traffic", "held_ids"]

CLIENTS = 4
WRITES_PER_S = 200
READS_PER_S = 200
# Between two looks for a server that takes writes, while there is none.
SEARCH_PAUSE_S = 0.02
STOP_TIMEOUT_S = 30
# Why a client could not even ask.
NOBODY = "nobody to ask"

Kind = Literal["write", "read"]


@dataclass(frozen=True)
class Asked:
    """What a client is about to ask: `due_s` is when it was to, in seconds of the monotonic clock."""

    kind: Kind
    client: int
    id: int
    due_s: float


class Traffic:
    """Writers and readers, as many of each; use it as a context, so that they end with it."""

    def __init__(self, servers: Servers, log: OperationLog | None = None, ways: Sequence[str] = (DIRECT,)) -> None:
        """Take the servers, the clients in turn by each of `ways`; nothing is sent yet."""
        self.log = log or OperationLog()
        self._servers = servers
        self._ways = [open_route(name, servers) for name in ways]
        self._names = {node.server_id: node.name for node in servers.topology.nodes}
        self._ids = itertools.count(1)
        self._ids_lock = threading.Lock()
        self._began_s = 0.0
        self._workers = Workers()

    @property
    def load(self) -> Load:
        """What the clients have offered so far."""
        ended_s = self._workers.ended_s or time.monotonic()
        return Load(self._began_s or ended_s, ended_s, CLIENTS, WRITES_PER_S, READS_PER_S)

    @property
    def faults(self) -> list[str]:
        """Which clients died of what nobody expected, or did not end, a sentence each."""
        return self._workers.faults

    def start(self) -> None:
        """Make the table on the source, and begin."""
        self._servers[self._servers.topology.sources[0].name].execute(*TABLE)
        for client in range(1, CLIENTS + 1):
            way = self._ways[client % len(self._ways)]
            for run, writes in ((self._write, True), (self._read, False)):
                session = way.session(client // len(self._ways), writes=writes)
                what = f"the {WRITE if writes else READ}s of client {client}"
                self._workers.add(what, run, client, session)
        self._began_s = time.monotonic()
        self._workers.start()

    def stop(self) -> None:
        """End all clients; what they have sent is answered or fails first."""
        self._workers.stop(STOP_TIMEOUT_S)
        for way in self._ways:
            way.close()

    def __enter__(self) -> Self:
        """Begin."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End all clients."""
        self.stop()

    def _write(self, client: int, session: Session) -> None:
        for due_s in ticks(WRITES_PER_S / CLIENTS, self._workers.over):
            if self._finds_somebody(WRITE, client, session, due_s):
                with self._ids_lock:
                    id_ = next(self._ids)
                self._ask(Asked(WRITE, client, id_, due_s), session, INSERT, client, id_)
        session.close()

    def _read(self, client: int, session: Session) -> None:
        for due_s in ticks(READS_PER_S / CLIENTS, self._workers.over):
            if self._finds_somebody(READ, client, session, due_s):
                self._ask(Asked(READ, client, 0, due_s), session, NEWEST, client)
        session.close()

    def _finds_somebody(self, kind: Kind, client: int, session: Session, due_s: float) -> bool:
        """Return whether there is a server to ask; that there was none, and somebody wanted one, is in the log."""
        if session.asks:
            return True
        sent_s = time.monotonic()
        if session.find():
            return True
        self.log.add(Operation(kind, client, 0, sent_s, time.monotonic(), "", NOBODY, due_s))
        self._workers.over.wait(SEARCH_PAUSE_S)
        return False

    def _ask(self, asked: Asked, session: Session, statement: str, *values: int) -> None:
        id_, server, sent_s, error = asked.id, session.asks, time.monotonic(), ""
        try:
            rows, server_id = session.run(statement, *values)
            id_, server_id = (int(rows[0]["id"]), int(rows[0]["taker"])) if rows else (id_, server_id)
            server = self._names.get(server_id, f"server {server_id}")
        except StatementError as refusal:
            error = f"error {refusal.errno}"
        except UnreachableError as lost:
            error = " ".join(str(lost).removeprefix(f"{server} does not answer: ").split(". ")[0].split())
        done_s = time.monotonic()
        self.log.add(Operation(asked.kind, asked.client, id_, sent_s, done_s, server, error, asked.due_s))
