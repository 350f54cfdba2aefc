"""Maps by a key's hash: the remainder of a division, and a ring on which shards have many places."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from uhashring import HashRing

from wavetank.sharding.errors import ShardingError
from wavetank.sharding.maps.keys import CUSTOMER, POSITIONS, checked, key_text, position_of, sql_position
from wavetank.sharding.maps.shape import Range, part, read_shards, with_shard, without_shard

# Places of a shard on the ring. A shard's share strays from the ideal by some 1/sqrt(places) of it, 2.2 %:
# ten percent are four times that and more.
PLACES = 2048
MOST_PLACES = 65_536


@dataclass(frozen=True)
class HashMap:
    """The remainder of the key's position, divided by the number of shards.

    The simplest there is; but when a shard is added, all keys but one in `shards` move, also between old ones.
    """

    shards: tuple[int, ...]
    kind = "hash"
    column = CUSTOMER

    def shard_of(self, key: Any) -> int:  # noqa: ANN401
        """Return the shard of a customer; see ShardMap."""
        return self.shards[position_of(key_text(checked(self.column, key))) % len(self.shards)]

    def sql_shard(self, column_expression: str) -> str:
        """Return the SQL that gives shard_of()."""
        place = f"1 + {sql_position(column_expression)} % {len(self.shards)}"
        return f"CAST(ELT({place}, {_listed(self.shards)}) AS UNSIGNED)"

    def ranges(self) -> Iterator[Range]:
        """Yield each shard's remainder, twice: its range is that one number."""
        for remainder, shard in enumerate(self.shards):
            yield str(remainder), str(remainder), shard

    def add(self, shard: int) -> "HashMap":
        """Return the map with one more shard; see ShardMap."""
        return HashMap(with_shard(self.shards, shard))

    def remove(self, shard: int) -> "HashMap":
        """Return the map with one shard less; see ShardMap."""
        return HashMap(without_shard(self.shards, shard))

    def to_document(self) -> dict[str, Any]:
        """Return the map as JSON takes it."""
        return {"kind": self.kind, "shards": list(self.shards)}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "HashMap":
        """Read what to_document() wrote."""
        return cls(read_shards(document.get("shards")))


@dataclass(frozen=True)
class RingMap:
    """Consistent hashing: a key belongs to the first place after its position, round the ring.

    A shard that is added takes its part from all others, and nothing moves between those.
    """

    shards: tuple[int, ...]
    places: int = PLACES
    kind = "ring"
    column = CUSTOMER

    def shard_of(self, key: Any) -> int:  # noqa: ANN401
        """Return the shard of a customer; see ShardMap."""
        return int(_ring(self.shards, self.places).get_node(key_text(checked(self.column, key))))

    def sql_shard(self, column_expression: str) -> str:
        """Return the SQL that gives shard_of(): INTERVAL() searches its sorted constants by halves."""
        tokens, owners = zip(*self.tokens(), strict=True)
        place = f"1 + INTERVAL({sql_position(column_expression)}, {_listed(tokens)})"
        # What lies behind the last token belongs to the first one.
        return f"CAST(ELT({place}, {_listed((*owners, owners[0]))}) AS UNSIGNED)"

    def tokens(self) -> list[tuple[int, int]]:
        """Return the places in order, each with its shard; a shard's neighbouring ones are one place."""
        points = _ring(self.shards, self.places).get_points()
        return [
            (token, int(owner))
            for (token, owner), (_, following) in zip(points, [*points[1:], points[0]], strict=True)
            if owner != following or token == points[-1][0]
        ]

    def ranges(self) -> Iterator[Range]:
        """Yield who has which positions, from 0 to POSITIONS - 1."""
        tokens = self.tokens()
        low = 0
        for token, shard in [*tokens, (POSITIONS, tokens[0][1])]:
            if token > low:
                yield str(low), str(token - 1), shard
            low = token

    def shares(self) -> dict[int, float]:
        """Return which part of all positions each shard has."""
        sums = dict.fromkeys(self.shards, 0)
        for low, high, shard in self.ranges():
            sums[shard] += int(high) - int(low) + 1
        return {shard: width / POSITIONS for shard, width in sums.items()}

    def add(self, shard: int) -> "RingMap":
        """Return the map with one more shard; see ShardMap."""
        return RingMap(with_shard(self.shards, shard), self.places)

    def remove(self, shard: int) -> "RingMap":
        """Return the map with one shard less; see ShardMap."""
        return RingMap(without_shard(self.shards, shard), self.places)

    def to_document(self) -> dict[str, Any]:
        """Return the map as JSON takes it: its places follow from the shards."""
        return {"kind": self.kind, "shards": list(self.shards), "places": self.places}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "RingMap":
        """Read what to_document() wrote."""
        places = part(document, "places", int)
        if not 1 <= places <= MOST_PLACES:
            raise ShardingError(f"a shard has from 1 to {MOST_PLACES} places on the ring, not {places}")
        return cls(read_shards(document.get("shards")), places)


@functools.lru_cache(maxsize=16)
def _ring(shards: tuple[int, ...], places: int) -> HashRing:
    """Return the ring of these shards: making one takes some 2 µs a place."""
    return HashRing([str(shard) for shard in shards], vnodes=places, hash_fn=position_of)


def _listed(numbers: tuple[int, ...]) -> str:
    return ",".join(map(str, numbers))
