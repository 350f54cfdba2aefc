"""How far each server is behind the clients' writes, over time, as a client would measure it.

A server's own word on its lag ends where its applier does: one that is stopped, cut off or frozen says nothing, or
what it said last. So what is sampled is what it holds, and the log says since when it should have held more.
"""

import bisect
import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from wavetank.drills.traffic.log import Operation
from wavetank.errors import UnreachableError
from wavetank.servers.node import Server, Servers, StatementError, query_on
from wavetank.waiting import repeat

INTERVAL_S = 0.1
# How many seconds a server may take to say what it holds, before it counts as silent.
PATIENCE_S = 2
STOP_TIMEOUT_S = 10
_NEWEST = "SELECT COALESCE(MAX(id), 0) AS newest FROM drill.operations"


@dataclass(frozen=True)
class Seen:
    """What a server held: `newest` is a write's highest id; `at_s` is when it was asked, by the monotonic clock."""

    server: str
    at_s: float
    newest: int


@dataclass(frozen=True)
class Lag:
    """By how many seconds a server was behind the acknowledged writes at a moment of the monotonic clock."""

    at_s: float
    behind_s: float


class LagSampler:
    """Asks every server of a topology what it holds, each in a thread of its own: a frozen one delays no other."""

    def __init__(self, servers: Servers, interval_s: float = INTERVAL_S) -> None:
        """Take the servers and the pause between two samples in seconds; nothing is sampled yet."""
        self._servers = [servers[node.name] for node in servers.topology.nodes]
        self._interval_s = interval_s
        self._seen: list[Seen] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._watch, args=(server,)) for server in self._servers]

    def start(self) -> None:
        """Begin to ask; the clients' table must be there."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask nobody any more; harmless where nothing was started."""
        self._over.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(STOP_TIMEOUT_S)

    def __enter__(self) -> Self:
        """Begin to ask."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ask nobody any more."""
        self.stop()

    @property
    def seen(self) -> list[Seen]:
        """All that was seen so far; a server that did not answer left nothing."""
        return list(self._seen)

    def json_lines(self) -> Iterator[str]:
        """Yield what was seen, each as a line of JSON."""
        for seen in self.seen:
            yield json.dumps(asdict(seen)) + "\n"

    def _watch(self, server: Server) -> None:
        session = _Session(server)
        repeat(lambda: self._look(session), interval_s=self._interval_s, stop=self._over)
        session.close()

    def _look(self, session: "_Session") -> None:
        if (seen := session.newest()) is not None:
            self._seen.append(seen)


class _Session:
    """A connection to one server, which is opened anew after it was lost."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._connection: Any = None

    def newest(self) -> Seen | None:
        """Return what the server holds, None where it does not say."""
        try:
            self._connection = self._connection or self.server.connect("admin", PATIENCE_S)
            # When it was asked: what was acknowledged by then, it should have held.
            asked_s = time.monotonic()
            newest = int(query_on(self._connection, _NEWEST, node=self.server.name)[0]["newest"])
            return Seen(self.server.name, asked_s, newest)
        except (UnreachableError, StatementError):
            self.close()
            return None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def lags(seen: Sequence[Seen], writes: Sequence[Operation]) -> Mapping[str, list[Lag]]:
    """Return each server's lag over time.

    A server's lag is the age of the oldest write that was acknowledged by then and that it did not hold: 0 where it
    held all of them, also while nobody can write. Pure: asks nobody.
    """
    acknowledged = sorted((each for each in writes if each.acknowledged), key=lambda each: each.id)
    ids = [each.id for each in acknowledged]
    # The earliest acknowledgement from each id on.
    since: list[float] = [each.done_s for each in acknowledged]
    for at in range(len(since) - 2, -1, -1):
        since[at] = min(since[at], since[at + 1])
    found: dict[str, list[Lag]] = defaultdict(list)
    for each in sorted(seen, key=lambda each: each.at_s):
        first = bisect.bisect_right(ids, each.newest)
        behind_s = max(0.0, each.at_s - since[first]) if first < len(since) else 0.0
        found[each.server].append(Lag(each.at_s, round(behind_s, 6)))
    return found
