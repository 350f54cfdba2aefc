"""What every kind of map is, and what they share: lists of shards, and documents that say one line when wrong."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from wavetank.sharding.errors import ShardingError

# The first and the last key of a range, or a list of keys, as people read them; and whose it is.
Range = tuple[str, str, int]
HIGHEST_SHARD = 999


class ShardMap(Protocol):
    """Which shard a key belongs to. Immutable: adding and removing make another map."""

    @property
    def kind(self) -> str:
        """What SHARD_BY= calls it."""

    @property
    def column(self) -> str:
        """The column of customers that is the key."""

    @property
    def shards(self) -> tuple[int, ...]:
        """The shards that have keys, in ascending order."""

    def shard_of(self, key: Any) -> int:  # noqa: ANN401 - whatever an application takes for a key
        """Return the shard of `key`.

        Raises:
            KeyTypeError: the map's column does not hold such keys.
            ShardingError: the directory does not know the customer, or does not answer.
        """

    def sql_shard(self, column_expression: str) -> str | None:
        """Return the SQL that gives shard_of() on a server; None where a server cannot know."""

    def ranges(self) -> Iterator[Range]:
        """Yield which keys, positions or remainders are whose."""

    def add(self, shard: int) -> "ShardMap":
        """Return the map in which `shard` has its part.

        Raises:
            ShardingError: it has one already, or there is nothing left to divide.
        """

    def remove(self, shard: int) -> "ShardMap":
        """Return the map in which the others have what was `shard`'s.

        Raises:
            ShardingError: it has no part, or is the only one.
        """

    def to_document(self) -> dict[str, Any]:
        """Return the map as JSON takes it; read_map() reads it back."""


def moved(old: ShardMap, new: ShardMap, key: Any) -> tuple[int, int] | None:  # noqa: ANN401
    """Return from which shard to which one `key` moves where `new` follows `old`; None where it stays."""
    before, after = old.shard_of(key), new.shard_of(key)
    return None if before == after else (before, after)


def with_shard(shards: tuple[int, ...], shard: int) -> tuple[int, ...]:
    """Return `shards` with one more.

    Raises:
        ShardingError: it is among them.
    """
    if shard in shards:
        raise ShardingError(f"shard {shard} is in the map already, which has {listed(shards)}")
    return read_shards([*shards, shard])


def without_shard(shards: tuple[int, ...], shard: int) -> tuple[int, ...]:
    """Return `shards` with one less.

    Raises:
        ShardingError: it is not among them, or nothing would be left.
    """
    if shard not in shards:
        raise ShardingError(f"shard {shard} is not in the map, which has {listed(shards)}")
    if len(shards) == 1:
        raise ShardingError(f"shard {shard} is the only one in the map: another one must be added first")
    return tuple(each for each in shards if each != shard)


def read_shards(shards: Any) -> tuple[int, ...]:  # noqa: ANN401 - what a document holds
    """Return shard numbers in ascending order.

    Raises:
        ShardingError: they are not a list of different numbers from 1 to HIGHEST_SHARD.
    """
    if (
        not isinstance(shards, Sequence)
        or not shards
        or not all(type(shard) is int and 1 <= shard <= HIGHEST_SHARD for shard in shards)
        or len(set(shards)) < len(shards)
    ):
        raise ShardingError(f"a map has different shards from 1 to {HIGHEST_SHARD}, not {shards!r}")
    return tuple(sorted(shards))


def part(document: Mapping[str, Any], name: str, kind: type) -> Any:  # noqa: ANN401
    """Return what a document holds under `name`.

    Raises:
        ShardingError: nothing, or nothing of that type.
    """
    found = document.get(name)
    if type(found) is not kind:
        raise ShardingError(f"a shard map's {name} is a {kind.__name__}, not {found!r}")
    return found


def listed(shards: Sequence[int]) -> str:
    """Return shard numbers as a sentence names them."""
    return ", ".join(map(str, shards))
