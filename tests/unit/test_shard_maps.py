# ruff: noqa: DTZ001 - MySQL's DATETIME has no zone
"""Shard maps: every key has one shard, what moves when one is added, and documents."""

import itertools
import json
import zlib
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wavetank.sharding.errors import KeyTypeError, ShardingError
from wavetank.sharding.maps.factory import KINDS, document_of, make_map, read_map
from wavetank.sharding.maps.hashed import RingMap
from wavetank.sharding.maps.keys import COUNTRY, CUSTOMER, SIGN_UP, key_text, position_of, read_key, written
from wavetank.sharding.maps.listed import DirectoryMap
from wavetank.sharding.maps.ranged import REGIONS
from wavetank.sharding.maps.shape import ShardMap, moved

MANY = 100_000
COMPUTED = [kind for kind in KINDS if kind != "directory"]
IDS = st.integers(0, 2**64 - 1)
KEYS: dict[str, st.SearchStrategy[Any]] = {
    CUSTOMER: IDS,
    COUNTRY: st.one_of(
        st.sampled_from([country for region in REGIONS.values() for country in region]),
        st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=2, max_size=2),
    ),
    SIGN_UP: st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)).map(lambda at: at.replace(microsecond=0)),
}
SHARDS = st.sets(st.integers(1, 40), min_size=1, max_size=8).map(lambda found: tuple(sorted(found)))


@st.composite
def maps_and_keys(draw: st.DrawFn) -> tuple[ShardMap, Any]:
    shard_map = make_map(draw(st.sampled_from(COMPUTED)), draw(SHARDS))
    return shard_map, draw(KEYS[shard_map.column])


@settings(deadline=None)
@given(maps_and_keys())
def test_every_key_has_exactly_one_shard(case: tuple[ShardMap, Any]) -> None:
    shard_map, key = case

    assert shard_map.shard_of(key) in shard_map.shards
    assert shard_map.shard_of(key) == shard_map.shard_of(key)


@settings(deadline=None)
@given(maps_and_keys())
def test_a_map_survives_its_document(case: tuple[ShardMap, Any]) -> None:
    shard_map, key = case
    copy = read_map(json.loads(json.dumps(document_of(shard_map), sort_keys=True)))

    assert copy == shard_map
    assert copy.shard_of(key) == shard_map.shard_of(key)


@settings(deadline=None)
@given(maps_and_keys(), st.integers(41, 50))
def test_only_the_new_shard_gains_where_ranges_or_places_are_added(case: tuple[ShardMap, Any], new: int) -> None:
    shard_map, key = case
    if shard_map.kind == "hash":
        return  # what moves there is the next test's
    grown = shard_map.add(new)
    assert set(grown.shards) == {*shard_map.shards, new}
    assert moved(shard_map, grown, key) in (None, (shard_map.shard_of(key), new))


@settings(deadline=None)
@given(maps_and_keys(), st.integers(41, 50), st.data())
def test_what_a_removed_shard_had_is_all_that_moves(case: tuple[ShardMap, Any], new: int, data: st.DataObject) -> None:
    shard_map, key = case
    if shard_map.kind == "hash":
        return
    grown = shard_map.add(new)
    gone = data.draw(st.sampled_from(grown.shards))
    shrunk = grown.remove(gone)
    assert gone not in shrunk.shards
    assert set(shrunk.shards) <= set(grown.shards)
    assert moved(grown, shrunk, key) is None or grown.shard_of(key) == gone


@given(SHARDS, st.integers(41, 50))
@settings(deadline=None, max_examples=25)
def test_a_ring_moves_hardly_more_than_it_must_and_a_shard_leaves_no_trace(shards: tuple[int, ...], new: int) -> None:
    ring = RingMap(shards)
    grown = ring.add(new)

    assert grown.shares()[new] <= 1.15 / (len(shards) + 1)
    assert sum(grown.shares().values()) == pytest.approx(1)
    assert grown.remove(new) == ring


def test_a_modulo_hash_moves_nearly_everything() -> None:
    before = make_map("hash", (1, 2, 3, 4))
    after = before.add(5)

    shares = sum(1 for key in range(10_000) if moved(before, after, key)) / 10_000
    assert shares == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("count", [2, 4, 5, 8, 16])
@pytest.mark.parametrize("kind", ["hash", "ring"])
def test_a_hundred_thousand_keys_are_balanced_within_a_tenth(kind: str, count: int) -> None:
    shard_map = make_map(kind, tuple(range(1, count + 1)))

    found = Counter(map(shard_map.shard_of, range(1, MANY + 1)))
    assert all(abs(found[shard] / (MANY / count) - 1) <= 0.1 for shard in shard_map.shards)


@given(SHARDS)
@settings(deadline=None, max_examples=25)
def test_any_shards_are_balanced_on_the_ring(shards: tuple[int, ...]) -> None:
    assert all(abs(share * len(shards) - 1) <= 0.1 for share in RingMap(shards).shares().values())


def test_the_ranges_of_a_ring_are_what_it_does() -> None:
    ring = make_map("ring", (1, 2, 3))
    ranges = [(int(low), int(high), shard) for low, high, shard in ring.ranges()]

    assert ranges[0][0] == 0
    assert ranges[-1][1] == 2**32 - 1
    assert all(high + 1 == low for (_, high, _), (low, _, _) in itertools.pairwise(ranges))
    for key in range(300):
        position = position_of(str(key))
        assert [shard for low, high, shard in ranges if low <= position <= high] == [ring.shard_of(key)]


# --- the same everywhere: golden values, from which no platform and no version of Python may stray


def test_a_position_is_the_beginning_of_the_sha_256() -> None:
    # echo -n 12345 | sha256sum
    assert position_of("12345") == 0x5994471A


@pytest.mark.parametrize(
    ("kind", "digest"),
    [("ring", 3409573858), ("hash", 327220572), ("region", 862724234), ("date", 2401319984)],
)
def test_keys_stay_where_they_are_from_one_version_to_the_next(kind: str, digest: int) -> None:
    shard_map = make_map(kind, (1, 2, 3, 4))
    keys: dict[str, list[Any]] = {
        CUSTOMER: list(range(10_000)),
        COUNTRY: [chr(65 + number // 26) + chr(65 + number % 26) for number in range(26 * 26)],
        SIGN_UP: [datetime(2022, 12, 1) + timedelta(hours=7 * number) for number in range(2_000)],
    }

    # Fixed here, so that a change that would leave all rows on the wrong shards is seen.
    assert zlib.crc32(bytes(map(shard_map.shard_of, keys[shard_map.column]))) == digest


def test_the_first_customers_of_the_default_map() -> None:
    ring = make_map("ring", (1, 2, 3, 4))

    assert [ring.shard_of(key) for key in (1, 2, 3, 4, 5, 12345, 2**64 - 1)] == [3, 1, 2, 3, 1, 4, 4]


# --- ranges


def test_five_regions_on_four_shards() -> None:
    shard_map = make_map("region", (1, 2, 3, 4))

    assert {country: shard_map.shard_of(country) for country in ("US", "DE", "JP", "NG", "AU")} == {
        "US": 1, "DE": 2, "JP": 3, "NG": 4, "AU": 4,
    }  # fmt: skip
    assert shard_map.shard_of("ZZ") in shard_map.shards


@pytest.mark.parametrize("count", range(1, 18))
def test_regions_divide_into_as_many_shards_as_there_are_countries(count: int) -> None:
    shard_map = make_map("region", tuple(range(1, count + 1)))

    assert len(shard_map.shards) == count
    countries = [country for _, some, _ in shard_map.ranges() for country in some.split() if some != "*"]
    assert sorted(countries) == sorted(country for region in REGIONS.values() for country in region)


def test_more_shards_than_countries_are_refused() -> None:
    with pytest.raises(ShardingError, match="18 shards by region are too many: there are 17 countries"):
        make_map("region", tuple(range(1, 19)))
    with pytest.raises(ShardingError, match="no country"):
        make_map("region", tuple(range(1, 18))).add(18)


def test_a_bound_of_time_belongs_to_the_range_that_it_begins() -> None:
    shard_map = make_map("date", (1, 2))

    assert [shard_map.shard_of(datetime(2023, 7, 2, 12) - timedelta(seconds=back)) for back in (1, 0)] == [1, 2]


# --- the directory


def test_a_directory_asks_whoever_knows() -> None:
    asked: list[tuple[int, str]] = []

    def find(customer: int, stage: str) -> int:
        asked.append((customer, stage))
        return 2

    shard_map = make_map("directory", (1, 2), find)
    assert shard_map.shard_of(7) == 2
    assert shard_map.add(3).shard_of(8) == 2
    assert asked == [(7, "shard"), (8, "next_shard")]
    assert shard_map.sql_shard("customer_id") is None
    assert read_map(document_of(shard_map), find) == shard_map


def test_a_directory_on_its_own_knows_nobody() -> None:
    with pytest.raises(ShardingError, match="asked through its catalogue"):
        DirectoryMap((1, 2)).shard_of(7)


# --- refusals, in one line each


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        *[("ring", key) for key in ("12", 1.0, None, True, -1, 2**64, b"1", [1])],
        *[("region", key) for key in ("de", "DEU", "D", 1, None, "D1", "ÄÖ")],
        *[("date", key) for key in ("2024-01-01", 5, None, datetime(2024, 1, 1, microsecond=1))],
        ("date", datetime.fromisoformat("2024-01-01T00:00:00+00:00")),
        ("directory", "12"),
    ],
)
def test_a_key_of_another_type_is_refused_by_name(kind: str, key: Any) -> None:  # noqa: ANN401
    what = {
        "ring": "customer_id is a whole number from 0 to 18446744073709551615",
        "directory": "customer_id is a whole number from 0 to 18446744073709551615",
        "region": "country is two capital letters, like 'DE'",
        "date": "created_at is a datetime of whole seconds without a zone",
    }
    with pytest.raises(KeyTypeError) as refusal:
        make_map(kind, (1, 2), lambda _customer, _stage: 1).shard_of(key)
    assert str(refusal.value) == f"{key!r} is no key of this map: {what[kind]}"


@pytest.mark.parametrize("year", [1000, 2024, 9999])
def test_a_datetime_is_hashed_as_mysql_writes_it(year: int) -> None:
    moment = datetime(year, 1, 2, 3, 4, 5)
    assert key_text(moment) == written(moment) == f"{year}-01-02 03:04:05"


@pytest.mark.parametrize("shards", [(1,), (1, 2), (1, 2, 3)])
def test_neighbouring_places_of_one_shard_are_one(shards: tuple[int, ...]) -> None:
    ring = RingMap(shards, places=5)
    places = sorted((position_of(f"{shard}-{place}"), shard) for shard in shards for place in range(ring.places))
    runs = [list(run)[-1] for _, run in itertools.groupby(places, key=lambda each: each[1])]
    assert ring.tokens() == runs
    # The last token stands although the first one's shard may be the same: it ends the last range.
    found = list(ring.ranges())
    assert [(int(low), int(high)) for low, high, _ in found][-1][1] == 2**32 - 1
    assert all(int(low) <= int(high) for low, high, _ in found)
    assert sum(ring.shares().values()) == 1.0


def test_a_ring_keeps_how_many_places_a_shard_has() -> None:
    ring = RingMap((1, 2), places=5)
    assert ring.add(3) == RingMap((1, 2, 3), places=5)
    assert ring.remove(2) == RingMap((1,), places=5)


@pytest.mark.parametrize(
    ("column", "text", "key"),
    [(CUSTOMER, "12345", 12345), (COUNTRY, "DE", "DE"), (SIGN_UP, "2024-02-29 10:00", datetime(2024, 2, 29, 10))],
)
def test_a_person_writes_a_key_as_text(column: str, text: str, key: object) -> None:
    assert read_key(column, text) == key


@pytest.mark.parametrize(
    ("column", "text"), [(CUSTOMER, "x"), (CUSTOMER, "-1"), (COUNTRY, "12"), (SIGN_UP, "yesterday")]
)
def test_what_a_person_writes_wrong_is_refused(column: str, text: str) -> None:
    with pytest.raises(KeyTypeError, match=f"'{text}' is no key"):
        read_key(column, text)


@pytest.mark.parametrize("kind", KINDS)
def test_a_shard_outside_the_map_is_refused(kind: str) -> None:
    shard_map = make_map(kind, (1, 2))
    with pytest.raises(ShardingError, match="shard 2 is in the map already, which has 1, 2"):
        shard_map.add(2)
    with pytest.raises(ShardingError, match="shard 9 is not in the map, which has 1, 2"):
        shard_map.remove(9)
    with pytest.raises(ShardingError, match="shard 1 is the only one"):
        make_map(kind, (1,)).remove(1)
    with pytest.raises(ShardingError, match="different shards from 1 to 999"):
        shard_map.add(1000)


@pytest.mark.parametrize("shards", [(), (0,), (1, 1), (1, 1000)])
def test_shards_that_are_none_are_refused(shards: tuple[int, ...]) -> None:
    with pytest.raises(ShardingError, match="different shards"):
        make_map("ring", shards)


def test_a_kind_that_is_none_is_refused() -> None:
    with pytest.raises(ShardingError, match="shard_by=modulo is none of ring, hash, region, date, directory"):
        make_map("modulo", (1,))


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (None, "not None"),
        ([], "not []"),
        ({}, "format None"),
        ({"format": 2, "kind": "ring"}, "format 2 cannot be read here"),
        ({"format": 1, "kind": "cube"}, "kind 'cube' cannot be read here"),
        ({"format": 1, "kind": "ring", "shards": [1, 2]}, "places is a int, not None"),
        ({"format": 1, "kind": "ring", "shards": [1, 2], "places": 0}, "from 1 to 65536 places"),
        ({"format": 1, "kind": "ring", "shards": "12", "places": 9}, "different shards"),
        ({"format": 1, "kind": "hash", "shards": [1, "2"]}, "different shards"),
        ({"format": 1, "kind": "hash", "shards": [True]}, "different shards"),
        ({"format": 1, "kind": "date", "shards": [1, 2], "bounds": []}, "one less"),
        ({"format": 1, "kind": "date", "shards": [1, 2], "bounds": ["soon"]}, "'soon' in a shard map"),
        ({"format": 1, "kind": "region", "regions": [], "elsewhere": 1}, "different shards"),
        ({"format": 1, "kind": "region", "regions": [{"name": "a", "countries": ["DE"], "shard": 1}], "elsewhere": 2},
         "elsewhere is a shard"),
        ({"format": 1, "kind": "region", "regions": [{"name": "a", "countries": ["de"], "shard": 1}], "elsewhere": 1},
         "'de' is no key"),
        ({"format": 1, "kind": "region", "elsewhere": 1,
          "regions": [{"name": name, "countries": ["DE"], "shard": 1} for name in "ab"]}, "DE is in two"),
        ({"format": 1, "kind": "directory", "shards": [1], "stage": "later"}, "not 'later'"),
    ],
)  # fmt: skip
def test_a_document_that_is_no_map_of_ours_is_refused_in_one_line(document: object, said: str) -> None:
    with pytest.raises(ShardingError, match=said.replace("[", r"\[")) as refusal:
        read_map(document)
    assert "\n" not in str(refusal.value)
