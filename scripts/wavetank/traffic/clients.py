"""Clients that write and read at a steady rate, and look for another server when theirs fails.

They know what an application knows: the addresses of all servers, and the password of its account.
"""

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, Self

from wavetank.accounts import APP_ACCOUNT
from wavetank.errors import UnreachableError
from wavetank.node import Server, Servers, StatementError, query_on
from wavetank.topology import Topology
from wavetank.traffic.log import READ, WRITE, Operation, OperationLog

# How many seconds an application waits for an answer.
PATIENCE_S = 2
CLIENTS = 4
WRITES_PER_S = 200
READS_PER_S = 200
# Between two looks for a server that takes writes, while there is none.
SEARCH_PAUSE_S = 0.02
STOP_TIMEOUT_S = 30

TABLE = (
    "CREATE SCHEMA IF NOT EXISTS drill",
    "DROP TABLE IF EXISTS drill.operations",
    # An id may be there twice: that is for the verdict to see.
    """
    CREATE TABLE drill.operations (
        n BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, client INT NOT NULL, id BIGINT NOT NULL,
        KEY own (client, id), KEY id (id)
    )
    """,
)
_INSERT = "INSERT INTO drill.operations (client, id) VALUES (%s, %s)"
_NEWEST = "SELECT COALESCE(MAX(id), 0) AS id FROM drill.operations WHERE client = %s"
_TAKES_WRITES = "SELECT NOT @@GLOBAL.read_only AS yes"


class _Session:
    """One client's connection, to a server that it keeps until that fails."""

    def __init__(self, candidates: Sequence[Server], *, writes: bool) -> None:
        self._candidates = list(candidates)
        self._writes = writes
        self._connection: Any = None
        self.server = ""

    def run(self, statement: str, *parameters: int) -> list[dict[str, Any]]:
        """Run a statement where the session is connected.

        Raises:
            UnreachableError: the server went away; the session has no server afterwards.
            StatementError: it refuses.
        """
        try:
            return query_on(self._connection, statement, parameters, node=self.server)
        except (UnreachableError, StatementError):
            self.close()
            raise

    def find(self) -> bool:
        """Connect to the first server that will do; return whether there is one. Whose turn it was comes last."""
        for server in list(self._candidates):
            self._candidates.append(self._candidates.pop(0))
            try:
                self._connection, self.server = server.connect(APP_ACCOUNT, PATIENCE_S), server.name
                if not self._writes or self.run(_TAKES_WRITES)[0]["yes"]:
                    return True
            except (UnreachableError, StatementError):
                pass
            self.close()
        return False

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection, self.server = None, ""


class Traffic:
    """Writers and readers, as many of each; use it as a context, so that they end with it."""

    def __init__(self, servers: Servers, log: OperationLog | None = None) -> None:
        """Know whom to write to; nothing is sent yet."""
        self.log = log or OperationLog()
        self._servers = servers
        self._ids = itertools.count(1)
        self._ids_lock = threading.Lock()
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Make the table on the source, and begin."""
        topology = self._servers.topology
        self._servers[topology.sources[0].name].execute(*TABLE)
        for client in range(1, CLIENTS + 1):
            writer = _Session(self._in_turn(topology.sources, topology, client), writes=True)
            reader = _Session(self._in_turn(topology.replicas, topology, client), writes=False)
            for run, session in ((self._write, writer), (self._read, reader)):
                self._threads.append(threading.Thread(target=run, args=(client, session)))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End all clients; what they have sent is answered or fails first."""
        self._over.set()
        for thread in self._threads:
            thread.join(STOP_TIMEOUT_S)

    def __enter__(self) -> Self:
        """Begin."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End all clients."""
        self.stop()

    def _in_turn(self, first: Sequence[Any], topology: Topology, client: int) -> list[Server]:
        """Return the servers to try, those `first` first and each client beginning with another one."""
        turned = [first[(client + at) % len(first)] for at in range(len(first))]
        nodes = [*turned, *(node for node in topology.nodes if node not in first)]
        return [self._servers[node.name] for node in nodes]

    def _ticks(self, per_s: float) -> Iterator[None]:
        """Yield at a steady rate until it is over; what was missed while waiting is not made up for."""
        due = time.monotonic()
        while not self._over.is_set():
            yield
            due = max(due + 1 / per_s, time.monotonic())
            self._over.wait(due - time.monotonic())

    def _write(self, client: int, session: _Session) -> None:
        for _ in self._ticks(WRITES_PER_S / CLIENTS):
            if not session.server and not session.find():
                self._over.wait(SEARCH_PAUSE_S)
                continue
            with self._ids_lock:
                id_ = next(self._ids)
            self._log(WRITE, client, id_, session, _INSERT, client, id_)
        session.close()

    def _read(self, client: int, session: _Session) -> None:
        for _ in self._ticks(READS_PER_S / CLIENTS):
            if not session.server and not session.find():
                self._over.wait(SEARCH_PAUSE_S)
                continue
            self._log(READ, client, 0, session, _NEWEST, client)
        session.close()

    def _log(self, kind: Any, client: int, id_: int, session: _Session, statement: str, *values: int) -> None:  # noqa: ANN401
        server, sent_s, error = session.server, time.monotonic(), ""
        try:
            rows = session.run(statement, *values)
            id_ = int(rows[0]["id"]) if rows else id_
        except StatementError as refusal:
            error = f"error {refusal.errno}"
        except UnreachableError as lost:
            error = " ".join(str(lost).removeprefix(f"{server} does not answer: ").split(". ")[0].split())
        self.log.add(Operation(kind, client, id_, sent_s, time.monotonic(), server, error))


def held_ids(server: Server) -> list[int]:
    """Return the ids that a server holds, as often as it does."""
    return [row["id"] for row in server.query("SELECT id FROM drill.operations", account="admin")]
