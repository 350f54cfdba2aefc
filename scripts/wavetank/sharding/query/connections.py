"""Connections to the servers of a shard: which of them is read, and what its failure means."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from wavetank.errors import UnreachableError
from wavetank.servers.lag import HEARTBEAT_AGE
from wavetank.servers.node import Connection, Server, StatementError, Stream, query_on, stream_on
from wavetank.sharding.errors import ShardingError
from wavetank.sharding.query import partials
from wavetank.sharding.query.plan import Types

# A statement over all rows takes its time, and a stream waits while others are read, seconds.
PATIENCE_S = 600
# Who reads: may see the shop and have temporary tables, and nothing else.
READER = "app_ro"


class ShardDownError(ShardingError):
    """A shard none of whose servers answers, so that there is no whole answer."""


@dataclass(frozen=True)
class Part:
    """One shard: its number, the schema of its rows, the server that takes its writes, and those that follow it."""

    number: int
    schema: str
    source: Server
    replicas: tuple[Server, ...] = ()


@dataclass
class Line:
    """A connection to one server of a shard, for one statement at a time."""

    shard: int
    server: str
    connection: Connection = field(repr=False)
    # Rows are on their way that nobody has read: nothing else can be said.
    busy: bool = False

    def run(self, statement: str) -> None:
        """Run a statement that returns nothing; raise as stream() does."""
        with self._explained():
            query_on(self.connection, statement, node=self.server)

    def types(self, probe: str, checks: Sequence[str]) -> Types:
        """Make the table of partial rows and return its columns' types; raise as stream() does."""
        with self._explained():
            return partials.create(self.connection, probe, checks, node=self.server)

    def drop(self) -> None:
        """Remove what types() made; raise as stream() does."""
        with self._explained():
            partials.drop(self.connection, node=self.server)

    def fill(self, rows: Iterator[tuple[Any, ...]], types: Types) -> int:
        """Put rows into the table of partial rows; raise as stream() does."""
        with self._explained():
            return partials.fill(self.connection, rows, types, node=self.server)

    def stream(self, statement: str, *, raw: bool = False) -> Stream:
        """Return the rows of a statement as they come.

        Raises:
            ShardDownError: the server went away, now or while the rows are read.
            ShardingError: it refuses the statement.
        """
        with self._explained():
            stream = stream_on(self.connection, statement, node=self.server, raw=raw)
        self.busy = True
        return Stream(stream.columns, self._rows(stream))

    def _rows(self, stream: Stream) -> Iterator[tuple[Any, ...]]:
        with self._explained():
            yield from stream.rows
        self.busy = False

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except UnreachableError as error:
            self.busy = True
            raise ShardDownError(
                f"shard {self.shard} went away during the query: {error}; nothing is complete"
            ) from error
        except StatementError as error:
            self.busy = True
            raise ShardingError(f"shard {self.shard} ({self.server}) refuses it: {error.msg or error}") from error


def open_line(part: Part, server: Server) -> Line:
    """Connect to a server of a shard, where unqualified names are those of its schema.

    Raises:
        ShardDownError: it does not answer.
    """
    try:
        connection = server.connect(READER, PATIENCE_S)
    except UnreachableError as error:
        raise ShardDownError(f"shard {part.number} is down: {error}") from error
    connection.cmd_init_db(part.schema)
    query_on(connection, f"SET SESSION net_write_timeout = {PATIENCE_S}", node=server.name)
    return Line(part.number, server.name, connection)


def pick(part: Part, *, lag_bound_s: float, sources: bool) -> Server:
    """Return the server to read: a replica that answers and is not behind, else the source.

    Raises:
        ShardDownError: none answers.
    """
    silent = []
    for replica in () if sources else part.replicas:
        try:
            age_us = replica.value(HEARTBEAT_AGE)
        except UnreachableError:
            silent.append(replica.name)
            continue
        if age_us is not None and int(age_us) <= lag_bound_s * 1e6:
            return replica
    try:
        part.source.value("SELECT 1")
    except UnreachableError as error:
        named = " and ".join([*silent, part.source.name])
        verb = "do" if silent else "does"
        raise ShardDownError(
            f"shard {part.number} is down: {named} {verb} not answer, and without it no answer is whole"
        ) from error
    return part.source
