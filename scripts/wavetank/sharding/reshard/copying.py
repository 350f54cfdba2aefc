"""The copy: what the moving customers' rows were at some moment, in chunks of the primary key.

Why this is right. Of each source shard's source the GTID set G is read first, and snapshots are taken afterwards. A
transaction is in gtid_executed only after its rows can be seen, so whatever is in G is in every snapshot. What is not
in G is applied later from the binary log, in its order and as whole rows by their primary key: a row that it touches
ends as the last transaction left it, whatever the copy had of it, and a row that it does not touch was the same in
every snapshot. So chunks may be of different snapshots, older or newer, as long as none is older than G; which is why
a copy that was killed goes on with a new snapshot, and the log is still followed from the first G.

A transaction prepared by XA is in G while its rows cannot be seen. Snapshots wait for those to be committed or rolled
back.

Another server in the place of a source or a target may lack transactions that the former had (only what a client was
told is promised), so that what was copied from or to the former counts as nothing: that shard's copy begins anew.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime

from wavetank.servers.node import Server, StatementError
from wavetank.sharding.reshard.ledger import COPY, FOLLOW, Chunk, Ledger, Position, Resharding, in_chunks
from wavetank.sharding.reshard.moves import ReshardingContext
from wavetank.sharding.reshard.replicas import HINT, what_is_missing
from wavetank.sharding.reshard.rows import (
    DUPLICATE_KEY,
    REMOVALS,
    Session,
    clash,
    delete,
    listed,
    read_literals,
    statements,
)
from wavetank.waiting import wait_until

# Customers of a chunk, with some 14 rows each.
CHUNK_CUSTOMERS = 500
# Customers of a transaction that deletes: its locks are in the way of others.
REMOVED_CUSTOMERS = 100
# Connections that copy, over all shards; beyond this the servers wait for each other's disks.
WORKERS = 4
# By how many seconds a replica of a target may be behind what is copied; then the copy waits for it.
LAG_BOUND_S = 2.0
# How often a server is asked within that time.
ASKED_A_BOUND = 10
# How long it waits before it says that the replica does not come along.
LAGGARD_S = 120.0
IN_DOUBT_S = 30.0
_REMOVED = (
    f"INSERT INTO {'.'.join(REMOVALS)} (version, row_count) VALUES (%s, %s) AS new "
    f"ON DUPLICATE KEY UPDATE row_count = {REMOVALS[1]}.row_count + new.row_count"
)
# Told of rows that have been copied, as they are.
Counted = Callable[[int], None]


class Throttle:
    """Keeps a copy from running away from a shard's replicas: each has what the source had LAG_BOUND_S ago."""

    def __init__(self, source: Server, replicas: Sequence[Server], bound_s: float = LAG_BOUND_S) -> None:
        """Take the servers; nothing is read yet."""
        self._source = source
        self._replicas = replicas
        self._bound_s = bound_s
        self._past: deque[tuple[float, str]] = deque()
        self._lock = threading.Lock()
        self._next = 0.0
        self.waited_s = 0.0

    def wait(self) -> None:
        """Return when every replica that answers is within the bound, and one answers.

        Raises:
            WaitedInVain: they are not, in LAGGARD_S seconds.
        """
        if not self._replicas:
            return
        now = time.monotonic()
        with self._lock:
            if now < self._next:
                return
            self._next = now + self._bound_s / ASKED_A_BOUND
        gtids = str(self._source.value("SELECT @@GLOBAL.gtid_executed"))
        with self._lock:
            self._past.append((now, gtids))
            while len(self._past) > 1 and self._past[1][0] <= now - self._bound_s:
                self._past.popleft()
            moment, due = self._past[0]
        if moment > now - self._bound_s:
            return
        wait_until(
            f"replicas to be at most {self._bound_s:g} s behind {self._source.name}",
            lambda: what_is_missing(self._replicas, due),
            timeout_s=LAGGARD_S, interval_s=0.05, good=lambda missing: not missing, hint=HINT,
        )  # fmt: skip
        with self._lock:
            self.waited_s += time.monotonic() - now


class Throttles:
    """A throttle for each of several shards."""

    def __init__(self, context: ReshardingContext, numbers: Iterable[int]) -> None:
        """Take the servers; nothing is read yet."""
        self._throttles = {number: Throttle(context.source(number), context.replicas(number)) for number in numbers}

    def wait(self) -> None:
        """Return when the replicas of every shard are within the bound; raises what Throttle.wait() does."""
        for throttle in self._throttles.values():
            throttle.wait()

    @property
    def waited_s(self) -> float:
        """For how many seconds replicas were waited for."""
        return sum(throttle.waited_s for throttle in self._throttles.values())


@dataclass
class Part:
    """What one shard gives: up to where it has been read, and the chunks that are still to be copied."""

    source_shard: int
    position: Position
    chunks: list[Chunk] = field(default_factory=list)
    customers: dict[Chunk, Sequence[int]] = field(default_factory=dict)


class Copy:
    """The copy of one resharding."""

    def __init__(self, context: ReshardingContext, ledger: Ledger, resharding: Resharding) -> None:
        """Take the resharding; nothing is copied yet."""
        self._context = context
        self._ledger = ledger
        self._resharding = resharding
        self._throttles = Throttles(context, context.guarded)
        self.parts: list[Part] = []

    @property
    def throttled_s(self) -> float:
        """For how many seconds replicas were waited for."""
        return self._throttles.waited_s

    def plan(self) -> tuple[int, int]:
        """Find out what is left to copy; return how many rows are copied already, and about how many there are."""
        done = self._ledger.chunks(self._resharding, COPY)
        expected = 0
        for source_shard in self._context.source_shards:
            position = self._valid_position(source_shard)
            if position is None:
                self._begin_anew(source_shard)
                done = {chunk: rows for chunk, rows in done.items() if chunk.from_shard != source_shard}
                position = self._read_position(source_shard)
            part = Part(source_shard, position)
            for target, customers in self._context.going(source_shard).items():
                self._plan_chunks(part, target, customers, done)
            expected += position.rows
            self.parts.append(part)
        return sum(done.values()), expected

    def _plan_chunks(self, part: Part, target: int, customers: Sequence[int], done: dict[Chunk, int]) -> None:
        """Add the chunks that are not done; a customer who came into one that is done is in the log."""
        ranges = [chunk for chunk in done if (chunk.from_shard, chunk.to_shard) == (part.source_shard, target)]
        left = _outside(customers, sorted((chunk.low, chunk.high) for chunk in ranges))
        for some in in_chunks(left, CHUNK_CUSTOMERS):
            chunk = Chunk(part.source_shard, target, some[0], some[-1])
            part.chunks.append(chunk)
            part.customers[chunk] = some

    def _valid_position(self, source_shard: int) -> Position | None:
        """Return from where a shard's log is to be followed; None if what was copied from there counts for nothing."""
        position = self._ledger.position(self._resharding, COPY, source_shard)
        if position is None or position.servers != self._servers_of(source_shard):
            return None
        followed = self._ledger.position(self._resharding, FOLLOW, source_shard) or position
        purged = self._context.source(source_shard).value(
            "SELECT GTID_SUBTRACT(@@GLOBAL.gtid_purged, %s)", [followed.gtids], account="admin"
        )
        return None if purged else position

    def _servers_of(self, source_shard: int) -> tuple[str, ...]:
        return self._context.uuids([source_shard, *self._context.targets(source_shard)])

    def _begin_anew(self, source_shard: int) -> None:
        """Remove what has been copied from a shard, and what is known of it."""
        for target in self._context.targets(source_shard):
            remove(self._context, target, self._context.arrived(source_shard, target), self._throttles)
        self._ledger.forget(self._resharding, source_shard)

    def _read_position(self, source_shard: int) -> Position:
        """Read G, wait until no transaction in it is prepared only, and enter it."""
        source = self._context.source(source_shard)
        servers = self._servers_of(source_shard)
        gtids = str(source.value("SELECT @@GLOBAL.gtid_executed")).replace("\n", "")
        in_doubt = _in_doubt(source)
        wait_until(
            f"the transactions across shards that are in doubt on {source.name}",
            lambda: not in_doubt & _in_doubt(source),
            timeout_s=IN_DOUBT_S,
            hint="wavetank shard recover decides those whose application is gone",
        )
        position = Position(gtids, servers, self._rows_going(source_shard))
        self._ledger.set_position(self._resharding, COPY, source_shard, position)
        return position

    def _rows_going(self, source_shard: int) -> int:
        """Return about how many rows move: customers are counted, and have as many rows as others have."""
        going = sum(map(len, self._context.going(source_shard).values()))
        source, schema = self._context.source(source_shard), self._context.shard(source_shard).schema
        counts = [int(source.value(f"SELECT COUNT(*) FROM {schema}.`{table.name}`", account="admin"))
                  for table in self._context.compared]  # fmt: skip
        customers = int(source.value(f"SELECT COUNT(*) FROM {schema}.customers", account="admin"))
        return round(going * sum(counts) / max(customers, 1))

    def run(self, counted: Counted) -> None:
        """Copy what plan() found; each source shard has connections of its own, and each of those its snapshot.

        Raises:
            UnreachableError: a server does not answer.
            WaitedInVain: a replica of a target does not come along.
        """
        source_shards = [part for part in self.parts if part.chunks]
        lines = [part for part in source_shards for _ in range(max(1, WORKERS // max(1, len(source_shards))))]
        lock = threading.Lock()
        failed = threading.Event()

        def chunks(part: Part) -> Iterator[Chunk]:
            while not failed.is_set():
                with lock:
                    if not part.chunks:
                        return
                    chunk = part.chunks.pop(0)
                yield chunk

        def work(part: Part) -> None:
            try:
                self._work(part, chunks(part), counted)
            except BaseException:
                failed.set()
                raise

        with ThreadPoolExecutor(max(1, min(len(lines), WORKERS))) as pool:
            for done in [pool.submit(work, part) for part in lines]:
                done.result()

    def _work(self, part: Part, chunks: Iterator[Chunk], counted: Counted) -> None:
        sessions: dict[int, Session] = {}
        with closing(self._context.session(part.source_shard)) as reader:
            reader.run("START TRANSACTION WITH CONSISTENT SNAPSHOT")
            try:
                for chunk in chunks:
                    target = chunk.to_shard
                    writer = sessions.setdefault(target, sessions.get(target) or self._context.session(target))
                    self._throttles.wait()
                    counted(self._copy(chunk, part.customers[chunk], reader, writer))
            finally:
                for session in sessions.values():
                    session.close()

    def _copy(self, chunk: Chunk, customers: Sequence[int], reader: Session, writer: Session) -> int:
        """Copy a chunk in one transaction; return how many rows it has.

        Raises:
            UsageError: a row has a key that another one on the target has.
        """
        began = datetime.now(UTC).replace(tzinfo=None)
        try:
            rows = self._insert(customers, reader, writer)
        except StatementError as error:
            if error.errno != DUPLICATE_KEY:
                raise
            # Committed by a run that was killed before it could enter that.
            writer.transaction(lambda: delete(writer, self._context.tables, customers))
            try:
                rows = self._insert(customers, reader, writer)
            except StatementError as again:
                raise clash(again, chunk.from_shard, writer.name) from again
        self._ledger.add_chunk(self._resharding, COPY, chunk, rows, began)
        return rows

    def _insert(self, customers: Sequence[int], reader: Session, writer: Session) -> int:
        ids = listed(customers)

        def work() -> int:
            rows = 0
            for table in self._context.tables:
                literals = read_literals(reader, table, table.of(ids))
                # What is computed may go at any time, and is not demanded afterwards.
                rows += len(literals) if table in self._context.compared else 0
                for statement in statements(table, literals):
                    writer.run(statement)
            return rows

        return writer.transaction(work)


def copy_reference(context: ReshardingContext, target: int) -> int:
    """Give a shard the rows that are the same on all, from the first one; return how many they are."""
    rows = 0
    with closing(context.session(context.old.shards[0])) as reader, closing(context.session(target)) as writer:
        writer.run("START TRANSACTION")
        for table in context.reference:
            writer.run(f"DELETE FROM `{table.name}`")
            literals = read_literals(reader, table, f"FROM `{table.name}` t")
            rows += len(literals)
            for statement in statements(table, literals):
                writer.run(statement)
        writer.run("COMMIT")
    return rows


def remove(  # noqa: PLR0913 - the last is named
    context: ReshardingContext,
    number: int,
    customers: Sequence[int],
    throttles: Throttles | None = None,
    counted: Counted = lambda _: None,
    *,
    version: int = 0,
) -> int:
    """Delete customers' rows from a shard that map `version` has elsewhere, 0 for copies; return how many they were.

    A few customers a transaction, which says of itself what it is.
    """
    rows = 0
    with closing(context.session(number)) as session:

        def work(some: Sequence[int]) -> int:
            gone = delete(session, context.tables, some)
            if gone:
                session.run(_REMOVED, [version, gone])
            return gone

        for some in in_chunks(customers, REMOVED_CUSTOMERS):
            if throttles:
                throttles.wait()
            gone = session.transaction(lambda some=some: work(some))  # type: ignore[misc]
            counted(gone)
            rows += gone
    return rows


def _outside(customers: Sequence[int], ranges: Sequence[tuple[int, int]]) -> list[int]:
    """Return the customers, which ascend, that lie in none of the ranges, which do, too."""
    left, rest = [], deque(ranges)
    for customer in customers:
        while rest and rest[0][1] < customer:
            rest.popleft()
        if not rest or customer < rest[0][0]:
            left.append(customer)
    return left


def _in_doubt(server: Server) -> set[str]:
    """Return the transactions that are prepared by XA and neither committed nor rolled back."""
    return {str(row["data"]) for row in server.query("XA RECOVER CONVERT XID", account="admin")}
