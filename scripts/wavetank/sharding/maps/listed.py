"""The map that is a table: a directory names every customer's shard."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from wavetank.sharding.errors import ShardingError
from wavetank.sharding.maps.keys import CUSTOMER, checked
from wavetank.sharding.maps.shape import Range, read_shards, with_shard, without_shard

# Which column of customer_shard_mapping a map reads: where customers are, or where they will be.
Stage = Literal["shard", "next_shard"]
Find = Callable[[int, Stage], int]


@dataclass(frozen=True)
class DirectoryMap:
    """What customer_shard_mapping says; `find` asks it, and raises where it does not know the customer.

    A map that was added to or removed from reads next_shard: who moves is written there, before it is published.
    """

    shards: tuple[int, ...]
    stage: Stage = "shard"
    find: Find | None = dataclasses.field(default=None, compare=False, repr=False)
    kind = "directory"
    column = CUSTOMER

    def shard_of(self, key: Any) -> int:  # noqa: ANN401
        """Return the shard of a customer; see ShardMap."""
        customer = checked(self.column, key)
        if self.find is None:
            raise ShardingError("a directory's map is asked through its catalogue: it has no rows of its own")
        return self.find(customer, self.stage)

    def sql_shard(self, column_expression: str) -> None:  # noqa: ARG002
        """Return None: the directory is on one server only."""
        return None  # noqa: RET501 - it is the answer

    def ranges(self) -> Iterator[Range]:
        """Yield nothing: every customer is a range."""
        yield from ()

    def add(self, shard: int) -> "DirectoryMap":
        """Return the map with one more shard; see ShardMap."""
        return dataclasses.replace(self, shards=with_shard(self.shards, shard), stage="next_shard")

    def remove(self, shard: int) -> "DirectoryMap":
        """Return the map with one shard less; see ShardMap."""
        return dataclasses.replace(self, shards=without_shard(self.shards, shard), stage="next_shard")

    def settled(self) -> "DirectoryMap":
        """Return the map as it is once next_shard has become shard: what is published at the cut-over."""
        return dataclasses.replace(self, stage="shard")

    def to_document(self) -> dict[str, Any]:
        """Return the map as JSON takes it."""
        return {"kind": self.kind, "shards": list(self.shards), "stage": self.stage}

    @classmethod
    def from_document(cls, document: Mapping[str, Any], find: Find | None = None) -> "DirectoryMap":
        """Read what to_document() wrote; `find` is who is asked from now on."""
        stage = document.get("stage")
        if stage not in ("shard", "next_shard"):
            raise ShardingError(f"a directory's map reads shard or next_shard, not {stage!r}")
        return cls(read_shards(document.get("shards")), stage, find)
