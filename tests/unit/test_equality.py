"""How two servers are compared: each row in one piece, pieces as small as they must be, and only what stays."""

import contextlib
import re
from collections.abc import Collection
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wavetank.servers import equality
from wavetank.servers.chunks import Column, Range, Table
from wavetank.servers.equality import CHUNK_ROWS, BehindError, Pair, SlowError, lasting, suspected, unequal_ranges

INT = Column("id", "int", "int", nullable=False, charset="", collation="", place=1)
TABLE = Table("shop", "t", (INT,))
TEXT = Column("code", "varchar(9)", "varchar", nullable=False, charset="latin1", collation="latin1_bin", place=2)


class PretendedPair:
    """Two servers with integer keys; one that is asked for more than `most` rows at once is slow."""

    source, replica = "source", "replica"

    def __init__(self, theirs: Collection[int], ours: Collection[int], most: int = 10**9) -> None:
        self._held = {"source": sorted(theirs), "replica": sorted(ours)}
        self._most = most
        self.read: list[tuple[int, ...]] = []

    def ask(self, server: str, what: str, _patience_s: int = 10) -> list[dict[str, object]]:
        keys = self.within(server, what)
        offset = re.search(r"OFFSET (\d+)", what)
        if offset:
            return [{"k0": str(key)} for key in keys[int(offset[1]) :][:1]]
        if len(keys) > self._most:
            raise SlowError("too many")
        return [{"n": len(keys), "hash": hash(keys)}]

    def rows(self, what: str) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
        found = self.ask("source", what), self.ask("replica", what)
        self.read.append(self.within("source", what))
        return found

    def catch_up(self) -> None:
        """Nothing is written."""

    def within(self, server: str, what: str) -> tuple[int, ...]:
        low = re.search(r"`id` > (-?\d+)", what)
        high = re.search(r"`id` <= (-?\d+)", what)
        return tuple(
            key for key in self._held[server] if (not low or key > int(low[1])) and (not high or key <= int(high[1]))
        )


@pytest.mark.parametrize("count", [0, 1, CHUNK_ROWS - 1, CHUNK_ROWS, CHUNK_ROWS + 1, 3 * CHUNK_ROWS])
def test_every_row_is_read_once(count: int) -> None:
    pair = PretendedPair(range(count), range(count))
    assert list(unequal_ranges(pair, TABLE)) == []  # type: ignore[arg-type]
    assert [key for keys in pair.read for key in keys] == list(range(count))


@settings(deadline=None)
@given(st.sets(st.integers(0, 90), max_size=9), st.integers(1, 30))
def test_what_differs_is_in_a_piece_however_small_the_pieces_must_be(changed: set[int], most: int) -> None:
    # Every second one is on the source.
    theirs = set(range(0, 90, 2))
    pair = PretendedPair(theirs, theirs ^ changed, most)
    with mock.patch.object(equality, "CHUNK_ROWS", 20), contextlib.suppress(SlowError):
        pieces = list(unequal_ranges(pair, TABLE))  # type: ignore[arg-type]
        held = [{*pair.within("source", piece.where), *pair.within("replica", piece.where)} for piece in pieces]
        assert changed <= set().union(*held)
        assert all(changed & keys for keys in held)
        return
    # Between two rows of the source, or behind its last one, the replica has more than can be read.
    assert most <= len(changed - theirs) + 1


def test_a_row_that_alone_takes_too_long_ends_it() -> None:
    with pytest.raises(SlowError):
        list(unequal_ranges(PretendedPair(range(10), range(10), most=0), TABLE))  # type: ignore[arg-type]


class Summed:
    """Two servers that say what the sums of their tables are; more than so many at once take too long."""

    def __init__(self, *sums: tuple[int, int], most: int = 10**9) -> None:
        self._sums = sums
        self._most = most

    def rows(self, what: str, _patience_s: int) -> tuple[list[dict[str, int]], list[dict[str, int]]]:
        numbers = [(int(at), int(name)) for at, name in re.findall(r"(\d+) AS at, .*?FROM `shop`.`t(\d+)`", what)]
        if len(numbers) > self._most:
            raise SlowError("too much")
        one, other = ([{"at": at, "hash": self._sums[name][side]} for at, name in numbers] for side in (0, 1))
        return one, other


@pytest.mark.parametrize("count", [0, 1, 50, 51, 120])
def test_small_tables_are_read_together_and_those_that_differ_in_pieces(count: int) -> None:
    tables = [Table("shop", f"t{number}", (INT,)) for number in range(count)]
    differing = {number for number in (0, 49, 50, 119) if number < count}
    pair = Summed(*((number, -number - 1 if number in differing else number) for number in range(count)))
    assert [table.name for table in suspected(pair, tables)] == [f"t{each}" for each in sorted(differing)]  # type: ignore[arg-type]


def test_tables_that_take_long_together_are_all_read_in_pieces() -> None:
    tables = [Table("shop", f"t{number}", (INT,)) for number in range(60)]
    pair = Summed(*((number, number) for number in range(60)), most=10)
    # The last ten of them go together.
    assert list(suspected(pair, tables)) == tables[:50]  # type: ignore[arg-type]


# --- what lasts

Held = tuple[dict[bytes, str], dict[bytes, str]]


def said_to_differ(*looks: Held) -> list[bytes]:
    """Return what is said to differ by these looks, the last of which goes on."""
    rest = list(looks)

    def look(_keys: Collection[bytes]) -> Held:
        return rest.pop(0) if len(rest) > 1 else rest[0]

    keys, _ = lasting(PretendedPair((), ()), look(()), look)  # type: ignore[arg-type]
    return keys


@pytest.mark.parametrize(
    ("looks", "differing"),
    [
        ([({b"1": "a"}, {b"1": "b"})], [b"1"]),
        ([({b"1": "a"}, {})], [b"1"]),
        ([({}, {b"1": "a"})], [b"1"]),
        ([({b"1": "a"}, {b"1": "a"})], []),
        # On its way: there a moment later.
        ([({b"1": "a"}, {}), ({b"1": "a"}, {b"1": "a"})], []),
        # Written meanwhile on the source, or applied meanwhile on the replica.
        ([({b"1": "a"}, {b"1": "b"}), ({b"1": "c"}, {b"1": "b"})], []),
        ([({b"1": "a"}, {b"1": "b"}), ({b"1": "a"}, {b"1": "c"})], []),
        # To and fro: it looks the same now and then.
        ([({b"1": "a"}, {b"1": "b"}), ({b"1": "a"}, {b"1": "b"}), ({b"1": "b"}, {b"1": "a"})], []),
        # One that moves does not hide one that does not.
        ([({b"1": "a", b"2": "x"}, {b"1": "b"}), ({b"1": "a", b"2": "y"}, {b"1": "b"})], [b"1"]),
    ],
)
def test_only_what_stays_different_and_unchanged_differs(looks: list[Held], differing: list[bytes]) -> None:
    assert said_to_differ(*looks) == differing


# --- the pieces' SQL


def test_a_key_of_several_columns_is_compared_column_after_column() -> None:
    table = Table("shop", "t", (TEXT, INT))
    assert Range(table, ("1", "_latin1 x'61'"), None).where == "((`id` > 1) OR (`id` = 1 AND `code` > _latin1 x'61'))"
    assert Range(table, None, ("2", "_latin1 x'62'")).where == "((`id` < 2) OR (`id` = 2 AND `code` <= _latin1 x'62'))"
    assert "ORDER BY `id`, `code` LIMIT 1 OFFSET 99" in table.bound(None, 100)


@pytest.mark.parametrize("kind", ["float", "double", "enum", "blob", "text", "bit"])
def test_a_key_that_cannot_be_written_as_a_literal_is_none(kind: str) -> None:
    key = Column("id", kind, kind, nullable=False, charset="", collation="", place=1)
    assert Table("shop", "t", (key,)).key == ()


def test_who_is_behind_is_compared_with_nobody() -> None:
    class Late:
        name = "db2"

        @staticmethod
        def value(statement: str, *_: object, **__: object) -> object:
            return 1 if "WAIT_FOR" in statement else "uuid:1-9"

    pair = Pair(Late(), Late(), None, peers=False)  # type: ignore[arg-type]
    with pytest.raises(BehindError, match="db2 did not come to have what db2 had"):
        pair.catch_up()


def test_the_time_for_all_of_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equality, "WITHIN_S", 0)
    pair = Pair(None, None, None, peers=False)  # type: ignore[arg-type]
    with pytest.raises(SlowError, match="not finished within the 0 s for all tables"):
        pair.ask(None, "1")  # type: ignore[arg-type]
