"""Ids that no two clients make: 63 bits of time, worker and sequence, from times that a table hands out.

    0 | 41 bits: ms since 2026-01-01 UTC | 10 bits: worker | 12 bits: sequence

The layout is that of Twitter's Snowflake. Unlike there, nobody trusts a clock: a worker's number is handed out
together with a span of time, which the catalogue's table `id_workers` records before the first id of it is made.
Whoever has that number next gets a later span, whatever the clocks say. So an id cannot come twice, and those of
one maker ascend, also when the clock steps back, the process starts again, or more ids are wanted in a millisecond
than there are numbers.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from wavetank.sharding.errors import ShardingError

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
TIME_BITS, WORKER_BITS, SEQUENCE_BITS = 41, 10, 12
WORKERS = 1 << WORKER_BITS
IDS_A_MS = 1 << SEQUENCE_BITS
LAST_MS = (1 << TIME_BITS) - 1
# How much time is handed out at once, in ms: what a maker that ends leaves unused, nobody misses.
SPAN_MS = 60_000


@dataclass(frozen=True)
class Span:
    """What one worker may use and nobody else ever: the ms from `first` until before `end`, since EPOCH."""

    worker: int
    first: int
    end: int


# Hands out a span that begins at the given ms or later, and keeps that on record.
Reserve = Callable[[int], Span]

# One statement, so that nobody comes between: the worker that was given nothing for longest. What it was given
# comes back as the statement's new id, since an UPDATE returns no rows. That worker may still be at work: its new
# span begins after its old one.
RESERVE = f"""
    UPDATE sharding_work.id_workers
       SET used_until_ms = LAST_INSERT_ID((GREATEST(used_until_ms, %s) + {SPAN_MS}) * {WORKERS} + worker) DIV {WORKERS}
     ORDER BY used_until_ms, worker LIMIT 1
"""
# Before the first span of an instance.
FILL = f"INSERT IGNORE INTO sharding_work.id_workers (worker) VALUES {','.join(f'({n})' for n in range(WORKERS))}"


@dataclass(frozen=True)
class IdParts:
    """What an id is made of."""

    at: datetime
    worker: int
    sequence: int


def now_ms() -> int:
    """Return the ms since EPOCH by this machine's clock."""
    return int((time.time() - EPOCH.timestamp()) * 1000)


def parts_of(made: int) -> IdParts:
    """Return what an id is made of: when by its maker's time, by whom, and as which in that ms."""
    ms = made >> (WORKER_BITS + SEQUENCE_BITS)
    return IdParts(EPOCH + timedelta(milliseconds=ms), (made >> SEQUENCE_BITS) & (WORKERS - 1), made & (IDS_A_MS - 1))


def span_of(reserved: int) -> Span:
    """Return the span that RESERVE has answered with.

    Raises:
        ShardingError: the 41 bits of time are used up.
    """
    end, worker = divmod(reserved, WORKERS)
    if end > LAST_MS:
        raise ShardingError(f"there are no ids after {EPOCH + timedelta(milliseconds=LAST_MS):%Y-%m-%d}")
    return Span(worker, end - SPAN_MS, end)


class IdMaker:
    """Makes ids; may be shared by threads."""

    def __init__(self, reserve: Reserve, clock: Callable[[], int] = now_ms) -> None:
        """Reserve nothing yet; `clock` gives ms since EPOCH."""
        self._reserve = reserve
        self._clock = clock
        self._lock = threading.Lock()
        self._span: Span | None = None
        self._ms = 0
        self._sequence = 0

    def new_id(self) -> int:
        """Return an id that nobody has or will have; it is above the ones that this maker made before.

        Raises:
            ShardingError: the catalogue does not answer, or all workers are at work.
        """
        with self._lock:
            ms, sequence = self._next_place()
            if self._span is None or ms >= self._span.end:
                self._span = self._reserve(ms)
                # A clock that was set back meanwhile does not matter: the whole span is new.
                ms, sequence = max(ms, self._span.first), 0
            self._ms, self._sequence = ms, sequence
            return (ms << (WORKER_BITS + SEQUENCE_BITS)) | (self._span.worker << SEQUENCE_BITS) | sequence

    def _next_place(self) -> tuple[int, int]:
        """Return the ms and the number in it that follow the last: the clock's ms, unless that was used or is past."""
        now = self._clock()
        if now > self._ms:
            return now, 0
        if self._sequence + 1 < IDS_A_MS:
            return self._ms, self._sequence + 1
        return self._ms + 1, 0
