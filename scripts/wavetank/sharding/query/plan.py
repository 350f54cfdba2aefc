"""How a statement is answered over shards: what each is asked, and what is done with what they say."""

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from wavetank.sharding.query.reading import Refusal

# The table into which what the shards say is put, where a server merges it.
PARTIALS = "wt_partials"


class MergeStrategy(enum.Enum):
    """How the answers of shards are merged, and who does it."""

    ONE = "nothing to merge: one shard has all of it"
    ROWS = "rows, as they come"
    GROUPS = "a temporary table on one server"


class Sort(enum.Enum):
    """How values of a type are compared as MySQL does."""

    VALUE = "as it is"
    WEIGHT = "by WEIGHT_STRING"
    INDEX = "by position in the ENUM"


@dataclass(frozen=True)
class ColumnType:
    """A column's type as SHOW FULL COLUMNS has it, such as decimal(12,2), and its collation, '' for none."""

    name: str
    collation: str = ""

    @property
    def base(self) -> str:
        """The type without its length."""
        return self.name.partition("(")[0].partition(" ")[0]

    @property
    def is_exact(self) -> bool:
        """Whether its values are numbers whose sum does not depend on the order in which they are added."""
        return self.base in ("decimal", "tinyint", "smallint", "mediumint", "int", "bigint", "year")

    def refuse_sum(self, call: exp.Expr) -> None:
        """Refuse to add up such values, or such sums.

        Raises:
            Refusal: the sum depends on the order; the message names the call.
        """
        if not self.is_exact:
            raise Refusal(
                f"{call.sql('mysql')} adds values of type {self.name}, and their sum depends on the order: "
                "CAST them AS DECIMAL"
            )

    @property
    def is_binary(self) -> bool:
        """Whether it holds bytes and not text."""
        return not self.collation and self.base in ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob")

    def refuse_lossy(self) -> None:
        """Refuse values that a server does not write out in full, or not as a statement reads them.

        Raises:
            Refusal: they are that.
        """
        if self.base in ("float", "bit", "geometry", "vector"):
            raise Refusal(f"a column of type {self.name} is not merged over shards: its values do not travel exactly")

    def sort(self) -> Sort:
        """Return how its values are compared.

        Raises:
            Refusal: not in a way that is known here.
        """
        self.refuse_lossy()
        if self.base in ("enum", "set"):
            return Sort.INDEX
        if self.base == "json":
            raise Refusal("ORDER BY a JSON value is not merged over shards")
        if not self.collation:
            return Sort.VALUE
        # Others leave trailing blanks out, which a weight alone does not show.
        if "_0900_" not in self.collation:
            raise Refusal(f"ORDER BY in collation {self.collation} is not merged over shards")
        return Sort.WEIGHT


@dataclass(frozen=True)
class Plan:
    """What is sent and how it is merged.

    `keys` says of each hidden column at the end of a row whether its order is descending; `limit` is None for all
    rows. `merge` is asked of the server that holds the table of PARTIALS, where the way is GROUPS.
    """

    strategy: MergeStrategy
    shards: tuple[int, ...]
    sent: str
    keys: tuple[bool, ...] = ()
    limit: int | None = None
    offset: int = 0
    merge: str = ""
    notes: tuple[str, ...] = ()

    def to(self, shards: tuple[int, ...]) -> "Plan":
        """Return the same plan for these shards."""
        return replace(self, shards=shards)

    def as_dict(self) -> dict[str, Any]:
        """Return the plan for machines."""
        return {
            "way": self.strategy.name.lower(),
            "shards": list(self.shards),
            "sent": self.sent,
            "merge": self.merge or None,
            "order": ["descending" if down else "ascending" for down in self.keys],
            "limit": self.limit,
            "offset": self.offset,
            "notes": list(self.notes),
        }

    def lines(self) -> Iterator[str]:
        """Yield the plan for people."""
        named = ", ".join(map(str, self.shards))
        yield f"to shard{'s' * (len(self.shards) > 1)} {named}:"
        yield f"  {self.sent}"
        yield f"merged: {self.strategy.value}"
        if self.merge:
            yield f"  {self.merge}"
        if self.keys:
            order = ", ".join("descending" if down else "ascending" for down in self.keys)
            yield f"  by {len(self.keys)} hidden key columns at the end: {order}"
        if self.offset:
            yield f"  without the first {self.offset} rows"
        if self.limit is not None and self.strategy is MergeStrategy.ROWS:
            yield f"  at most {self.limit} rows"
        yield from (f"note: {note}" for note in self.notes)


Types = Mapping[str, ColumnType]
