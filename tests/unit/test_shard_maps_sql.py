# ruff: noqa: DTZ001 - MySQL's DATETIME has no zone
"""A map's SQL, computed by SQLite with MySQL's functions, gives the shard that Python gives; and maps as texts."""

import bisect
import hashlib
import sqlite3
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wavetank.sharding.errors import ShardingError
from wavetank.sharding.maps.factory import document_of, make_map, read_map
from wavetank.sharding.maps.keys import COUNTRY, CUSTOMER, SIGN_UP, key_text, read_moment, written
from wavetank.sharding.maps.ranged import REGIONS, DateMap, Region, RegionMap
from wavetank.sharding.maps.shape import ShardMap

COUNTRIES = [country for region in REGIONS.values() for country in region]
MOMENTS = st.datetimes(datetime(2022, 6, 1), datetime(2024, 6, 1)).map(lambda at: at.replace(microsecond=0))
KEYS: dict[str, st.SearchStrategy[Any]] = {
    CUSTOMER: st.integers(0, 2**64 - 1),
    COUNTRY: st.sampled_from([*COUNTRIES, "ZZ", "AA"]),
    SIGN_UP: MOMENTS,
}


def mysql() -> sqlite3.Connection:
    """Return a SQLite that has those of MySQL's functions that maps use."""
    database = sqlite3.connect(":memory:")
    functions: dict[str, tuple[int, Any]] = {
        "SHA2": (2, lambda text, _bits: hashlib.sha256(str(text).encode()).hexdigest()),
        "LEFT_": (2, lambda text, count: text[:count]),
        "CONV": (3, lambda text, base, _to: str(int(text, base))),
        "ELT": (-1, lambda at, *values: str(values[at - 1])),
        # How many of the ascending numbers are not above the first.
        "INTERVAL": (-1, lambda number, *ascending: bisect.bisect_right(ascending, number)),
    }
    for name, (arguments, function) in functions.items():
        database.create_function(name, arguments, function)
    return database


MYSQL = mysql()


def by_sql(shard_map: ShardMap, key: Any) -> int:  # noqa: ANN401
    sql = shard_map.sql_shard("k")
    assert sql is not None
    (found,) = MYSQL.execute(f"SELECT {sql.replace('LEFT(', 'LEFT_(')} FROM (SELECT ? AS k)", [key_text(key)])
    return int(found[0])


@given(
    st.sampled_from(["ring", "hash", "region", "date"]),
    st.sets(st.integers(1, 12), min_size=1, max_size=4).map(lambda found: tuple(sorted(found))),
    st.sampled_from([(), (13,)]),
    st.data(),
)
@settings(max_examples=60)
def test_a_server_computes_the_same_shard(
    kind: str,
    shards: tuple[int, ...],
    more: tuple[int, ...],
    data: st.DataObject,
) -> None:
    shard_map = make_map(kind, shards)
    if kind == "ring":
        # With few places a test is quick, and SQLite takes so many arguments.
        shard_map = read_map({**document_of(shard_map), "places": 7})
    for shard in more:
        shard_map = shard_map.add(shard)
    for key in data.draw(st.lists(KEYS[shard_map.column], min_size=1, max_size=5)):
        assert by_sql(shard_map, key) == shard_map.shard_of(key)


# --- regions

EUROPE, ASIA = Region("europe", ("DE", "FR", "XX"), 1), Region("asia", ("IN", "JP"), 2)
TWO = RegionMap((EUROPE, ASIA), 2)


def test_a_map_of_regions_is_told_as_ranges() -> None:
    assert list(TWO.ranges()) == [("europe", "DE FR XX", 1), ("asia", "IN JP", 2), ("elsewhere", "*", 2)]


def test_a_new_shard_gets_half_of_the_people_of_the_shard_that_has_most() -> None:
    # Of Germany, France and a country that is not listed live 3, 2 and 1; in India and Japan 3 and 2.
    grown = TWO.add(3)
    assert grown == RegionMap((Region("europe", ("DE",), 1), Region("europe", ("FR", "XX"), 3), ASIA), 2)
    # Of equals the first: shard 2 has now 5, shards 1 and 3 have 3 each.
    again = grown.add(4)
    assert again.regions[2:] == (Region("asia", ("IN",), 2), Region("asia", ("JP",), 4))


def test_a_shard_with_one_country_cannot_be_divided_whatever_lives_there() -> None:
    lonely = RegionMap((Region("a", ("US",), 1), Region("b", ("NZ", "AU"), 2)), 1)
    assert lonely.add(3).regions == (
        Region("a", ("US",), 1), Region("b", ("NZ",), 2), Region("b", ("AU",), 3),
    )  # fmt: skip


def test_who_has_fewest_people_inherits_and_what_is_elsewhere_too() -> None:
    three = RegionMap((EUROPE, ASIA, Region("oceania", ("AU",), 3)), 2)
    assert three.remove(2) == RegionMap((EUROPE, Region("asia", ("IN", "JP"), 3), Region("oceania", ("AU",), 3)), 3)
    assert three.remove(3) == RegionMap((EUROPE, ASIA, Region("oceania", ("AU",), 2)), 2)
    assert three.remove(1).elsewhere == 2


def test_the_first_map_of_regions_fills_the_emptiest_shard_first() -> None:
    assert make_map("region", (1, 2)) == RegionMap(
        (
            Region("americas", ("US", "BR", "CA", "MX"), 1),
            Region("asia", ("IN", "JP", "ID", "KR"), 1),
            Region("europe", ("DE", "GB", "FR", "ES"), 2),
            Region("africa", ("NG", "ZA", "KE"), 2),
            Region("oceania", ("AU", "NZ"), 2),
        ),
        2,
    )


# --- days

DAY = timedelta(days=1)
FIRST = datetime(2023, 1, 1)


def days(*bounds: int, owners: tuple[int, ...]) -> DateMap:
    """Return a map of ten days from FIRST, whose ranges begin so many days after it."""
    return DateMap(tuple(FIRST + DAY * bound for bound in bounds), owners, FIRST, FIRST + DAY * 10)


def test_a_map_of_days_is_told_as_ranges() -> None:
    assert list(days(5, owners=(1, 2)).ranges()) == [
        ("the beginning", "2023-01-06 00:00:00", 1), ("2023-01-06 00:00:00", "the end", 2),
    ]  # fmt: skip


def test_the_first_map_of_days_divides_them_equally() -> None:
    assert [bound for _, bound, _ in make_map("date", (4, 7)).ranges()] == ["2023-07-02 12:00:00", "the end"]
    assert list(make_map("date", (4,)).ranges()) == [("the beginning", "the end", 4)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (days(owners=(1,)), days(5, owners=(1, 9))),
        (days(4, owners=(1, 2)), days(4, 7, owners=(1, 2, 9))),
        (days(6, owners=(1, 2)), days(3, 6, owners=(1, 9, 2))),
        # Of equals the first.
        (days(5, owners=(1, 2)), DateMap((FIRST + DAY * 2.5, FIRST + DAY * 5), (1, 9, 2), FIRST, FIRST + DAY * 10)),
        (days(2, 8, owners=(1, 2, 3)), days(2, 5, 8, owners=(1, 2, 9, 3))),
    ],
)
def test_a_new_shard_gets_the_later_half_of_the_longest_range(before: DateMap, after: DateMap) -> None:
    assert before.add(9) == after


def test_a_second_cannot_be_divided() -> None:
    second = DateMap((), (1,), FIRST, FIRST + timedelta(seconds=1))
    with pytest.raises(ShardingError, match="shard 9 would have no second"):
        second.add(9)
    two = DateMap((), (1,), FIRST, FIRST + timedelta(seconds=2))
    assert two.add(9).bounds == (FIRST + timedelta(seconds=1),)


@pytest.mark.parametrize(
    ("before", "gone", "after"),
    [
        (days(5, owners=(1, 2)), 2, days(owners=(1,))),
        (days(5, owners=(1, 2)), 1, days(owners=(2,))),
        (days(2, 5, owners=(1, 2, 3)), 2, days(5, owners=(1, 3))),
        (days(2, 5, 8, owners=(1, 2, 1, 3)), 1, days(8, owners=(2, 3))),
        (days(2, 5, 8, owners=(1, 2, 1, 3)), 2, days(8, owners=(1, 3))),
        (days(2, 5, owners=(1, 2, 3)), 1, days(5, owners=(2, 3))),
    ],
)
def test_the_range_before_inherits_and_neighbours_of_one_owner_become_one(
    before: DateMap, gone: int, after: DateMap
) -> None:
    assert before.remove(gone) == after


@pytest.mark.parametrize(
    ("bounds", "shards", "said"),
    [
        ([], [], "different shards, not"),
        ([], ["1"], "different shards, not"),
        ([], [0], "different shards from 1 to 999"),
        ([], [1, 2], "one less"),
        (["2023-01-02 00:00:00"], [1], "one less"),
        (["2023-01-02 00:00:00", "2023-01-02 00:00:00"], [1, 2, 3], "ascend"),
        (["2023-01-03 00:00:00", "2023-01-02 00:00:00"], [1, 2, 3], "ascend"),
    ],
)
def test_bounds_ascend_and_stand_between_shards(bounds: list[str], shards: list[Any], said: str) -> None:
    document = {"format": 1, "kind": "date", "bounds": bounds, "shards": shards, "first": "2023-01-01 00:00:00"}
    with pytest.raises(ShardingError, match=said):
        read_map({**document, "last": "2024-01-01 00:00:00"})


def test_a_shard_may_have_several_ranges() -> None:
    twice = days(2, 5, owners=(1, 2, 1))
    assert read_map(document_of(twice)) == twice
    assert twice.shards == (1, 2)


# --- documents and texts


@pytest.mark.parametrize("places", [1, 65_536])
def test_a_ring_has_from_one_place_a_shard_to_very_many(places: int) -> None:
    assert document_of(read_map({"format": 1, "kind": "ring", "shards": [2, 1], "places": places})) == {
        "format": 1, "kind": "ring", "shards": [1, 2], "places": places,
    }  # fmt: skip


@pytest.mark.parametrize("places", [0, 65_537])
def test_other_numbers_of_places_are_refused(places: int) -> None:
    with pytest.raises(ShardingError, match=f"not {places}$"):
        read_map({"format": 1, "kind": "ring", "shards": [1], "places": places})


def test_hash_and_directory_are_told_and_written() -> None:
    assert list(make_map("hash", (3, 5)).ranges()) == [("0", "0", 3), ("1", "1", 5)]
    directory: Any = make_map("directory", (1, 2))
    assert list(directory.ranges()) == []
    moving = directory.add(3)
    assert document_of(moving) == {"format": 1, "kind": "directory", "shards": [1, 2, 3], "stage": "next_shard"}
    assert read_map(document_of(moving)) == moving
    assert directory.remove(2).stage == "next_shard"
    assert moving.settled().stage == "shard"
    assert moving.settled().shards == (1, 2, 3)


@pytest.mark.parametrize(
    "moment", [datetime(999, 1, 2, 3, 4, 5), datetime(1000, 1, 2), datetime(7, 12, 31, 23, 59, 59)]
)
def test_a_moment_is_written_with_four_digits_of_the_year_and_read_back(moment: datetime) -> None:
    assert written(moment) == moment.isoformat(" ")
    assert read_moment(written(moment)) == moment


@pytest.mark.parametrize("key", [0, 2**64 - 1])
def test_ids_reach_from_zero_to_the_highest_of_mysql(key: int) -> None:
    shard_map = make_map("hash", (1, 2, 3))
    assert by_sql(shard_map, key) == shard_map.shard_of(key)
