"""What came of a resharding, or of taking one back."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from wavetank.sharding.reshard.ledger import COPY, FOLLOW, REMOVE

# A shorter wait for replicas is not worth a line.
TOLD_S = 1.0


@dataclass
class Resharded:
    """What came of it: how many shards there were and are, rows by phase, seconds by phase, the block of writes."""

    shards_before: int
    shards_after: int
    map_version: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    copied_per_s: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)
    blocked_ms: float = 0.0
    throttled_s: float = 0.0
    changed: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Return it for json.dumps()."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """Yield it for people."""
        if not self.changed:
            yield f"{self.shards_after} shards are in the map already: nothing to do"
            return
        if copied := self.rows.get(COPY):
            applied = self.rows.get(FOLLOW, 0)
            yield f"copied {copied:,} rows, {self.copied_per_s:,.0f} a second; applied {applied:,} changes after them"
        if self.throttled_s >= TOLD_S:
            yield f"waited {self.throttled_s:.1f} s in all for replicas that were behind"
        if self.blocked_ms:
            yield f"moving keys could not be written for {self.blocked_ms:.0f} ms"
        yield f"removed {self.rows.get(REMOVE, 0):,} rows from where they were"
        yield f"{self.shards_after} shards are in the map, version {self.map_version}; there were {self.shards_before}"


@dataclass(frozen=True)
class Aborted:
    """What was taken back: how many shards there are and would have been, and how many copied rows were deleted."""

    shards: int
    shards_wanted: int
    map_version: int
    rows: int

    def as_dict(self) -> dict[str, Any]:
        """Return it for json.dumps()."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """Yield it for people."""
        yield f"deleted {self.rows:,} copied rows"
        yield f"{self.shards} shards are in the map, version {self.map_version}; {self.shards_wanted} were wanted"
