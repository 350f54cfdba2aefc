"""Ids that no two clients make: 63 bits of time, worker and sequence, from times that a table hands out.

    0 | 41 bits: ms since 2026-01-01 UTC | 10 bits: worker | 12 bits: sequence

The layout is that of Twitter's Snowflake. Unlike there, nobody trusts a clock: a worker's number is handed out
together with a span of time, which the catalogue's table `id_workers` records before the first id of it is made.
Whoever has that number next gets a later span, whatever the clocks say. So an id cannot come twice, and those of
one maker ascend, also when the clock steps back, the process starts again, or more ids are wanted in a millisecond
than there are numbers.

A failover of the catalogue may lose what it recorded last, and the new source would hand the same out again to others
while the first holder still makes ids. So other shards bear witness: a span counts only once most of them have entered
it, and one that they have entered before they refuse. docs/decisions/0010 says why it is not done otherwise.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from wavetank.sharding.errors import ShardingError, ShardUnavailableError

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
# Enters a span on another shard: returns 0, or where its worker is in use there beyond the span's first ms, until when;
# None where the shard does not answer.
Witness = Callable[[Span], int | None]

# One statement, so that nobody comes between: the worker that was given nothing for longest. What it was given
# comes back as the statement's new id, since an UPDATE returns no rows. That worker may still be at work: its new
# span begins after its old one.
RESERVE = f"""
    UPDATE sharding_work.id_workers
       SET used_until_ms = LAST_INSERT_ID((GREATEST(used_until_ms, %s) + {SPAN_MS}) * {WORKERS} + worker) DIV {WORKERS}
     ORDER BY used_until_ms, worker LIMIT 1
"""
# One statement, so that of two makers with the same span one is refused: then no row is changed. For worker, end and
# first of a span; what is asked for a worker after a refusal.
ENTER = """
    INSERT INTO sharding_work.id_spans (worker, used_until_ms) VALUES (%s, %s) AS new ON DUPLICATE KEY UPDATE
    used_until_ms = IF(id_spans.used_until_ms <= %s, new.used_until_ms, id_spans.used_until_ms)
"""
USED_UNTIL = "SELECT used_until_ms FROM sharding_work.id_spans WHERE worker = %s"
# Of so many shards beside the catalogue's, most must have entered a span.
WITNESSES = 3
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


def witnesses_of(shards: Sequence[int]) -> list[int]:
    """Return which of the shards bear witness: three beside the first, one where there are not as many, or none."""
    others = sorted(shards)[1:]
    return others[:WITNESSES] if len(others) >= WITNESSES else others[:1]


def most_of(witnesses: Sequence[object]) -> int:
    """Return how many of them must have entered a span: any two majorities have one in common. 0 of none."""
    return (len(witnesses) + 1) // 2


def reserve_span(first: int, record: Reserve, witnesses: Sequence[Witness]) -> Span:
    """Return a span from `first` ms on that nobody else has, whatever `record`, or one of the witnesses, has lost.

    Raises:
        ShardUnavailableError: most of the witnesses do not answer; the span is given to nobody.
        ShardingError: `record` hands out only what was handed out before.
    """
    # Every refusal lifts `first`: after each worker's first one, no witness refuses for what it knew then.
    for _ in range(2 * WORKERS):
        span = record(first)
        answers = [used for witness in witnesses if (used := witness(span)) is not None]
        if any(answers):
            first = max(first, *answers)
        elif len(answers) < most_of(witnesses):
            raise ShardUnavailableError(
                f"{len(answers)} of {len(witnesses)} shards answer that must bear witness to new ids: there are no ids"
            )
        else:
            return span
    raise ShardingError("the catalogue has lost which ids are in use, and other shards refuse all that it hands out")


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
