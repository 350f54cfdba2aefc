"""Detection, against simulated servers of which it is known who knew what when."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wavetank.conflicts.detect import (
    DELETE_DELETE,
    DELETE_UPDATE,
    FOREIGN_KEY,
    SAME_PRIMARY_KEY,
    SAME_UNIQUE_KEY,
    UPDATE_UPDATE,
    Component,
    Conflict,
    Effect,
    detect,
)
from wavetank.servers.binlog.catalogue import PRIMARY, Key, Name, Reference, Table, Weights
from wavetank.servers.binlog.history import Change, History, Order, Transaction, common_past, emptied_by
from wavetank.servers.binlog.values import Image

BOATS = Table(("bay", "boats"), {PRIMARY: (("id", None),), "name": (("name", None),)}, {})
SAILS = Table(("bay", "sails"), {PRIMARY: (("id", None),)}, {}, (Reference(("boat",), ("bay", "boats"), ("id",)),))
TABLES: dict[Name, Table] = {table.name: table for table in (BOATS, SAILS)}


@dataclass
class Server:
    """A simulated server: what it has executed in which order, and its rows."""

    name: str
    log: list[Change] = field(default_factory=list)
    rows: dict[tuple[str, str], Image] = field(default_factory=dict)


class Sea:
    """Servers that write on their own and hear of each other now and then."""

    def __init__(self, names: str = "ab") -> None:
        self.servers = {name: Server(name) for name in names}
        self.knew: dict[str, set[str]] = {}
        self.changes: list[Change] = []
        self._clock = itertools.count(1)

    def write(self, name: str, table: str, row: str, after: Image | None) -> None:
        """Let a server write a row; nothing happens where nothing would change."""
        server = self.servers[name]
        before = server.rows.get((table, row))
        if before != after:
            self._commit(server, table, before, after)

    def _commit(self, server: Server, table: str, before: Image | None, after: Image | None) -> None:
        name = server.name
        mine = [change for change in server.log if change.server == name]
        moment = next(self._clock)
        change = Change(name, f"{name}:{len(mine) + 1}", moment, len(mine), "bay", table, before, after)
        self.knew[change.gtid] = {each.gtid for each in server.log}
        self.changes.append(change)
        self._apply(server, change)

    def boat(self, name: str, row: str, label: str | None, crew: str = "") -> None:
        """Let a server write a boat; without a label, delete it."""
        self.write(name, "boats", row, None if label is None else {"id": row, "name": label, "crew": crew})

    def sail(self, name: str, row: str, boat: str) -> None:
        """Let a server write a sail of a boat."""
        self.write(name, "sails", row, {"id": row, "boat": boat})

    def move(self, name: str, row: str, to: str) -> None:
        """Let a server give a sail another primary key."""
        server = self.servers[name]
        before = server.rows.pop(("sails", row))
        self._commit(server, "sails", before, {**before, "id": to})

    def tell(self, source: str, replica: str) -> None:
        """Let the replica execute, in the source's order, what it does not have."""
        server = self.servers[replica]
        there = {change.gtid for change in server.log}
        for change in self.servers[source].log:
            if change.gtid not in there:
                self._apply(server, change)

    def tell_all(self) -> None:
        """Let everybody hear of everything."""
        for source, replica in itertools.permutations(self.servers, 2):
            self.tell(source, replica)

    def _apply(self, server: Server, change: Change) -> None:
        server.log.append(change)
        image = change.after if change.after is not None else change.before
        assert image is not None
        key = (change.table, str(image["id"]))
        if change.after is None:
            server.rows.pop(key, None)
        else:
            server.rows[key] = change.after

    def concurrent(self, one: Change, other: Change) -> bool:
        """The truth: neither was known where the other was made."""
        return (
            one.server != other.server
            and other.gtid not in self.knew[one.gtid]
            and one.gtid not in self.knew[other.gtid]
        )

    def histories(self) -> dict[str, History]:
        """What binary logs would say."""
        return {
            name: History(
                name,
                "",
                {change.gtid: place for place, change in enumerate(server.log)},
                [Transaction(change.gtid, change.committed_us) for change in server.log if change.server == name],
            )
            for name, server in self.servers.items()
        }

    def found(self) -> list[Component]:
        """What detection makes of them."""
        return detect(self.changes, Order(self.histories()), TABLES, {})


def kinds(sea: Sea, *, settled: bool = False) -> list[tuple[str, tuple[object, ...]]]:
    return sorted(
        (conflict.kind, conflict.key.values)
        for component in sea.found()
        for conflict in component.conflicts
        if conflict.settled == settled
    )


@pytest.fixture
def sea() -> Sea:
    """Two servers that both hold boat 1, called one."""
    sea = Sea()
    sea.boat("a", "1", "one")
    sea.tell_all()
    return sea


# --- kinds


def test_one_after_the_other_is_no_conflict(sea: Sea) -> None:
    sea.boat("b", "1", "two")
    sea.tell_all()
    sea.boat("a", "1", None)
    assert sea.found() == []


def test_the_same_primary_key(sea: Sea) -> None:
    sea.boat("a", "2", "x")
    sea.boat("b", "2", "y")
    assert kinds(sea) == [(SAME_PRIMARY_KEY, ("2",))]


def test_the_same_unique_key_in_different_rows(sea: Sea) -> None:
    sea.boat("a", "2", "same")
    sea.boat("b", "3", "same")
    assert kinds(sea) == [(SAME_UNIQUE_KEY, ("same",))]


def test_the_same_row_twice_is_one_conflict_and_not_one_for_each_key(sea: Sea) -> None:
    sea.boat("a", "2", "same", "1")
    sea.boat("b", "2", "same", "2")
    assert kinds(sea) == [(SAME_PRIMARY_KEY, ("2",))]


def test_no_value_is_nobodys_key(sea: Sea) -> None:
    for name, row in (("a", "2"), ("b", "3")):
        sea.write(name, "boats", row, {"id": row, "name": None, "crew": ""})
    assert sea.found() == []


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [("x", "y", UPDATE_UPDATE), (None, "y", DELETE_UPDATE), ("x", None, DELETE_UPDATE), (None, None, DELETE_DELETE)],
)
def test_what_two_sides_do_to_a_row(sea: Sea, one: str | None, other: str | None, kind: str) -> None:
    sea.boat("a", "1", one)
    sea.boat("b", "1", other)
    assert kinds(sea) == [(kind, ("1",))]


def test_what_a_side_did_in_the_end_counts(sea: Sea) -> None:
    sea.boat("a", "1", "x")
    sea.boat("a", "1", None)
    sea.boat("b", "1", "y")
    assert kinds(sea) == [(DELETE_UPDATE, ("1",))]


def test_the_same_update_on_both_sides_loses_nothing(sea: Sea) -> None:
    sea.boat("a", "1", "x")
    sea.boat("b", "1", "x")
    assert sea.found() == []


def test_a_child_whose_parent_the_other_side_removed(sea: Sea) -> None:
    sea.boat("a", "1", None)
    sea.sail("b", "7", "1")
    assert kinds(sea) == [(FOREIGN_KEY, ("1",))]


def test_a_child_of_a_parent_that_only_changed_is_no_conflict(sea: Sea) -> None:
    sea.boat("a", "1", "one", "9")
    sea.sail("b", "7", "1")
    assert sea.found() == []


def test_children_of_a_parent_that_stays_do_not_meet_in_it(sea: Sea) -> None:
    sea.sail("a", "7", "1")
    sea.sail("b", "8", "1")
    assert sea.found() == []


# --- components


def test_rows_that_passed_a_key_on_belong_together(sea: Sea) -> None:
    sea.boat("a", "1", "new")  # frees "one"
    sea.boat("a", "2", "one")
    sea.boat("b", "3", "new")
    [component] = sea.found()
    assert {versions.row.values for versions in component.rows} == {("1",), ("2",), ("3",)}
    assert [conflict.kind for conflict in component.conflicts] == [SAME_UNIQUE_KEY]


def test_a_row_and_what_its_primary_key_was_changed_to_belong_together(sea: Sea) -> None:
    sea.sail("a", "7", "1")
    sea.tell_all()
    sea.move("a", "7", "8")
    sea.sail("b", "7", "2")
    [component] = sea.found()
    assert [conflict.kind for conflict in component.conflicts] == [DELETE_UPDATE]
    assert {versions.row.values for versions in component.rows} == {("7",), ("8",)}


def test_conflicts_that_share_nothing_are_apart(sea: Sea) -> None:
    for name in "ab":
        sea.boat(name, "2", f"{name}2")
        sea.boat(name, "3", f"{name}3")
    assert [len(component.conflicts) for component in sea.found()] == [1, 1]


def test_conflicts_of_several_rows_each_that_share_nothing_are_apart(sea: Sea) -> None:
    for one, other in (("2", "3"), ("4", "5")):
        sea.boat("a", one, f"{one} or {other}")
        sea.boat("b", other, f"{one} or {other}")
    found = [{versions.row.values for versions in component.rows} for component in sea.found()]
    assert found == [{("2",), ("3",)}, {("4",), ("5",)}]


def test_each_side_is_there_with_its_last_version_and_the_one_before(sea: Sea) -> None:
    sea.boat("a", "1", "x")
    sea.boat("a", "1", "y")
    sea.boat("b", "1", "z")
    [component] = sea.found()
    [versions] = component.rows
    assert versions.base == ({"id": "1", "name": "one", "crew": ""}, frozenset())
    assert sorted(str((effect.after or {})["name"]) for effect, _ in versions.candidates) == ["y", "z"]


def test_sails_of_a_boat_that_may_lose_come_with_it(sea: Sea) -> None:
    sea.boat("a", "2", "same")
    sea.sail("a", "7", "2")
    sea.boat("b", "3", "same")
    [component] = sea.found()
    parents = {row.row.values: parents for row in component.rows for _, parents in row.candidates}
    assert parents["7",] == {Key("bay", "boats", PRIMARY, ("2",))}


ROPES = Table(("bay", "ropes"), {PRIMARY: (("id", None),)}, {}, (Reference(("sail",), ("bay", "sails"), ("id",)),))


def test_a_child_of_a_child_comes_with_it_and_what_has_another_parent_does_not(sea: Sea) -> None:
    sea.boat("a", "2", "same")
    sea.sail("a", "7", "1")
    sea.sail("a", "8", "1")
    # Nothing is known against the sail when its rope is come to.
    sea.write("a", "ropes", "9", {"id": "9", "sail": "7"})
    sea.write("a", "ropes", "5", {"id": "5", "sail": "8"})
    sea.sail("a", "7", "2")
    sea.boat("b", "3", "same")
    [component] = detect(sea.changes, Order(sea.histories()), TABLES | {ROPES.name: ROPES}, {})
    rows = {(each.row.table, *each.row.values): each for each in component.rows}
    assert rows.keys() == {("boats", "2"), ("boats", "3"), ("sails", "7"), ("ropes", "9")}
    [(_, parents)] = rows["ropes", "9"].candidates
    assert parents == {Key("bay", "sails", PRIMARY, ("7",))}


# --- settled


def test_an_update_by_somebody_who_saw_both_settles_two_updates(sea: Sea) -> None:
    sea.boat("a", "1", "x")
    sea.boat("b", "1", "y")
    sea.tell_all()
    sea.boat("b", "1", "z")
    assert kinds(sea) == []
    assert kinds(sea, settled=True) == [(UPDATE_UPDATE, ("1",))]


def test_an_update_settles_no_delete_since_who_lacks_the_row_passes_it_over(sea: Sea) -> None:
    sea.boat("a", "1", None)
    sea.boat("b", "1", "y")
    sea.tell("a", "b")
    sea.servers["b"].rows["boats", "1"] = {"id": "1", "name": "y", "crew": ""}
    sea.boat("b", "1", "z")
    assert kinds(sea) == [(DELETE_UPDATE, ("1",))]


def test_a_delete_and_an_insert_settle_everything(sea: Sea) -> None:
    sea.boat("a", "1", None)
    sea.boat("b", "1", "y")
    sea.tell_all()
    sea.boat("a", "1", None)
    sea.boat("a", "1", "z")
    assert kinds(sea) == []


def test_what_only_one_side_saw_settles_nothing(sea: Sea) -> None:
    sea.boat("a", "1", "x")
    sea.boat("b", "1", "y")
    sea.boat("b", "1", "z")
    assert kinds(sea) == [(UPDATE_UPDATE, ("1",))]


def test_all_that_is_done_before_anybody_has_seen_both_sides_is_one_conflict(sea: Sea) -> None:
    sea.boat("a", "1", "x")
    sea.boat("a", "1", "y")
    sea.boat("b", "1", "z")
    sea.boat("a", "1", "w")
    [conflict] = conflicts_of(sea)
    assert [(each.change.server, each.image["name"]) for each in conflict.effects] == [
        ("a", "x"), ("a", "y"), ("b", "z"), ("a", "w"),
    ]  # fmt: skip


def test_a_conflict_after_one_that_is_settled_is_another_one(sea: Sea) -> None:
    for label in "xy":
        sea.boat("a", "1", f"a{label}")
        sea.boat("b", "1", f"b{label}")
        sea.tell_all()
        sea.boat("a", "1", f"both {label}")
        sea.tell_all()
    sea.boat("a", "1", "a")
    sea.boat("b", "1", "b")
    assert kinds(sea) == [(UPDATE_UPDATE, ("1",))]
    assert len(kinds(sea, settled=True)) == 2


# --- what each side did


def conflicts_of(sea: Sea, tables: dict[Name, Table] = TABLES, weights: Weights | None = None) -> list[Conflict]:
    found = detect(sea.changes, Order(sea.histories()), tables, weights or {})
    return [conflict for component in found for conflict in component.conflicts]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("x", None, {("a", "update", "x"), ("b", "delete", "one")}),
        (None, "y", {("a", "delete", "one"), ("b", "update", "y")}),
    ],
)
def test_each_side_is_told_with_what_it_did_and_the_row(
    sea: Sea, one: str | None, other: str | None, expected: set[tuple[str, str, str]]
) -> None:
    sea.boat("a", "1", one)
    sea.boat("b", "1", other)
    [conflict] = conflicts_of(sea)
    assert {(each.change.server, each.operation, each.image["name"]) for each in conflict.effects} == expected
    assert conflict.servers == ("a", "b")


def test_an_insert_is_told_as_one(sea: Sea) -> None:
    sea.boat("b", "2", "x")
    sea.boat("a", "2", "y")
    [conflict] = conflicts_of(sea)
    assert {each.operation for each in conflict.effects} == {"insert"}
    # Who came first is said by the clock, and not by who is named first.
    assert (conflict.first.change.server, conflict.first.image["name"]) == ("b", "x")
    assert conflict.servers == ("a", "b")


def test_of_two_at_one_moment_the_first_is_the_one_whose_transaction_is_named_first() -> None:
    def effect(server: str) -> Effect:
        change = Change(server, f"{server}:1", 7, 0, "bay", "boats", None, {"id": "1", "name": server})
        key = Key("bay", "boats", PRIMARY, ("1",))
        return Effect(change, key, None, change.after, frozenset(), frozenset())

    two = Conflict(SAME_PRIMARY_KEY, Key("bay", "boats", PRIMARY, ("1",)), (effect("b"), effect("a")), settled=False)
    assert two.first.change.server == "a"


def test_a_changed_primary_key_removes_one_row_and_makes_another(sea: Sea) -> None:
    sea.sail("a", "7", "1")
    sea.tell_all()
    sea.move("a", "7", "8")
    sea.sail("b", "8", "2")
    [conflict] = conflicts_of(sea)
    assert (conflict.kind, conflict.key.values) == (SAME_PRIMARY_KEY, ("8",))
    made = {(each.change.server, each.operation, each.row.values) for each in conflict.effects}
    assert made == {("a", "insert", ("8",)), ("b", "insert", ("8",))}


def test_tables_that_are_not_known_or_have_no_primary_key_conflict_in_nothing(sea: Sea) -> None:
    sea.boat("a", "1", "x")
    sea.boat("b", "1", "y")
    assert conflicts_of(sea, {}) == []
    assert conflicts_of(sea, {BOATS.name: Table(BOATS.name, {"name": BOATS.indexes["name"]}, {})}) == []


def test_texts_that_a_collation_takes_for_the_same_meet(sea: Sea) -> None:
    tables = {BOATS.name: Table(BOATS.name, BOATS.indexes, {"name": "ci", "id": "ci"})}
    sea.boat("a", "x", "Gull")
    sea.boat("b", "y", "gull")
    sea.boat("a", "A", "1")
    sea.boat("b", "a", "2")
    assert conflicts_of(sea, tables) == []
    weights = {("ci", text): text.lower() for text in ("Gull", "gull", "A", "a")}
    found = {(each.kind, each.key.values) for each in conflicts_of(sea, tables, weights)}
    assert found == {(SAME_UNIQUE_KEY, ("gull",)), (SAME_PRIMARY_KEY, ("a",))}


CREWS = Table(
    ("bay", "crews"), {PRIMARY: (("id", None),)}, {}, (Reference(("of", "as"), ("bay", "posts"), ("boat", "post")),)
)
POSTS = Table(
    ("bay", "posts"), {PRIMARY: (("id", None),), "both": (("post", None), ("boat", None)), "one": (("boat", None),)}, {}
)


def test_a_parent_is_found_by_the_index_over_the_columns_that_are_referred_to() -> None:
    sea = Sea()
    sea.write("a", "posts", "1", {"id": "1", "boat": "gull", "post": "cook"})
    sea.tell_all()
    sea.write("a", "posts", "1", None)
    sea.write("b", "crews", "7", {"id": "7", "of": "gull", "as": "cook"})
    tables = {table.name: table for table in (CREWS, POSTS)}
    [conflict] = conflicts_of(sea, tables)
    assert (conflict.kind, conflict.key) == (FOREIGN_KEY, Key("bay", "posts", "both", ("cook", "gull")))
    # Another post of the boat is nobody's parent, and neither is one that is not known.
    assert conflicts_of(sea, {CREWS.name: CREWS}) == []


@pytest.mark.parametrize("missing", ["of", "as"])
def test_who_refers_to_nothing_has_no_parent_to_lose(missing: str) -> None:
    sea = Sea()
    sea.write("a", "posts", "1", {"id": "1", "boat": "gull", "post": "cook"})
    sea.tell_all()
    sea.write("a", "posts", "1", None)
    sea.write("b", "crews", "7", {"id": "7", "of": "gull", "as": "cook", missing: None})
    assert conflicts_of(sea, {table.name: table for table in (CREWS, POSTS)}) == []


def test_who_lost_a_parent_and_who_refers_to_it_are_both_told_each_time(sea: Sea) -> None:
    for sail in "78":
        sea.boat("a", "1", None)
        sea.sail("b", sail, "1")
        sea.tell_all()
        sea.boat("a", "1", "one")
        sea.tell_all()
    told = [
        {(each.change.server, each.operation, *each.row.values) for each in conflict.effects}
        for conflict in conflicts_of(sea)
    ]
    assert told == [{("a", "delete", "1"), ("b", "insert", sail)} for sail in "78"]


def test_a_parent_is_found_by_a_text_that_its_collation_takes_for_the_same() -> None:
    sea = Sea()
    boats = Table(BOATS.name, BOATS.indexes, {"id": "ci"})
    sea.boat("a", "Gull", "1")
    sea.tell_all()
    sea.boat("a", "Gull", None)
    sea.sail("b", "7", "gull")
    [conflict] = conflicts_of(sea, {boats.name: boats, SAILS.name: SAILS}, {("ci", "Gull"): "g", ("ci", "gull"): "g"})
    assert (conflict.kind, conflict.key.values) == (FOREIGN_KEY, ("g",))


def test_a_child_comes_with_a_parent_that_it_refers_to_by_another_key_than_the_primary_one() -> None:
    sea = Sea()
    sea.write("a", "posts", "1", {"id": "1", "boat": "gull", "post": "cook"})
    sea.write("a", "crews", "7", {"id": "7", "of": "gull", "as": "cook"})
    sea.write("b", "posts", "2", {"id": "2", "boat": "gull", "post": "cook"})
    [component] = detect(sea.changes, Order(sea.histories()), {table.name: table for table in (CREWS, POSTS)}, {})
    rows = {(each.row.table, *each.row.values): each for each in component.rows}
    assert rows.keys() == {("posts", "1"), ("posts", "2"), ("crews", "7")}
    [(_, parents)] = rows["crews", "7"].candidates
    # Either of them may be the one that is there.
    assert parents == {Key("bay", "posts", PRIMARY, (row,)) for row in "12"}


def test_a_key_that_a_row_gave_up_is_lost_as_one_of_a_removed_row_is() -> None:
    sea = Sea()
    sea.write("a", "posts", "1", {"id": "1", "boat": "gull", "post": "cook"})
    sea.tell_all()
    sea.write("a", "posts", "1", {"id": "1", "boat": "gull", "post": "mate"})
    sea.write("b", "crews", "7", {"id": "7", "of": "gull", "as": "cook"})
    [conflict] = conflicts_of(sea, {table.name: table for table in (CREWS, POSTS)})
    assert (conflict.kind, conflict.key.values) == (FOREIGN_KEY, ("cook", "gull"))
    assert not conflict.settled


def test_rows_come_with_what_they_refer_to_that_may_be_gone(sea: Sea) -> None:
    boat = Key("bay", "boats", PRIMARY, ("2",))
    sea.boat("a", "2", "same")
    sea.sail("a", "7", "2")
    sea.tell("a", "b")
    sea.boat("a", "2", None)
    sea.sail("b", "7", "1")
    sea.boat("b", "2", "other")
    sea.boat("b", "3", "apart")
    [component] = sea.found()
    rows = {versions.row.values: versions for versions in component.rows}
    assert rows.keys() == {("2",), ("7",)}
    assert rows["7",].base == ({"id": "7", "boat": "2"}, frozenset({boat}))
    assert [parents for _, parents in rows["7",].candidates] == [frozenset()]
    assert not component.settled


def test_a_component_is_settled_when_all_its_conflicts_are() -> None:
    assert Component().settled
    key = Key("bay", "boats", PRIMARY, ("1",))
    done, open_ = (Conflict(UPDATE_UPDATE, key, (), settled=settled) for settled in (True, False))
    assert Component([done, done]).settled
    assert not Component([done, open_]).settled


# --- any run at all

ROWS, LABELS = "123", ("x", "y", "z", None)
STEPS = st.one_of(
    st.tuples(st.just("write"), st.sampled_from("abc"), st.sampled_from(ROWS), st.sampled_from(LABELS)),
    st.tuples(st.just("tell"), st.sampled_from("abc"), st.sampled_from("abc"), st.none()),
)


def sailed(steps: Sequence[tuple[str, str, str, str | None]]) -> Sea:
    sea = Sea("abc")
    for number, (what, one, other, label) in enumerate(steps):
        if what == "write":
            sea.boat(one, other, label, str(number))
        elif one != other:
            sea.tell(one, other)
    return sea


@given(st.lists(STEPS, max_size=25))
@settings(max_examples=200, deadline=None)
def test_order_is_what_the_servers_knew(steps: list[tuple[str, str, str, str | None]]) -> None:
    sea = sailed(steps)
    order = Order(sea.histories())
    for one, other in itertools.permutations(sea.changes, 2):
        assert order.concurrent(one, other) == sea.concurrent(one, other)


@given(st.lists(STEPS, max_size=25))
@settings(max_examples=200, deadline=None)
def test_a_transaction_has_company_if_any_other_is_concurrent(steps: list[tuple[str, str, str, str | None]]) -> None:
    sea = sailed(steps)
    histories = sea.histories()
    order = Order(histories)
    for change in sea.changes:
        [transaction] = [each for each in histories[change.server].own if each.gtid == change.gtid]
        expected = any(sea.concurrent(change, other) for other in sea.changes)
        assert order.has_company(change.server, transaction) == expected


@given(st.lists(STEPS, max_size=25))
@settings(max_examples=300, deadline=None)
def test_every_conflict_is_found_and_nothing_else(steps: list[tuple[str, str, str, str | None]]) -> None:
    sea = sailed(steps)
    rows, names = set(), set()
    for one, other in itertools.combinations(sea.changes, 2):
        if sea.concurrent(one, other):
            images = [change.after if change.after is not None else change.before for change in (one, other)]
            row, same_row = (images[0] or {})["id"], (images[0] or {})["id"] == (images[1] or {})["id"]
            if same_row:
                rows.add((row,))
            elif one.after and other.after and one.after["name"] == other.after["name"]:
                names.add((one.after["name"],))
    found = [conflict for component in sea.found() for conflict in component.conflicts]
    assert {conflict.key.values for conflict in found if conflict.kind != SAME_UNIQUE_KEY} == rows
    assert {conflict.key.values for conflict in found if conflict.kind == SAME_UNIQUE_KEY} == names


@given(st.lists(STEPS, max_size=25))
@settings(max_examples=200, deadline=None)
def test_nothing_that_is_past_can_be_in_conflict_with_what_is_not(
    steps: list[tuple[str, str, str, str | None]],
) -> None:
    sea = sailed(steps)
    past = common_past(sea.histories())
    assert all(past <= {change.gtid for change in server.log} for server in sea.servers.values())
    for one, other in itertools.product(sea.changes, repeat=2):
        assert not (one.gtid in past and other.gtid not in past and sea.concurrent(one, other))
    sea.tell_all()
    sea.tell_all()
    assert common_past(sea.histories()) == {change.gtid for change in sea.changes}


# --- what a statement emptied


@pytest.mark.parametrize(
    ("statement", "emptied"),
    [
        ("DROP TABLE `bay`.`boats` /* generated by server */", [("bay", "boats")]),
        ("DROP TABLE IF EXISTS `boats`,`sea`.`sa``il`", [("bay", "boats"), ("sea", "sa`il")]),
        ("drop schema if exists sea", [("sea", "")]),
        ("DROP DATABASE `the sea`", [("the sea", "")]),
        ("truncate table boats", [("bay", "boats")]),
        ("TRUNCATE sea.boats", [("sea", "boats")]),
        ("ALTER TABLE boats DROP COLUMN crew", []),
        ("DROP VIEW boats", []),
        ("BEGIN", []),
    ],
)
def test_what_a_statement_emptied(statement: str, emptied: list[tuple[str, str]]) -> None:
    assert emptied_by(statement, "bay") == emptied
