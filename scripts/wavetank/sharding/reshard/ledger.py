"""What a resharding has done, in two tables beside the shard map: a row for each resharding, phase and chunk.

They are the memory of a run that was killed. A chunk's row is written after the chunk has been committed, so that
what the tables say has been done has been; what they do not say is done again, which changes nothing.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from wavetank.errors import UsageError
from wavetank.node import Row, Server, query_on
from wavetank.sharding.maps import ShardMap, document_of, read_map
from wavetank.sharding.maps.listed import Find

T = TypeVar("T")
PREPARE, COPY, FOLLOW, COMPARE, CUT_OVER, REMOVE = "prepare", "copy", "follow", "compare", "cut-over", "remove"
PHASES = (PREPARE, COPY, FOLLOW, COMPARE, CUT_OVER, REMOVE)
DONE, ABORTED = "done", "aborted"
_LOCK = "wavetank.reshard"
# One that was killed a moment ago may still hold the lock until its server notices.
LOCK_WAIT_S = 5


@dataclass(frozen=True)
class Chunk:
    """Customers from `low` to `high` that move from one shard to another."""

    from_shard: int
    to_shard: int
    low: int
    high: int


@dataclass(frozen=True)
class Position:
    """Up to where something is done for one shard: a GTID set, true for these servers; `rows` of it."""

    gtids: str
    servers: tuple[str, ...]
    rows: int


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


class Ledger:
    """The two tables, on the catalogue's server."""

    def __init__(self, server: Server, find: Find | None = None) -> None:
        """Know where they are; `find` asks the directory, where the map is one."""
        self._server = server
        self._find = find

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep every other resharding out; a killed one's lock ends with its connection.

        Raises:
            UsageError: another one is running.
        """
        with self._server.connection("admin") as connection:
            statement = "SELECT GET_LOCK(%s, %s) AS got"
            if not query_on(connection, statement, [_LOCK, LOCK_WAIT_S], node=self._server.name)[0]["got"]:
                raise UsageError("a resharding of this instance is running already: wait for its end, or end it")
            try:
                yield
            finally:
                query_on(connection, "SELECT RELEASE_LOCK(%s)", [_LOCK], node=self._server.name)

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
            "SELECT gtids, servers, row_count FROM sharding.reshard_steps "
            "WHERE (resharding, phase, from_shard, to_shard, low) = (%s, %s, %s, 0, 0)",
            resharding.id, phase, from_shard,
        )  # fmt: skip
        if not rows:
            return None
        return Position(rows[0]["gtids"], tuple(rows[0]["servers"].split(",")), int(rows[0]["row_count"]))

    def set_position(self, resharding: Resharding, phase: str, from_shard: int, position: Position) -> None:
        """Enter up to where a phase is done for a shard."""
        self._ask(
            "INSERT INTO sharding.reshard_steps (resharding, phase, from_shard, gtids, servers, row_count) "
            "VALUES (%s, %s, %s, %s, %s, %s) AS new ON DUPLICATE KEY UPDATE "
            "gtids = new.gtids, servers = new.servers, row_count = new.row_count, ended_at = NOW(6)",
            resharding.id, phase, from_shard, position.gtids, ",".join(position.servers), position.rows,
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
