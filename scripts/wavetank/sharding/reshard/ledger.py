"""What a resharding has done, in two tables beside the shard map: a row for each resharding, phase and chunk.

They are the memory of a run that was killed. A chunk's row is written after the chunk has been committed, so that
what the tables say has been done has been; what they do not say is done again, which changes nothing.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from wavetank.errors import UnreachableError, UsageError
from wavetank.servers.node import Row, Server, StatementError, query_on
from wavetank.sharding.maps.factory import document_of, read_map
from wavetank.sharding.maps.listed import Find
from wavetank.sharding.maps.shape import ShardMap

if TYPE_CHECKING:
    from wavetank.servers.node import Connection

T = TypeVar("T")
PREPARE, COPY, FOLLOW, COMPARE, CUT_OVER, REMOVE = "prepare", "copy", "follow", "compare", "cut-over", "remove"
PHASES = (PREPARE, COPY, FOLLOW, COMPARE, CUT_OVER, REMOVE)
DONE, ABORTED = "done", "aborted"
LOCK = "wavetank.reshard"
_STILL_OURS = "SELECT IS_USED_LOCK(%s) <=> CONNECTION_ID() AS ours"
LONGEST_S = 7 * 24 * 3600
# One that was killed a moment ago may still hold the lock until its server notices.
LOCK_WAIT_S = 5


class AtWorkError(UsageError):
    """Another resharding of the instance is running."""


@dataclass(frozen=True)
class Chunk:
    """Customers from `low` to `high` that move from one shard to another."""

    from_shard: int
    to_shard: int
    low: int
    high: int


@dataclass(frozen=True)
class Position:
    """Up to where something is done for one shard: a GTID set, true for these servers; `rows` of it, some `deleted`."""

    gtids: str
    servers: tuple[str, ...]
    rows: int
    deleted: int = 0


@dataclass(frozen=True)
class Resharding:
    """One change of the map, as the table has it."""

    id: int
    before: tuple[int, ...]
    after: tuple[int, ...]
    new_map: ShardMap
    phase: str

    @property
    def title(self) -> str:
        """What it is, for people."""
        return f"from {len(self.before)} to {len(self.after)} shards"


def at_work(catalogue: Server) -> bool:
    """Return whether a resharding is running now: the lock of one that was killed ends with its connection."""
    return not catalogue.value("SELECT IS_FREE_LOCK(%s)", [LOCK])


class Ledger:
    """The two tables, on the catalogue's server."""

    def __init__(self, server: Server, find: Find | None = None) -> None:
        """Take the server that has the tables; `find` asks the directory, where the map is one."""
        self._server = server
        self._find = find
        # On which connection the lock is.
        self._alone: Connection | None = None

    @contextlib.contextmanager
    def alone(self, wait_s: int = LOCK_WAIT_S) -> Iterator[None]:
        """Keep every other resharding out; a killed one's lock ends with its connection.

        Raises:
            AtWorkError: another one is running.
        """
        with self._server.connection("admin") as connection:
            # A copy may take longer than a connection may be idle.
            query_on(connection, f"SET SESSION wait_timeout = {LONGEST_S}", node=self._server.name)
            statement = "SELECT GET_LOCK(%s, %s) AS got"
            if not query_on(connection, statement, [LOCK, wait_s], node=self._server.name)[0]["got"]:
                raise AtWorkError("a resharding of this instance is running already: wait for its end, or end it")
            try:
                self._alone = connection
                yield
            finally:
                self._alone = None
                # With the connection it is gone as well.
                with contextlib.suppress(UnreachableError, StatementError):
                    query_on(connection, "SELECT RELEASE_LOCK(%s)", [LOCK], node=self._server.name)

    def refuse_company(self) -> None:
        """Refuse to go on where the lock is gone, as it is after a restart of its server: another one may have begun.

        Raises:
            UsageError: it is gone.
        """
        assert self._alone is not None  # noqa: S101 - alone() is around it
        try:
            ours = query_on(self._alone, _STILL_OURS, [LOCK], node=self._server.name)[0]["ours"]
        except (UnreachableError, StatementError):
            ours = False
        if not ours:
            raise UsageError(
                f"the connection to {self._server.name} broke, and with it went the lock that keeps other reshardings "
                "out: the same command goes on"
            )

    def _ask(self, statement: str, *parameters: Any) -> list[Row]:  # noqa: ANN401
        return self._server.query(statement, parameters, account="admin")

    # --- reshardings

    def newest(self) -> Resharding | None:
        """Return the resharding that began last, None before the first."""
        rows = self._ask("SELECT * FROM sharding.reshardings ORDER BY id DESC LIMIT 1")
        if not rows:
            return None
        row = rows[0]
        before, after = (tuple(json.loads(row[name])) for name in ("shards_before", "shards_after"))
        return Resharding(row["id"], before, after, read_map(json.loads(row["new_map"]), self._find), row["phase"])

    def under_way(self) -> Resharding | None:
        """Return the resharding that has not ended, None where there is none."""
        newest = self.newest()
        return newest if newest and newest.phase not in {DONE, ABORTED} else None

    def refuse_other(self, to: int) -> Resharding | None:
        """Return the resharding that is under way, None where there is none.

        Raises:
            UsageError: it is not one to `to` shards.
        """
        found = self.under_way()
        if found and len(found.after) != to:
            raise UsageError(
                f"a resharding {found.title} is under way ({found.phase}): make reshard TO={len(found.after)} goes on "
                "with it, make reshard-abort takes it back before its cut-over"
            )
        return found

    def begin(self, old_map: ShardMap, new_map: ShardMap) -> Resharding:
        """Enter a resharding."""
        self._ask(
            "INSERT INTO sharding.reshardings (shards_before, shards_after, new_map, phase) VALUES (%s, %s, %s, %s)",
            json.dumps(old_map.shards),
            json.dumps(new_map.shards),
            json.dumps(document_of(new_map)),
            PREPARE,
        )
        found = self.newest()
        assert found is not None  # noqa: S101 - it has just been written
        return found

    def enter(self, resharding: Resharding, phase: str) -> None:
        """Enter that a phase begins, or goes on."""
        self._ask("UPDATE sharding.reshardings SET phase = %s WHERE id = %s", phase, resharding.id)
        self._ask("INSERT IGNORE INTO sharding.reshard_steps (resharding, phase) VALUES (%s, %s)", resharding.id, phase)

    def leave(self, resharding: Resharding, phase: str, rows: int) -> None:
        """Enter that a phase has ended, and how many rows it was about."""
        self._ask(
            "UPDATE sharding.reshard_steps SET row_count = %s, ended_at = NOW(6) "
            "WHERE (resharding, phase, from_shard, to_shard, low) = (%s, %s, 0, 0, 0)",
            rows, resharding.id, phase,
        )  # fmt: skip

    def end(self, resharding: Resharding, outcome: str) -> None:
        """Enter that all is done, or has been taken back."""
        self._ask("UPDATE sharding.reshardings SET phase = %s, ended_at = NOW(6) WHERE id = %s", outcome, resharding.id)

    # --- what is known of one shard

    def position(self, resharding: Resharding, phase: str, from_shard: int) -> Position | None:
        """Return up to where a phase is done for a shard, None where nothing is."""
        rows = self._ask(
            "SELECT gtids, servers, row_count, high FROM sharding.reshard_steps "
            "WHERE (resharding, phase, from_shard, to_shard, low) = (%s, %s, %s, 0, 0)",
            resharding.id, phase, from_shard,
        )  # fmt: skip
        if not rows:
            return None
        (row,) = rows
        return Position(row["gtids"], tuple(row["servers"].split(",")), int(row["row_count"]), int(row["high"]))

    def set_position(self, resharding: Resharding, phase: str, from_shard: int, position: Position) -> None:
        """Enter up to where a phase is done for a shard."""
        self._ask(
            "INSERT INTO sharding.reshard_steps (resharding, phase, from_shard, gtids, servers, row_count, high) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s) AS new ON DUPLICATE KEY UPDATE gtids = new.gtids, "
            "servers = new.servers, row_count = new.row_count, high = new.high, ended_at = NOW(6)",
            resharding.id, phase, from_shard, position.gtids, ",".join(position.servers), position.rows,
            position.deleted,
        )  # fmt: skip

    def forget(self, resharding: Resharding, from_shard: int) -> None:
        """Remove all that is known of what a shard gives: it begins anew."""
        self._ask(
            "DELETE FROM sharding.reshard_steps WHERE resharding = %s AND from_shard = %s", resharding.id, from_shard
        )

    # --- chunks

    def chunks(self, resharding: Resharding, phase: str) -> dict[Chunk, int]:
        """Return the chunks that are done, and how many rows each had."""
        rows = self._ask(
            "SELECT from_shard, to_shard, low, high, row_count FROM sharding.reshard_steps "
            "WHERE resharding = %s AND phase = %s AND to_shard > 0",
            resharding.id, phase,
        )  # fmt: skip
        return {
            Chunk(row["from_shard"], row["to_shard"], int(row["low"]), int(row["high"])): int(row["row_count"])
            for row in rows
        }

    def add_chunk(self, resharding: Resharding, phase: str, chunk: Chunk, rows: int, began: datetime) -> None:
        """Enter that a chunk is done."""
        self._ask(
            "REPLACE INTO sharding.reshard_steps "
            "(resharding, phase, from_shard, to_shard, low, high, row_count, began_at, ended_at) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, NOW(6))",
            resharding.id, phase, chunk.from_shard, chunk.to_shard, chunk.low, chunk.high, rows, began,
        )  # fmt: skip


def in_chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield items, `size` at a time."""
    return (items[at : at + size] for at in range(0, len(items), size))
