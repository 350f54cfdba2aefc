"""Following a source shard's binary log: what is done there to moving customers is done to their copies, too.

Since doing it twice changes nothing, it may begin anywhere after the position of the copy and again after a kill. While
old changes are done again a copy may go back in time, and comes to the same end; nobody reads it yet.
"""

import contextlib
import queue
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pymysqlreplication.event import HeartbeatLogEvent

from wavetank.errors import UnreachableError
from wavetank.servers.binlog.history import live_events
from wavetank.servers.gtid import intervals, union
from wavetank.sharding.reshard.applying import Sorter
from wavetank.sharding.reshard.log_reading import Logged, read_log, settle
from wavetank.sharding.reshard.moves import ReshardingContext

# Rows of a transaction on the target: what a replica applies at one go.
BATCH_ROWS = 500
# Transactions that wait to be applied.
_WAITING = 2_000
# How often a silent log says that it is alive.
HEARTBEAT_S = 0.2
PATIENCE_S = 10


class Progress:
    """Which transactions have been applied, and which customers they touched; may be shared by threads."""

    def __init__(self, start: str, rows: int = 0, deleted: int = 0) -> None:
        """Begin after the GTID set `start`, with `rows` applied before, of which `deleted` were deleted."""
        self._applied = start
        self._lock = threading.Lock()
        self._touched: dict[int, int] = {}
        self.rows = rows
        self.deleted = deleted

    @property
    def applied(self) -> str:
        """The GTID set of all that has been applied."""
        with self._lock:
            return self._applied

    def advance(self, gtids: list[str], touched: Mapping[int, int], rows: int, deleted: int) -> None:
        """Note that transactions have been applied."""
        with self._lock:
            self._applied = union(self._applied, *gtids)
            self._touched |= touched
            self.rows += rows
            self.deleted += deleted

    def reached(self, gtids: str) -> bool:
        """Return whether all of a GTID set has been applied."""
        applied = intervals(self.applied)
        return all(
            any(low <= first and last <= high for low, high in applied.get(uuid, ()))
            for uuid, ranges in intervals(gtids).items()
            for first, last in ranges
        )

    def take_touched(self) -> dict[int, int]:
        """Return the customers touched since this was asked last, each with the shard to which it moves."""
        with self._lock:
            touched, self._touched = self._touched, {}
        return touched

    @property
    def touched(self) -> int:
        """How many customers have been touched since take_touched()."""
        with self._lock:
            return len(self._touched)


class Follower:
    """Applies what a source shard's log says; two threads, one that reads and one that writes."""

    def __init__(self, context: ReshardingContext, source_shard: int, progress: Progress) -> None:
        """Take the source shard; `progress` begins with what the copies hold already."""
        self.source_shard = source_shard
        self.progress = progress
        self._context = context
        self._source = context.source(source_shard)
        self._over = threading.Event()
        self._queue: queue.Queue[Logged] = queue.Queue(_WAITING)
        self._error: BaseException | None = None
        self._sorter = Sorter(context, source_shard)
        self._newest: dict[str, int] = {}
        self._threads = [threading.Thread(target=self._guarded, args=(run,), daemon=True)
                         for run in (self._read, self._apply)]  # fmt: skip

    def start(self) -> None:
        """Begin to follow."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End; what has been read and not applied is as if it had not been read."""
        self._over.set()
        for thread in self._threads:
            if thread.ident:
                thread.join(PATIENCE_S)

    def check(self) -> None:
        """Raise what ended the following, if anything did."""
        if self._error:
            raise self._error

    def reached(self, gtids: str) -> bool:
        """Return whether all of a GTID set has been applied; raises what ended the following."""
        self.check()
        return self.progress.reached(gtids)

    def _guarded(self, run: Any) -> None:  # noqa: ANN401
        try:
            run()
        except BaseException as error:  # noqa: BLE001 - check() raises it where somebody listens
            if not self._over.is_set():
                self._error = error
                self._over.set()

    def _read(self) -> None:
        events = live_events(self._source, self.progress.applied, HEARTBEAT_S, PATIENCE_S)
        names = [table.name for table in self._context.tables]
        with contextlib.closing(events):
            heard = _until(self._over, events)
            for logged in read_log(heard, self._context.shard(self.source_shard).schema, names, self._source.name):
                self._refuse_repetition(logged.gtid)
                self._hand_over(logged)

    def _refuse_repetition(self, gtid: str) -> None:
        """Refuse a log that begins anew: the library connects again by itself, and asks for what it asked for first.

        A server's own transactions come in their order. While they came again, what was applied would not be what
        the copies hold.
        """
        uuid, _, number = gtid.rpartition(":")
        if int(number) <= self._newest.get(uuid, 0):
            raise UnreachableError(self._source.name, "the connection that followed its binary log broke")
        self._newest[uuid] = int(number)

    def _hand_over(self, logged: Logged) -> None:
        while not self._over.is_set():
            try:
                self._queue.put(logged, timeout=HEARTBEAT_S)
            except queue.Full:
                continue
            return

    def _apply(self) -> None:
        with contextlib.closing(self._sorter):
            prepared: dict[str, Logged] = {}
            while not self._over.is_set():
                try:
                    batch = [self._queue.get(timeout=HEARTBEAT_S)]
                except queue.Empty:
                    continue
                rows = len(batch[0].changes)
                while rows < BATCH_ROWS and not self._queue.empty():
                    batch.append(self._queue.get_nowait())
                    rows += len(batch[-1].changes)
                gtids, changes = settle(batch, prepared)
                self.progress.advance(gtids, *self._sorter.apply(changes))


def _until(over: threading.Event, events: Iterable[Any]) -> Iterator[Any]:
    for event in events:
        if over.is_set():
            return
        if not isinstance(event, HeartbeatLogEvent):
            yield event
