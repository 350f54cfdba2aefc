"""Whether two servers hold the same data, by checksums of pieces, and a verdict that holds under load.

Nothing here locks a row or keeps a writer waiting: all reads are consistent ones. What differs between two servers
while one of them is written may be on its way. So it is looked at again and again, each time after the one has had all
that the other had before, and only what both sides hold unchanged and different every time is a difference. A row that
is written all the time is therefore not judged; replication writes each of its versions anew, and whole.
"""

import functools
import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

from wavetank.servers.checksums import TOO_LATE
from wavetank.servers.chunks import Chunk, Contents, Digits, Range, Table, tables_of
from wavetank.servers.node import READ_TIMEOUT_S, Row, Server, StatementError, query_on

V = TypeVar("V")
# What the source holds, and what the replica does.
Sides = tuple[Mapping[bytes, V], Mapping[bytes, V]]
# Rows of a piece to begin with: a piece of narrow rows takes a tenth of a second.
CHUNK_ROWS = 20_000
# Small tables are most of those that there are: so many are read in one statement, which may take so many seconds.
TABLES_AT_ONCE = 50
AT_ONCE_S = 2
# How long the server may read one piece, and a table that cannot be cut, in seconds.
CHUNK_S = 10
WHOLE_S = 120
# How long all of it may take, in seconds.
WITHIN_S = 300
# How long one side may take to have what the other has.
CATCH_UP_S = 20
# So often something must be the same on each side, and different between them, before it is said to differ; in between
# there is a pause: rows can be seen a moment before their transaction is in gtid_executed.
LOOKS = 5
PAUSE_S = 0.05


class BehindError(Exception):
    """One of the two does not come to have what the other had: there is no moment at which to compare them."""


class SlowError(Exception):
    """The time for a statement, or for all of them, was over."""


@dataclass(frozen=True)
class Difference:
    """A table, or rows of it, that two servers hold differently."""

    table: str
    expected: str
    found: str


@dataclass(frozen=True)
class Unfinished:
    """A table that has not been compared to its end; `why` has the seconds."""

    table: str
    why: str


class Pair:
    """Two servers that are asked the same, side by side, for WITHIN_S seconds in all."""

    def __init__(self, source: Server, replica: Server, pool: ThreadPoolExecutor, *, peers: bool) -> None:
        """Take both servers and the threads of `pool`; the time limit begins to run."""
        self.source, self.replica = source, replica
        self._pool = pool
        self._peers = peers
        self._over = time.monotonic() + WITHIN_S

    def tables(self) -> tuple[Mapping[bytes, Table], Mapping[bytes, Table]]:
        """Return the tables of both by their names."""
        one, other = self._both(tables_of)
        return one, other

    def rows(self, what: str, patience_s: int = CHUNK_S) -> tuple[list[Row], list[Row]]:
        """Return what both answer to SELECT `what`."""
        return self._both(lambda server: self.ask(server, what, patience_s))

    def ask(self, server: Server, what: str, patience_s: int = CHUNK_S) -> list[Row]:
        """Return what a server answers to SELECT `what`, within so many seconds.

        Raises:
            SlowError: it does not.
        """
        left_s = min(patience_s, self._over - time.monotonic())
        if left_s <= 0:
            raise SlowError(f"not finished within the {WITHIN_S} s for all tables")
        # Never 0, which would be no bound.
        hints = f"/*+ MAX_EXECUTION_TIME({math.ceil(left_s * 1000)}) SET_VAR(time_zone = '+00:00') */"
        try:
            if patience_s < READ_TIMEOUT_S:
                return server.query(f"SELECT {hints} {what}", account="admin")
            # Who takes long still answers: the connection is more patient than the server.
            with closing(server.connect("admin", patience_s + CHUNK_S)) as connection:
                return query_on(connection, f"SELECT {hints} {what}", node=server.name)
        except StatementError as error:
            if error.errno != TOO_LATE:
                raise
            raise SlowError(f"{server.name} did not finish a statement within {left_s:.0f} s") from error

    def catch_up(self) -> None:
        """Wait until the replica has what the source has by now; of peers, each what the other has.

        Raises:
            BehindError: it takes longer than CATCH_UP_S.
        """
        for ahead, behind in ((self.source, self.replica), (self.replica, self.source))[: 1 + self._peers]:
            executed = ahead.value("SELECT @@GLOBAL.gtid_executed")
            statement = "SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, %s) AS late, SLEEP(%s)"
            if behind.value(statement, [executed, CATCH_UP_S, PAUSE_S], account="admin"):
                raise BehindError(f"{behind.name} did not come to have what {ahead.name} had within {CATCH_UP_S} s")

    def _both(self, ask: Callable[[Server], V]) -> tuple[V, V]:
        asked = [self._pool.submit(ask, server) for server in (self.source, self.replica)]
        # Where one does not answer in time, the other one is not asked the next before it has ended this.
        wait(asked)
        one, other = (each.result() for each in asked)
        return one, other


def differences(source: Server, replica: Server, *, peers: bool = False) -> Iterator[Difference | Unfinished]:
    """Yield where the replica's data is not the source's, and which tables could not be compared in the time.

    `peers` both take writes: there each must have had all that the other had.

    Raises:
        BehindError: one does not catch up with the other within CATCH_UP_S seconds.
        UnreachableError: one of the two does not answer.
    """
    with ThreadPoolExecutor(2) as pool:
        pair = Pair(source, replica, pool, peers=peers)
        theirs, ours = pair.tables()
        titles, there = lasting(pair, (theirs, ours), lambda _: pair.tables())
        for title in titles:
            both = all(title in side for side in there)
            yield Difference(title.decode(), *(_described(side.get(title), layout=both) for side in there))
        alike = [theirs[title] for title in sorted(theirs.keys() & ours.keys()) if theirs[title] == ours[title]]
        for table in suspected(pair, alike):
            yield from _of_table(pair, table)


def suspected(pair: Pair, tables: Sequence[Table]) -> Iterator[Table]:
    """Yield the tables that are to be read in pieces: those that differ as a whole, or take long."""
    for first in range(0, len(tables), TABLES_AT_ONCE):
        some = tables[first : first + TABLES_AT_ONCE]
        what = " UNION ALL SELECT ".join(f"{number} AS at, {table.sums}" for number, table in enumerate(some))
        try:
            expected, found = ({row["at"]: row for row in side} for side in pair.rows(what, AT_ONCE_S))
        except SlowError:
            yield from some
        else:
            yield from (table for number, table in enumerate(some) if expected[number] != found[number])


def _of_table(pair: Pair, table: Table) -> Iterator[Difference | Unfinished]:
    try:
        for chunk in _suspects(pair, table):
            keys, held = lasting(pair, _rows(pair, chunk), functools.partial(_rows, pair, chunk))
            if keys:
                yield Difference(chunk.named(keys), *(chunk.held(keys, side) for side in held))
    except SlowError as error:
        yield Unfinished(table.title, str(error))


def _suspects(pair: Pair, table: Table) -> Iterator[Chunk]:
    """Yield the pieces of a table in which rows may differ."""
    if table.key:
        yield from unequal_ranges(pair, table)
    else:
        expected, found = (
            {_bytes(row.pop("digits")): row for row in side} for side in pair.rows(table.by_digits, WHOLE_S)
        )
        apart = sorted(each for each in expected.keys() | found.keys() if expected.get(each) != found.get(each))
        if apart:
            yield Digits(table, tuple(each.decode() for each in apart))


def unequal_ranges(pair: Pair, table: Table) -> Iterator[Range]:
    """Yield the ranges of the key that are not equal; one that takes too long is read in smaller ones."""
    low = None
    rows = CHUNK_ROWS
    while True:
        try:
            (bound,) = pair.ask(pair.source, table.bound(low, rows)) or (None,)
            high = tuple(_bytes(value).decode() for value in bound.values()) if bound else None
            chunk = Range(table, low, high)
            expected, found = pair.rows(chunk.sums)
        except SlowError:
            if rows == 1:
                raise
            rows = max(1, rows // 10)
            continue
        if expected != found and not _equal_by_now(pair, chunk):
            yield chunk
        if high is None:
            return
        low, rows = high, min(CHUNK_ROWS, 2 * rows)


def _equal_by_now(pair: Pair, chunk: Range) -> bool:
    """Return whether the replica has what the source had before it caught up, or has now."""
    before = pair.ask(pair.source, chunk.sums)
    pair.catch_up()
    theirs = pair.ask(pair.replica, chunk.sums)
    return theirs == before or theirs == pair.ask(pair.source, chunk.sums)


def _rows(pair: Pair, chunk: Chunk, keys: Collection[bytes] = ()) -> tuple[Contents, Contents]:
    one, other = (
        {_bytes(row["k"]): row["h"] for row in side} for side in pair.rows(chunk.rows(keys), _patience(chunk))
    )
    return one, other


def lasting(pair: Pair, first: Sides[V], look: Callable[[Collection[bytes]], Sides[V]]) -> tuple[list[bytes], Sides[V]]:
    """Return what differs in every one of LOOKS looks and has changed on neither side, and what was seen of it."""
    seen = first
    keys = {key for key in seen[0].keys() | seen[1].keys() if seen[0].get(key) != seen[1].get(key)}
    for _ in range(LOOKS):
        if not keys:
            break
        pair.catch_up()
        now = look(keys)
        keys = {key for key in keys if all(now[side].get(key) == seen[side].get(key) for side in (0, 1))}
        seen = now
    return sorted(keys), seen


def _patience(chunk: Chunk) -> int:
    return CHUNK_S if isinstance(chunk, Range) else WHOLE_S


def _described(table: Table | None, *, layout: bool) -> str:
    if table is None:
        return "no such table"
    return f"columns {table.layout}" if layout else "the table"


def _bytes(value: str | bytes | bytearray) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)
