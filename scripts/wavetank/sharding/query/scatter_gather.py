"""A query over all shards: asked of them side by side, merged, and given row by row."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, Self

from wavetank.servers.node import Server, Servers, Stream
from wavetank.sharding.catalogue import refuse_unsharded
from wavetank.sharding.errors import ShardingError
from wavetank.sharding.query import ordering
from wavetank.sharding.query.compiling import Draft, draft_of, owned
from wavetank.sharding.query.connections import Line, Part, open_line, pick
from wavetank.sharding.query.map_snapshot import MapSnapshot, ReadSnapshot, snapshot_reader
from wavetank.sharding.query.plan import MergeStrategy, Plan, Types
from wavetank.sharding.query.tables import Schema

_COLUMNS = """
    SELECT TABLE_NAME AS name, COLUMN_NAME AS item FROM information_schema.COLUMNS
     WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME, ORDINAL_POSITION
"""
_VIEWS = (
    "SELECT TABLE_NAME AS name, VIEW_DEFINITION AS item FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE()"
)


# How often a query begins anew because the shard map changed under it.
ATTEMPTS = 5


@dataclass
class Answer:
    """The rows of a query, which can be read once and are not held; `servers` says who was asked, by shard."""

    plan: Plan
    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]
    servers: dict[int, str] = field(default_factory=dict)


class Gatherer:
    """Asks the shards of a map; connections are kept from one query to the next. For one thread at a time."""

    def __init__(
        self, parts: Sequence[Part], read_snapshot: ReadSnapshot, *, lag_bound_s: float = 5.0, sources: bool = False
    ) -> None:
        """Take the shards and what reads the map; no connection is opened yet. `sources`: no replica is read."""
        self._parts = {part.number: part for part in parts}
        self._read_snapshot = read_snapshot
        self._lag_bound_s = lag_bound_s
        self._sources = sources
        self._known: Schema | None = None
        self._idle: dict[tuple[int, str], list[Line]] = {}
        self._threads = ThreadPoolExecutor(max_workers=max(len(parts), 1), thread_name_prefix="shard")

    def __enter__(self) -> Self:
        """Use as a context, so that connections are closed at its end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close every connection."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        for lines in self._idle.values():
            for line in lines:
                line.connection.close()

    @contextlib.contextmanager
    def ask(self, statement: str) -> Iterator[Answer]:
        """Run a statement; its rows are to be read before the context ends.

        Raises:
            ShardingError: it cannot be merged exactly, or a server refuses it; also while rows are read.
            ShardDownError: a shard does not answer; also while rows are read.
        """
        for _ in range(ATTEMPTS):
            with contextlib.ExitStack() as stack:
                snapshot = self._read_snapshot()
                draft = draft_of(statement, self._schema(snapshot), snapshot)
                lines = self._lines(draft.shards, snapshot, stack)
                merging, types = self._probed(draft, snapshot, lines[0], stack)
                plan = draft.plan(types)
                streams = self._asked(plan, snapshot, lines)
                # All shards have begun to read: if the map is still what it was, none of them has lost rows before.
                if self._read_snapshot() != snapshot:
                    continue
                columns, rows = self._merged(plan, streams, merging, types)
                yield Answer(plan, columns, rows, {line.shard: line.server for line in lines})
                return
        raise ShardingError(f"the shard map changed {ATTEMPTS} times while the query began: run it again")

    def explain(self, statement: str) -> Plan:
        """Return how the statement would be answered, without running it; raise as ask() does."""
        with contextlib.ExitStack() as stack:
            snapshot = self._read_snapshot()
            draft = draft_of(statement, self._schema(snapshot), snapshot)
            if not draft.probe:
                return draft.plan({})
            line = self._lines(draft.shards[:1], snapshot, stack)[0]
            return draft.plan(self._probed(draft, snapshot, line, stack)[1])

    def each(self, statement: str) -> dict[int, list[tuple[Any, ...]]]:
        """Return what each shard says for itself; raise as ask() does."""
        for _ in range(ATTEMPTS):
            with contextlib.ExitStack() as stack:
                snapshot = self._read_snapshot()
                own = owned(statement, self._schema(snapshot), snapshot)
                lines = self._lines(snapshot.map.shards, snapshot, stack)
                streams = self._asked(Plan(MergeStrategy.ROWS, snapshot.map.shards, own), snapshot, lines)
                if self._read_snapshot() == snapshot:
                    return {line.shard: list(stream.rows) for line, stream in zip(lines, streams, strict=True)}
        raise ShardingError(f"the shard map changed {ATTEMPTS} times while the query began: run it again")

    def _schema(self, snapshot: MapSnapshot) -> Schema:
        """Return the tables of the shards; those of the first are those of all."""
        if self._known is None:
            with contextlib.ExitStack() as stack:
                line = self._lines(snapshot.map.shards[:1], snapshot, stack)[0]
                columns: dict[str, list[str]] = {}
                for name, column in line.stream(_COLUMNS).rows:
                    columns.setdefault(name, []).append(column.lower())
                views = dict(line.stream(_VIEWS).rows)
            tables = {name: tuple(names) for name, names in columns.items()}
            self._known = Schema(tables, views)
        return self._known

    def _lines(self, shards: Sequence[int], snapshot: MapSnapshot, stack: contextlib.ExitStack) -> list[Line]:
        """Return a connection to a server of each shard, borrowed until the stack's end."""
        # A replica may not yet have what has moved to it, or still have what has moved away.
        sources = self._sources or snapshot.moving
        now = time.time()

        def line(shard: int) -> Line:
            part = self._parts[shard]
            return self._borrow(part, pick(part, lag_bound_s=self._lag_bound_s, sources=sources), now)

        self._refuse_unknown(shards)
        begun = [self._threads.submit(line, shard) for shard in shards]
        wait(begun)
        for each in begun:
            if not each.exception():
                stack.callback(self._give_back, each.result())
        return [each.result() for each in begun]

    def _refuse_unknown(self, shards: Sequence[int]) -> None:
        for shard in shards:
            if shard not in self._parts:
                raise ShardingError(f"the shard map has shard {shard}, which this instance has not: read it anew")

    def _borrow(self, part: Part, server: Server, now: float) -> Line:
        idle = self._idle.setdefault((part.number, server.name), [])
        line = idle.pop() if idle else None
        if line is None or not line.connection.is_connected():
            line = open_line(part, server)
        # NOW() is the same moment everywhere.
        line.run(f"SET SESSION timestamp = {now:.6f}")
        return line

    def _give_back(self, line: Line) -> None:
        if line.busy:
            # Taking leave would read all that is on its way.
            line.connection.shutdown()
        else:
            self._idle.setdefault((line.shard, line.server), []).append(line)

    def _probed(
        self, draft: Draft, snapshot: MapSnapshot, like: Line, stack: contextlib.ExitStack
    ) -> tuple[Line | None, Types]:
        """Return the merging line, None where none is needed, and the types of what the draft asks about."""
        if not draft.probe:
            return None, {}
        part = self._parts[like.shard]
        server = next(each for each in (part.source, *part.replicas) if each.name == like.server)
        line = self._borrow(part, server, time.time())
        stack.callback(self._give_back, line)
        checks = [snapshot.statement(check, like.shard) for check in draft.checks]
        return line, line.types(snapshot.statement(draft.probe, like.shard), checks)

    def _asked(self, plan: Plan, snapshot: MapSnapshot, lines: Sequence[Line]) -> list[Stream]:
        """Ask all at the same time; their first rows are there when this returns."""
        raw = plan.strategy is MergeStrategy.GROUPS

        def stream(line: Line) -> Stream:
            return line.stream(snapshot.statement(plan.sent, line.shard), raw=raw)

        begun = [self._threads.submit(stream, line) for line in lines]
        # A connection on which a statement is under way cannot be given back, whatever another shard says.
        wait(begun)
        return [each.result() for each in begun]

    def _merged(
        self, plan: Plan, streams: Sequence[Stream], merging: Line | None, types: Types
    ) -> tuple[tuple[str, ...], Iterator[tuple[Any, ...]]]:
        if plan.strategy is MergeStrategy.ONE:
            return streams[0].columns, streams[0].rows
        if plan.strategy is MergeStrategy.GROUPS and merging:
            merging.fill((row for stream in streams for row in stream.rows), types)
            final = merging.stream(plan.merge)
            return final.columns, self._and_dropped(final, merging)
        rows = ordering.merged([stream.rows for stream in streams], plan.keys)
        columns = streams[0].columns[: len(streams[0].columns) - len(plan.keys)]
        return columns, ordering.cut(rows, plan.limit, plan.offset)

    @staticmethod
    def _and_dropped(stream: Stream, merging: Line) -> Iterator[tuple[Any, ...]]:
        yield from stream.rows
        merging.drop()


def parts_of(servers: Servers) -> list[Part]:
    """Return the shards of an instance."""
    return [
        Part(
            shard.number,
            shard.schema,
            servers[shard.source.name],
            tuple(servers[node.name] for node in shard.replicas),
        )
        for shard in servers.topology.shards
    ]


def gatherer_of(servers: Servers, *, sources: bool = False) -> Gatherer:
    """Return what asks all shards of an instance.

    Raises:
        ShardingError: it has no shards.
    """
    refuse_unsharded(servers.topology)
    bound_s = servers.topology.lag_bound_s
    return Gatherer(parts_of(servers), snapshot_reader(servers, bound_s), lag_bound_s=bound_s, sources=sources)
