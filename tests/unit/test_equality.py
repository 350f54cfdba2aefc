"""How two servers are compared: each row in one piece, pieces as small as they must be, and only what stays."""

import contextlib
import hashlib
import re
import sqlite3
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mysql.connector.errors import DatabaseError, OperationalError
from wavetank.errors import UnreachableError
from wavetank.servers import equality
from wavetank.servers.checksums import TOO_LATE
from wavetank.servers.chunks import Column, Range, Table
from wavetank.servers.equality import (
    CATCH_UP_S,
    CHUNK_ROWS,
    CHUNK_S,
    LOOKS,
    PAUSE_S,
    WHOLE_S,
    WITHIN_S,
    BehindError,
    Difference,
    Pair,
    SlowError,
    Unfinished,
    differences,
    lasting,
    suspected,
    unequal_ranges,
)
from wavetank.servers.node import READ_TIMEOUT_S

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
        offset = re.search(r"OFFSET (\d+)$", what)
        if offset:
            return [{"k0": str(key)} for key in keys[int(offset[1]) :][:1]]
        assert "OFFSET" not in what
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


def test_the_smallest_piece_is_a_row() -> None:
    pair = PretendedPair(range(30), range(30), most=1)
    with mock.patch.object(equality, "CHUNK_ROWS", 20):
        assert list(unequal_ranges(pair, TABLE)) == []  # type: ignore[arg-type]
    assert pair.read == [(key,) for key in range(30)]


def test_pieces_are_a_tenth_after_one_that_took_too_long_and_twice_as_large_after_one_that_did_not() -> None:
    pair = PretendedPair(range(100), range(100), most=30)
    with mock.patch.object(equality, "CHUNK_ROWS", 100):
        assert list(unequal_ranges(pair, TABLE)) == []  # type: ignore[arg-type]
    assert [len(keys) for keys in pair.read] == [10, 20, 4, 8, 16, 3, 6, 12, 21]


def test_a_piece_goes_from_the_row_behind_the_last_one_to_the_row_in_which_it_ends() -> None:
    pair = PretendedPair(range(8), range(1, 7))
    with mock.patch.object(equality, "CHUNK_ROWS", 3):
        pieces = list(unequal_ranges(pair, TABLE))  # type: ignore[arg-type]
    assert pieces == [Range(TABLE, None, ("2",)), Range(TABLE, ("5",), None)]


class Moving(PretendedPair):
    """Two servers of which the replica has, after a while, what the source had before it was written, or had after."""

    def __init__(self, written: Collection[int], applied: Collection[int]) -> None:
        super().__init__({1, 2, 3}, {1, 2})
        self._written, self._applied = written, applied

    def catch_up(self) -> None:
        self._held = {"source": sorted(self._written), "replica": sorted(self._applied)}


@pytest.mark.parametrize(
    ("written", "applied", "differs"),
    [
        # Nothing was written, and the row was on its way.
        ({1, 2, 3}, {1, 2, 3}, False),
        # The source has been written meanwhile.
        ({1, 2, 3, 4}, {1, 2, 3}, False),
        # And the replica has had that, too.
        ({1, 2, 3, 4}, {1, 2, 3, 4}, False),
        ({1, 2, 3, 4}, {1, 2, 4}, True),
        ({1, 2, 3}, {1, 2}, True),
    ],
)
def test_a_piece_that_was_on_its_way_is_equal(written: set[int], applied: set[int], *, differs: bool) -> None:
    pieces = list(unequal_ranges(Moving(written, applied), TABLE))  # type: ignore[arg-type]
    assert pieces == [Range(TABLE, None, None)] * differs


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


def test_only_what_may_still_differ_is_looked_at_again() -> None:
    looked_for = []

    def look(keys: Collection[bytes]) -> Held:
        looked_for.append(set(keys))
        return {b"1": "a", b"2": "x", b"3": "same"}, {b"1": "b", b"2": "x", b"3": "same"}

    keys, seen = lasting(PretendedPair((), ()), ({b"1": "a", b"2": "x", b"3": "same"}, {b"1": "b", b"3": "same"}), look)  # type: ignore[arg-type]
    assert keys == [b"1"]
    assert looked_for == [{b"1", b"2"}, *[{b"1"}] * (LOOKS - 1)]
    assert seen[1][b"2"] == "x"


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


# --- two servers, and what is asked of them

Tables = Mapping[str, Iterable[tuple[int, int]]]
# Where MySQL compares bytes with a text, SQLite never finds them equal.
_HASH = re.compile("x'([0-9a-f]{128})'")


def hashed(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def _as_text(literal: re.Match[str]) -> str:
    return f"'{bytes.fromhex(literal[1]).decode()}'"


class Holding:
    """A server with boats in `shop`, each a number and its sails, of which SQLite tells what a statement asks.

    Who reads more than `most` different rows at once waits for too long. Remembered are each statement with its
    connection's patience in seconds, None for the usual one, and who waited here for what.
    """

    def __init__(self, name: str, tables: Tables, *, keyed: bool = True, most: int = 10**9) -> None:
        self.name = name
        self.asked: list[tuple[str, int | None]] = []
        self.waits: list[tuple[str, Sequence[object]]] = []
        self.opened: list[Opened] = []
        self.refusal: Exception | None = None
        self._tables = tables
        self._keyed = keyed
        self._most = most
        self._read: set[bytes] = set()
        self._rows = sqlite3.connect(":memory:", check_same_thread=False)
        self._rows.execute("ATTACH ':memory:' AS shop")
        for table, rows in tables.items():
            self._rows.execute(f"CREATE TABLE shop.{table} (id INT, sails INT)")
            self._rows.executemany(f"INSERT INTO shop.{table} VALUES (?, ?)", rows)
        self._rows.create_function("CONCAT_WS", -1, lambda comma, *values: comma.join(map(str, values)).encode())
        self._rows.create_function("SHA2", 2, self._sha2)
        self._rows.create_function("SUBSTRING", 3, lambda text, first, count: text[first - 1 :][:count])
        self._rows.create_function("CONV", 3, lambda text, base, _: int(text, base) >> 24)
        self._rows.create_function("BEGINNING", 2, lambda text, count: text[:count])

    def _sha2(self, text: bytes, _bits: int) -> str:
        self._read.add(text)
        if len(self._read) > self._most:
            raise ValueError("too many rows")
        return hashed(text)

    def query(self, statement: str, *, account: str) -> list[dict[str, Any]]:
        assert account == "admin"
        if "information_schema" not in statement:
            return self.answer(statement, None)
        common = {"schema": "shop", "type": "int", "kind": "int" if self._keyed else "double", "nullable": 0,
                  "charset": "", "collation": "", "place": 1}  # fmt: skip
        names = ["id"] if "KEY_COLUMN_USAGE" in statement else ["id", "sails"]
        return [{**common, "table": table, "name": name} for table in self._tables for name in names]

    def connect(self, account: str, read_timeout_s: int) -> "Opened":
        assert account == "admin"
        self.opened.append(Opened(self, read_timeout_s))
        return self.opened[-1]

    def value(self, statement: str, parameters: Sequence[object] = (), *, account: str = "monitor") -> object:
        if "gtid_executed" in statement:
            return f"{self.name}:1-9"
        assert "WAIT_FOR_EXECUTED_GTID_SET(%s, %s)" in statement
        self.waits.append((account, parameters))
        return 0

    def answer(self, statement: str, patience_s: int | None) -> list[dict[str, Any]]:
        self.asked.append((statement, patience_s))
        if self.refusal:
            raise self.refusal
        self._read.clear()
        try:
            found = self._rows.execute(_HASH.sub(_as_text, statement.replace("LEFT(", "BEGINNING(")))
            return [dict(zip((column[0] for column in found.description), row, strict=True)) for row in found]
        except sqlite3.OperationalError as error:
            if len(self._read) <= self._most:
                raise
            raise DatabaseError(errno=TOO_LATE, msg="maximum statement execution time exceeded") from error


class Opened:
    """A connection of a caller's own to such a server, and its cursor."""

    description, lastrowid = True, 0

    def __init__(self, server: Holding, patience_s: int) -> None:
        self.closed = False
        self._server = server
        self._patience_s = patience_s
        self._rows: list[dict[str, Any]] = []

    def cursor(self, *, dictionary: bool) -> contextlib.AbstractContextManager["Opened"]:
        assert dictionary
        return contextlib.nullcontext(self)

    def execute(self, statement: str, _parameters: object) -> None:
        self._rows = self._server.answer(statement, self._patience_s)

    def fetchall(self) -> list[dict[str, Any]]:
        return self._rows

    def close(self) -> None:
        self.closed = True


def compared(source: Holding, replica: Holding, **options: bool) -> list[Difference | Unfinished]:
    return list(differences(source, replica, **options))  # type: ignore[arg-type]


BOATS = [(number, number % 7) for number in range(1, 41)]


@pytest.mark.parametrize("keyed", [True, False])
def test_what_is_the_same_is_read_once_and_in_no_pieces(*, keyed: bool) -> None:
    source, replica = (Holding(name, {"t": BOATS, "u": []}, keyed=keyed) for name in ("db1", "db2"))
    assert compared(source, replica) == []
    assert len(source.asked) == len(replica.asked) == 1
    assert source.waits == replica.waits == []


def test_tables_that_one_side_lacks_or_has_otherwise_are_named() -> None:
    class Wider(Holding):
        def query(self, statement: str, *, account: str) -> list[dict[str, Any]]:
            found = super().query(statement, account=account)
            return [
                {**row, "type": "bigint"} if row.get("table") == "t" and row["name"] == "id" else row for row in found
            ]

    source, replica = Holding("db1", {"s": BOATS, "t": BOATS, "v": []}), Wider("db2", {"t": BOATS, "u": [], "v": []})
    assert compared(source, replica) == [
        Difference("shop.s", "the table", "no such table"),
        Difference("shop.t", "columns id int, sails int", "columns id bigint, sails int"),
        Difference("shop.u", "no such table", "the table"),
    ]
    # The others are compared.
    assert [re.findall(r"FROM `shop`.`(.)`", statement) for statement, _ in source.asked] == [["v"]]


def test_rows_that_differ_are_named_by_their_keys() -> None:
    source = Holding("db1", {"t": BOATS, "u": BOATS})
    replica = Holding("db2", {"t": [*BOATS[:16], (17, 9), *BOATS[17:39]], "u": BOATS})
    (found,) = compared(source, replica)
    assert isinstance(found, Difference)
    assert found.table == "`shop`.`t`: 2 rows by primary key 17, 40"
    held = [sum(int(hashed(text), 16) for text in side) for side in ([b"17,3", b"40,5"], [b"17,9"])]
    assert found.expected == f"2 of them, with checksum {held[0] % 2**64:016x}"
    assert found.found == f"1 of them, with checksum {held[1] % 2**64:016x}"
    # After the piece was read, the two rows alone are, each time after the replica has what the source had.
    read = [statement for statement, _ in replica.asked if " AS k, " in statement]
    assert [re.findall(r"x'(\w+)'", each) for each in read] == [[], *[["3137", "3430"]] * LOOKS]
    assert replica.waits == [("admin", ["db1:1-9", CATCH_UP_S, PAUSE_S])] * (1 + LOOKS)
    assert source.waits == []
    # All of this takes a short time.
    assert {patience_s for _, patience_s in (*source.asked, *replica.asked)} == {None}


def test_peers_each_have_what_the_other_had() -> None:
    source, replica = Holding("db1", {"t": BOATS}), Holding("db2", {"t": BOATS[1:]})
    (found,) = compared(source, replica, peers=True)
    assert isinstance(found, Difference)
    assert found.found == "none of them"
    assert replica.waits == [("admin", ["db1:1-9", CATCH_UP_S, PAUSE_S])] * (1 + LOOKS)
    assert source.waits == [("admin", ["db2:1-9", CATCH_UP_S, PAUSE_S])] * (1 + LOOKS)


def test_rows_without_a_key_are_counted_and_patiently() -> None:
    source = Holding("db1", {"t": [*BOATS, (1, 1)]}, keyed=False)
    replica = Holding("db2", {"t": [*BOATS, (2, 2), (2, 2)]}, keyed=False)
    times = {hashed(b"1,1"): (2, 1), hashed(b"2,2"): (1, 3)}
    one, two = sorted(times)
    (found,) = compared(source, replica)
    assert isinstance(found, Difference)
    assert found.table == "`shop`.`t`, which has no key to name rows by: 2 rows"
    assert [found.expected, found.found] == [
        f"{times[one][side]} with hash {one[:8]}, {times[two][side]} with hash {two[:8]}" for side in (0, 1)
    ]
    at_once, *patient = source.asked
    assert at_once[1] is None
    assert {patience_s for _, patience_s in patient} == {WHOLE_S + CHUNK_S}
    # Of 4,096 pieces, those two are read.
    assert f"IN ('{one[:3]}', '{two[:3]}')" in patient[1][0]
    assert len(source.opened) == len(patient)
    assert all(each.closed for each in (*source.opened, *replica.opened))


def test_a_table_without_a_key_that_is_the_same_when_it_is_read_by_itself_has_no_pieces() -> None:
    # All tables together take too long.
    tables = {"t": BOATS[:30], "u": BOATS[30:]}
    source, replica = (Holding(name, tables, keyed=False, most=30) for name in ("db1", "db2"))
    assert compared(source, replica) == []
    assert len(source.asked) == 3


def test_nobody_is_asked_the_next_before_the_last_is_answered() -> None:
    """One side has not answered in time, while the other one still works on the same."""
    tables = {"t": BOATS[:30], "u": BOATS[30:]}
    source, replica = (Holding(name, tables, keyed=False, most=30) for name in ("db1", "db2"))
    under_way, slow = [], replica.answer

    def answer_slowly(statement: str, patience_s: int | None) -> list[dict[str, Any]]:
        under_way.append(statement)
        time.sleep(0.05)
        assert under_way == [statement], "it is asked two things at once"
        try:
            return slow(statement, patience_s)
        finally:
            under_way.remove(statement)

    replica.answer = answer_slowly  # type: ignore[method-assign]
    assert compared(source, replica) == []


def test_a_table_of_which_a_row_takes_too_long_is_unfinished_and_the_next_one_is_compared() -> None:
    source = Holding("db1", {"t": BOATS, "u": BOATS[:1]}, most=0)
    replica = Holding("db2", {"t": BOATS, "u": []})
    assert compared(source, replica) == [
        Unfinished(f"`shop`.`{table}`", f"db1 did not finish a statement within {CHUNK_S} s") for table in "tu"
    ]


# --- one question


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Let time pass only as a test says."""
    now = SimpleNamespace(s=1000.0)
    monkeypatch.setattr(equality, "time", SimpleNamespace(monotonic=lambda: now.s))
    return now


def pair_of(source: Holding, replica: Holding) -> Pair:
    return Pair(source, replica, None, peers=False)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("patience_s", "passed_s", "bound_ms"),
    [
        (10, 0, 10_000),
        (2, 0, 2_000),
        (10, WITHIN_S - 10, 10_000),
        (10, WITHIN_S - 9.75, 9_750),
        (10, WITHIN_S - 1, 1_000),
        (10, WITHIN_S - 0.5, 500),
        # A bound of 0 would be none.
        (10, WITHIN_S - 2**-13, 1),
    ],
)
def test_a_statement_is_bounded_by_its_own_patience_and_by_what_is_left_of_the_time(
    patience_s: int, passed_s: float, bound_ms: int, clock: SimpleNamespace
) -> None:
    server = Holding("db1", {})
    pair = pair_of(server, server)
    clock.s += passed_s
    assert pair.ask(server, "1 AS one", patience_s) == [{"one": 1}]  # type: ignore[arg-type]
    hints = f"/*+ MAX_EXECUTION_TIME({bound_ms}) SET_VAR(time_zone = '+00:00') */"
    assert server.asked == [(f"SELECT {hints} 1 AS one", None)]


@pytest.mark.parametrize("late_s", [0, 0.5, 60])
def test_nothing_is_asked_when_the_time_for_all_of_it_is_over(late_s: float, clock: SimpleNamespace) -> None:
    server = Holding("db1", {})
    pair = pair_of(server, server)
    clock.s += WITHIN_S + late_s
    with pytest.raises(SlowError, match=f"not finished within the {WITHIN_S} s for all tables"):
        pair.ask(server, "1")  # type: ignore[arg-type]
    assert server.asked == []


@pytest.mark.parametrize(
    ("patience_s", "connections_s"),
    [(READ_TIMEOUT_S - 1, None), (READ_TIMEOUT_S, READ_TIMEOUT_S + CHUNK_S), (WHOLE_S, WHOLE_S + CHUNK_S)],
)
def test_who_may_take_long_is_asked_on_a_connection_that_waits_longer(
    patience_s: int, connections_s: int | None, clock: SimpleNamespace
) -> None:
    server = Holding("db1", {})
    assert pair_of(server, server).ask(server, "1 AS one", patience_s) == [{"one": 1}]  # type: ignore[arg-type]
    assert [patience_s for _, patience_s in server.asked] == [connections_s]
    assert all(each.closed for each in server.opened)
    assert clock.s == 1000


@pytest.mark.parametrize("patience_s", [CHUNK_S, WHOLE_S])
def test_a_statement_that_is_too_late_is_slow_and_any_other_refusal_is_not(patience_s: int) -> None:
    server = Holding("db1", {})
    pair = pair_of(server, server)
    server.refusal = DatabaseError(errno=TOO_LATE, msg="maximum statement execution time exceeded")
    with pytest.raises(SlowError, match=f"db1 did not finish a statement within {patience_s} s"):
        pair.ask(server, "1", patience_s)  # type: ignore[arg-type]
    server.refusal = DatabaseError(errno=1146, msg="no such table")
    with pytest.raises(DatabaseError, match="no such table"):
        pair.ask(server, "1", patience_s)  # type: ignore[arg-type]
    assert all(each.closed for each in server.opened)


def test_a_server_that_goes_away_while_it_is_asked_patiently_is_named() -> None:
    server = Holding("db1", {})
    server.refusal = OperationalError(errno=2013, msg="lost connection")
    with pytest.raises(UnreachableError, match="db1 does not answer"):
        pair_of(server, server).ask(server, "1", WHOLE_S)  # type: ignore[arg-type]


def test_who_is_behind_is_compared_with_nobody() -> None:
    class Late:
        name = "db2"

        @staticmethod
        def value(statement: str, *_: object, **__: object) -> object:
            return 1 if "WAIT_FOR" in statement else "uuid:1-9"

    pair = Pair(Late(), Late(), None, peers=False)  # type: ignore[arg-type]
    with pytest.raises(BehindError, match="db2 did not come to have what db2 had"):
        pair.catch_up()
