"""Maps by ranges: of countries, in regions, and of the day on which a customer signed up."""

import dataclasses
import itertools
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wavetank.sharding.errors import ShardingError
from wavetank.sharding.maps.keys import COUNTRY, SIGN_UP, checked, read_moment, written
from wavetank.sharding.maps.shape import Range, part, read_shards, with_shard, without_shard

# Where the sample shop's customers live, and how many of 29 do.
REGIONS: Mapping[str, Mapping[str, int]] = {
    "americas": {"US": 4, "BR": 2, "CA": 1, "MX": 1},
    "europe": {"DE": 3, "GB": 2, "FR": 2, "ES": 1},
    "asia": {"IN": 3, "JP": 2, "ID": 1, "KR": 1},
    "africa": {"NG": 2, "ZA": 1, "KE": 1},
    "oceania": {"AU": 1, "NZ": 1},
}
# When they signed up: the days that are divided. What lies outside belongs to the first or the last shard.
SIGN_UPS = (datetime(2023, 1, 1), datetime(2024, 1, 1))  # noqa: DTZ001 - MySQL's DATETIME has no zone


@dataclass(frozen=True)
class Region:
    """Countries that are on one shard."""

    name: str
    countries: tuple[str, ...]
    shard: int


@dataclass(frozen=True)
class RegionMap:
    """Lists of countries; what is on none of them is `elsewhere`."""

    regions: tuple[Region, ...]
    elsewhere: int
    kind = "region"
    column = COUNTRY

    @property
    def shards(self) -> tuple[int, ...]:
        """The shards that have countries, in ascending order."""
        return tuple(sorted({region.shard for region in self.regions}))

    def shard_of(self, key: Any) -> int:  # noqa: ANN401
        """Return the shard of a country; see ShardMap."""
        country = checked(self.column, key)
        return next((region.shard for region in self.regions if country in region.countries), self.elsewhere)

    def sql_shard(self, column_expression: str) -> str:
        """Return the SQL that gives shard_of()."""
        cases = " ".join(
            f"WHEN {column_expression} IN ({', '.join(map(repr, region.countries))}) THEN {region.shard}"
            for region in self.regions
        )
        return f"CASE {cases} ELSE {self.elsewhere} END"

    def ranges(self) -> Iterator[Range]:
        """Yield each region's name, its countries, and its shard."""
        for region in self.regions:
            yield region.name, " ".join(region.countries), region.shard
        yield "elsewhere", "*", self.elsewhere

    def add(self, shard: int) -> "RegionMap":
        """Return the map in which `shard` has countries of the shard that has most people; see ShardMap."""
        with_shard(self.shards, shard)
        divisible = [each for each in self.shards if len(self._countries(each)) > 1]
        if not divisible:
            raise ShardingError(f"shard {shard} would have no country: each shard has only one left")
        largest = max(divisible, key=lambda each: _people(self._countries(each)))
        going = set(_halves(self._countries(largest))[1])
        halves = itertools.chain.from_iterable(_split(region, going, shard) for region in self.regions)
        return dataclasses.replace(self, regions=tuple(halves))

    def remove(self, shard: int) -> "RegionMap":
        """Return the map in which the shard that has fewest people has those of `shard`, too; see ShardMap."""
        left = without_shard(self.shards, shard)
        heir = min(left, key=lambda each: _people(self._countries(each)))
        regions = tuple(
            dataclasses.replace(region, shard=heir) if region.shard == shard else region for region in self.regions
        )
        return RegionMap(regions, heir if self.elsewhere == shard else self.elsewhere)

    def _countries(self, shard: int) -> tuple[str, ...]:
        return tuple(country for region in self.regions if region.shard == shard for country in region.countries)

    def to_document(self) -> dict[str, Any]:
        """Return the map as JSON takes it."""
        regions = [
            {"name": region.name, "countries": list(region.countries), "shard": region.shard} for region in self.regions
        ]
        return {"kind": self.kind, "regions": regions, "elsewhere": self.elsewhere}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "RegionMap":
        """Read what to_document() wrote.

        Raises:
            ShardingError: it is something else, or a country is in two regions.
        """
        regions = tuple(_region(each) for each in part(document, "regions", list))
        read_shards(sorted({region.shard for region in regions}))
        countries = [country for region in regions for country in region.countries]
        if twice := sorted({country for country in countries if countries.count(country) > 1}):
            raise ShardingError(f"a country is in one region, and {twice[0]} is in two")
        found = cls(regions, part(document, "elsewhere", int))
        if found.elsewhere not in found.shards:
            raise ShardingError(f"elsewhere is a shard that has a region, not {found.elsewhere}")
        return found

    @classmethod
    def of(cls, shards: tuple[int, ...]) -> "RegionMap":
        """Return the map that divides REGIONS: whole ones where there are enough, else countries.

        Raises:
            ShardingError: there are fewer countries than shards.
        """
        parts = [(name, tuple(countries)) for name, countries in REGIONS.items()]
        while len(parts) < len(shards):
            name, countries = max(parts, key=lambda each: (len(each[1]) > 1, _people(each[1])))
            if len(countries) == 1:
                raise ShardingError(f"{len(shards)} shards by region are too many: there are {len(parts)} countries")
            at = parts.index((name, countries))
            parts[at : at + 1] = [(name, half) for half in _halves(countries)]
        loads = dict.fromkeys(shards, 0)
        regions = []
        for name, countries in sorted(parts, key=lambda each: -_people(each[1])):
            shard = min(loads, key=lambda each: (loads[each], each))
            loads[shard] += _people(countries)
            regions.append(Region(name, countries, shard))
        return cls(tuple(sorted(regions, key=lambda region: region.shard)), min(loads, key=lambda each: loads[each]))


def _split(region: Region, going: set[str], shard: int) -> Iterator[Region]:
    for countries, owner in (
        (tuple(country for country in region.countries if country not in going), region.shard),
        (tuple(country for country in region.countries if country in going), shard),
    ):
        if countries:
            yield Region(region.name, countries, owner)


def _people(countries: Iterable[str]) -> int:
    weights = {country: weight for region in REGIONS.values() for country, weight in region.items()}
    return sum(weights.get(country, 1) for country in countries)


def _halves(countries: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the countries in two parts in which as many people live as can be."""
    cuts = range(1, len(countries))
    cut = min(cuts, key=lambda at: abs(_people(countries[:at]) - _people(countries[at:])))
    return countries[:cut], countries[cut:]


def _region(found: Any) -> Region:  # noqa: ANN401
    if not isinstance(found, Mapping):
        raise ShardingError(f"a region of a shard map has a name, countries and a shard, not {found!r}")
    countries = part(found, "countries", list)
    if not countries:
        raise ShardingError("a region of a shard map has at least one country")
    named = tuple(checked(COUNTRY, country) for country in countries)
    return Region(part(found, "name", str), named, part(found, "shard", int))


@dataclass(frozen=True)
class DateMap:
    """Ranges of the moment of signing up. Each of `bounds` begins a range; before the first is `owners[0]`'s.

    `first` and `last` say between which days a range is halved for a new shard.
    """

    bounds: tuple[datetime, ...]
    owners: tuple[int, ...]
    first: datetime
    last: datetime
    kind = "date"
    column = SIGN_UP

    @property
    def shards(self) -> tuple[int, ...]:
        """The shards that have a range, in ascending order."""
        return tuple(sorted(set(self.owners)))

    def shard_of(self, key: Any) -> int:  # noqa: ANN401
        """Return the shard of a moment; see ShardMap."""
        return self.owners[bisect_right(self.bounds, checked(self.column, key))]

    def sql_shard(self, column_expression: str) -> str:
        """Return the SQL that gives shard_of()."""
        if not self.bounds:
            return str(self.owners[0])
        cases = " ".join(
            f"WHEN {column_expression} < '{written(bound)}' THEN {owner}"
            for bound, owner in zip(self.bounds, self.owners, strict=False)
        )
        return f"CASE {cases} ELSE {self.owners[-1]} END"

    def ranges(self) -> Iterator[Range]:
        """Yield from when to before when each range is."""
        edges = ["the beginning", *map(written, self.bounds), "the end"]
        yield from zip(edges, edges[1:], self.owners, strict=False)

    def add(self, shard: int) -> "DateMap":
        """Return the map in which `shard` has the later half of the longest range; see ShardMap."""
        with_shard(self.shards, shard)
        edges = [self.first, *self.bounds, self.last]
        longest = max(range(len(self.owners)), key=lambda at: edges[at + 1] - edges[at])
        middle = edges[longest] + (edges[longest + 1] - edges[longest]) / 2
        middle = middle.replace(microsecond=0)
        if middle <= edges[longest]:
            raise ShardingError(f"shard {shard} would have no second: each shard has only one left")
        bounds, owners = list(self.bounds), list(self.owners)
        bounds.insert(longest, middle)
        owners.insert(longest + 1, shard)
        return dataclasses.replace(self, bounds=tuple(bounds), owners=tuple(owners))

    def remove(self, shard: int) -> "DateMap":
        """Return the map in which the range before has what was `shard`'s, or the one after; see ShardMap."""
        without_shard(self.shards, shard)
        heir = next(owner for owner in self.owners if owner != shard)
        owners = []
        for owner in self.owners:
            heir = heir if owner == shard else owner
            owners.append(heir)
        return _joined(self, owners)

    def to_document(self) -> dict[str, Any]:
        """Return the map as JSON takes it."""
        return {
            "kind": self.kind,
            "bounds": [written(bound) for bound in self.bounds],
            "shards": list(self.owners),
            "first": written(self.first),
            "last": written(self.last),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "DateMap":
        """Read what to_document() wrote.

        Raises:
            ShardingError: it is something else, or its bounds do not ascend.
        """
        bounds = tuple(read_moment(bound) for bound in part(document, "bounds", list))
        owners = tuple(part(document, "shards", list))
        if len(owners) == 0 or not all(type(owner) is int for owner in owners):
            raise ShardingError(f"a map has different shards, not {owners!r}")
        read_shards(sorted(set(owners)))
        if len(owners) != len(bounds) + 1 or any(low >= high for low, high in itertools.pairwise(bounds)):
            raise ShardingError("the bounds of a map by date ascend, and there is one less of them than of shards")
        return cls(bounds, owners, read_moment(document.get("first")), read_moment(document.get("last")))

    @classmethod
    def of(cls, shards: tuple[int, ...]) -> "DateMap":
        """Return the map that divides SIGN_UPS into equal parts."""
        first, last = SIGN_UPS
        step = (last - first) / len(shards)
        bounds = tuple((first + number * step).replace(microsecond=0) for number in range(1, len(shards)))
        return cls(bounds, shards, first, last)


def _joined(old: DateMap, owners: Sequence[int]) -> DateMap:
    """Return the map with neighbouring ranges of one owner as one."""
    kept = [at for at in range(len(old.bounds)) if owners[at] != owners[at + 1]]
    bounds = tuple(old.bounds[at] for at in kept)
    return dataclasses.replace(old, bounds=bounds, owners=(*(owners[at] for at in kept), owners[-1]))
