"""What the checks of shards find: nothing where all is well, and exactly the damage where it is not."""

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from examined import Fleet, Made, findings, left_out, told
from wavetank.checks.finding import NotAsked
from wavetank.checks.questions import (
    shard_directory,
    shard_gates,
    shard_map,
    shard_overlap,
    shard_placement,
    shard_relations,
    shard_rows,
    shard_schema,
    shard_skew,
)
from wavetank.errors import UsageError
from wavetank.sharding.map_report import SKEW_CUSTOMERS
from wavetank.sharding.map_state import MOVING, MapState, why_unsettled
from wavetank.sharding.maps.factory import make_map
from wavetank.topology.model import Shard, Topology

# What stands in for what a check imports: it has no more than the check uses.
StandIn = Any
SHARDED = {
    name: {"server_id": 100 * shard + bool(source), "shard": shard, "replicates_from": source}
    for shard in (1, 2, 3)
    for name, source in ((f"s{shard}", ""), (f"s{shard}r", f"s{shard}"))
}


@pytest.fixture
def shards(make_topology: Made) -> Topology:
    """Three shards, of which a map may use two."""
    return make_topology(SHARDED, shard_by="hash")


@pytest.mark.parametrize(
    ("check", "asked"),
    [
        (shard_map, "s1"), (shard_overlap, "s1"), (shard_rows, "s1"), (shard_schema, "s1"), (shard_skew, "s1"),
        (shard_gates, "s1 s2 s3"), (shard_placement, "s1 s2 s3"), (shard_relations, "s1 s2 s3"), (shard_directory, ""),
    ],
)  # fmt: skip
def test_who_is_asked(check: StandIn, asked: str, shards: Topology, make_topology: Made) -> None:
    assert [node.name for node in check.concerns(shards)] == asked.split()
    assert list(check.concerns(make_topology())) == []


def test_the_directory_is_asked_where_there_is_one(make_topology: Made) -> None:
    topology = make_topology(SHARDED, shard_by="directory")
    assert [node.name for node in shard_directory.concerns(topology)] == ["s1"]


# --- what a check sees of the catalogue


def map_state(*numbers: int, version: int = 7, under_way: bool = False, pending: Sequence[int] = ()) -> StandIn:
    """Return what is known of the map: the shards in it, its version, and whether rows move."""
    newest: StandIn = SimpleNamespace(
        version=version,
        map=make_map("hash", numbers or (1, 2)),
        pending=make_map("hash", tuple(pending)) if pending else None,
    )
    return MapState(newest, under_way=under_way)


@pytest.fixture
def know(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[list[int]]]:
    """Return a function that lets a check know moments, one after another; and of which shards it asked."""

    def let(check: ModuleType, *moments: StandIn) -> list[list[int]]:
        asked: list[list[int]] = []
        left = list(moments)

        def known(servers: Fleet, numbers: Sequence[Shard]) -> StandIn:
            assert isinstance(servers, Fleet)
            asked.append([shard.number for shard in numbers])
            return left.pop(0) if len(left) > 1 else left[0]

        monkeypatch.setattr(check, "map_state_for_check", known)
        return asked

    return let


Know = Callable[..., list[list[int]]]


# --- the map and its gates


def test_a_map_of_shards_that_there_are_is_no_finding(shards: Topology, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(shards, {})

    def read_map_state(servers: object) -> StandIn:
        assert servers is fleet
        return map_state(1, 2)

    monkeypatch.setattr(shard_map, "read_map_state", read_map_state)
    assert told(shard_map, shards.node("s1"), fleet) == []
    monkeypatch.setattr(shard_map, "read_map_state", lambda _servers: map_state(1, 9))
    ((node, _, found),) = told(shard_map, shards.node("s1"), fleet)
    assert (node, found) == ("s1", "sea has no shard 9; it has 1, 2, 3")


def test_a_map_that_cannot_be_read_is_a_finding(shards: Topology, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_servers: object) -> None:
        raise UsageError("no map")

    monkeypatch.setattr(shard_map, "read_map_state", broken)
    assert [found for _, _, found in told(shard_map, shards.node("s1"), Fleet(shards, {}))] == ["no map"]


@pytest.mark.parametrize(
    ("gates", "prepared", "under_way", "found"),
    [
        ({"stay": 7, "move": 7}, 5, False, []),
        ({"stay": 5, "move": 5}, 5, False, []),
        ({"stay": 4, "move": 5}, 5, False, [("gate stay between 5 and 7 (the map is version 7)", "4")]),
        ({"stay": 5, "move": 8}, 5, False, [("gate move between 5 and 7 (the map is version 7)", "8")]),
        ({"move": 5}, 5, False, [("gate stay between 5 and 7 (the map is version 7)", "no such gate")]),
        ({"stay": 0, "move": 0}, 0, False, [("gate stay between 1 and 7", "0"), ("gate move between 1 and 7", "0")]),
        ({"stay": 0, "move": 8}, 5, True, []),
        ({"stay": 8, "move": 9}, 5, True, [("gate stay between 0 and 7", "8"), ("gate move between 0 and 8", "9")]),
    ],
)
def test_gates_stand_where_the_catalogue_lets_them(  # noqa: PLR0913
    shards: Topology, know: Know, monkeypatch: pytest.MonkeyPatch,
    *, gates: dict[str, int], prepared: int, under_way: bool, found: list[tuple[str, str]],
) -> None:  # fmt: skip
    rows = [{"gate": gate, "least": least} for gate, least in gates.items()]
    fleet = Fleet(shards, {"s2": {"admin: FROM sharding.gates": rows}})
    asked = know(shard_gates, map_state(under_way=under_way))

    def last_prepared(servers: object) -> int:
        assert servers is fleet
        return prepared

    monkeypatch.setattr(shard_gates, "last_prepared", last_prepared)
    seen = told(shard_gates, shards.node("s2"), fleet)
    assert [(node, there) for node, _, there in seen] == [("s2", there) for _, there in found]
    assert all(wanted.startswith(expected) for (_, wanted, _), (expected, _) in zip(seen, found, strict=True))
    assert asked == [[2]]


@pytest.mark.parametrize(("node", "known"), [("s3", map_state(1, 2)), ("s2", None)])
def test_a_shard_outside_the_map_or_without_one_has_no_gates_to_hold(
    shards: Topology,
    know: Know,
    node: str,
    known: StandIn,
) -> None:
    know(shard_gates, known)
    assert told(shard_gates, shards.node(node), Fleet(shards, {})) == []
    (why,) = left_out(shard_gates, shards.node(node), Fleet(shards, {}))
    assert why == (NotAsked("shard 3 is not in the map", moot=True) if known else NotAsked(why_unsettled(None)))


# --- the directory

COUNTED = [{"shard": 1, "state": "", "customers": 4, "found": 4}, {"shard": 2, "state": "", "customers": 5, "found": 5}]


def directory(
    rows: list[dict[str, StandIn]], unknown_customers: Sequence[dict[str, StandIn]] = ()
) -> dict[str, StandIn]:
    return {"s1": {"admin: LEFT JOIN sharding.customer_shard_mapping": rows, "admin: NOT IN": list(unknown_customers)}}


@pytest.mark.parametrize(
    ("rows", "pending", "found"),
    [
        (COUNTED, (), []),
        (COUNTED[:1], (), [("shards 1, 2 in the directory", "1")]),
        ([], (), [("shards 1, 2 in the directory", "none")]),
        (COUNTED, (1, 2, 3), [("shards 1, 2, 3 in the directory", "1, 2")]),
        (
            [COUNTED[0], {**COUNTED[1], "found": 6}],
            (),
            [("5 customers of shard 2, as the directory has counted", "6 in the mapping")],
        ),
    ],
)
def test_directory_and_map_agree(
    shards: Topology, know: Know, rows: list[dict[str, StandIn]], pending: Sequence[int], found: list[tuple[str, str]]
) -> None:
    asked = know(shard_directory, map_state(pending=pending))
    fleet = Fleet(shards, directory(rows))
    assert told(shard_directory, shards.node("s1"), fleet) == [("s1", *each) for each in found]
    assert asked == [[]]


def test_a_customer_of_no_shard_is_told(shards: Topology, know: Know) -> None:
    know(shard_directory, map_state())
    fleet = Fleet(shards, directory(COUNTED, [{"customer_id": 12, "shard": 8}]))
    ((node, _, found),) = told(shard_directory, shards.node("s1"), fleet)
    assert (node, found) == ("s1", "customer 12 on shard 8")


@pytest.mark.parametrize(
    ("rows", "unknown_customers", "step"),
    [
        (COUNTED[:1], [], "publish the map again, which counts anew; or mend sharding.shard_directory by hand"),
        (COUNTED, [{"customer_id": 1, "shard": 8}],
         "publish the map again, which counts anew; or mend sharding.customer_shard_mapping by hand"),
    ],
)  # fmt: skip
def test_which_table_is_to_be_mended_is_said(
    shards: Topology, know: Know, rows: list[dict[str, StandIn]], unknown_customers: list[dict[str, StandIn]], step: str
) -> None:
    know(shard_directory, map_state())
    (found,) = findings(shard_directory, shards.node("s1"), Fleet(shards, directory(rows, unknown_customers)))
    assert found.next_step == step


# --- where rows are


def wrong(count: int, *examples: tuple[int, int | None]) -> StandIn:
    return SimpleNamespace(count=count, examples=examples)


@pytest.mark.parametrize(
    ("misplaced", "found"),
    [
        (None, ""),
        (wrong(1, (5, 2)), "customer 5 (of shard 2)"),
        (wrong(2, (5, 2), (6, None)), "customer 5 (of shard 2), customer 6 (not in the directory)"),
        (wrong(9, (5, 2)), "customer 5 (of shard 2) and 8 more"),
    ],
)
def test_customers_on_a_wrong_shard_are_named(
    shards: Topology,
    know: Know,
    monkeypatch: pytest.MonkeyPatch,
    misplaced: StandIn,
    found: str,
) -> None:
    now = map_state()
    asked = know(shard_placement, now)
    fleet = Fleet(shards, {})

    def ask(servers: object, shard: Shard, at: object) -> StandIn:
        assert (servers, shard.number, at) == (fleet, 3, now)
        return misplaced

    monkeypatch.setattr(shard_placement, "misplaced", ask)
    seen = findings(shard_placement, shards.node("s3"), fleet)
    expected = [("s3", "only customers of shard 3, by map 7 (hash)", found)] if found else []
    assert [(each.node, each.expected, each.found) for each in seen] == expected
    assert all("rehome 5 " in each.next_step for each in seen)
    assert asked == [[3]]


@pytest.mark.parametrize(
    ("check", "node"),
    [
        (shard_placement, "s3"), (shard_directory, "s1"), (shard_overlap, "s1"), (shard_relations, "s1"),
        (shard_rows, "s1"), (shard_skew, "s1"),
    ],
)  # fmt: skip
def test_without_a_map_that_can_be_read_nothing_is_found(
    shards: Topology,
    know: Know,
    check: StandIn,
    node: str,
) -> None:
    know(check, None)
    assert told(check, shards.node(node), Fleet(shards, {})) == []
    assert left_out(check, shards.node(node), Fleet(shards, {})) == [NotAsked(why_unsettled(None))]


def test_whose_origin_the_directory_has_forgotten_is_not_judged(shards: Topology, know: Know) -> None:
    state = map_state(under_way=True)
    state.newest.map = make_map("directory", (1, 2), lambda _customer, _stage: 1)
    assert state.without_trace
    know(shard_placement, state)
    assert told(shard_placement, shards.node("s2"), Fleet(shards, {})) == []
    assert left_out(shard_placement, shards.node("s2"), Fleet(shards, {})) == [
        NotAsked(f"{MOVING}, and the directory does not know any more whence")
    ]


@pytest.mark.parametrize(("check", "node"), [(shard_overlap, "s1"), (shard_relations, "s1"), (shard_skew, "s1")])
def test_while_rows_move_they_may_be_anywhere(
    shards: Topology,
    know: Know,
    check: StandIn,
    node: str,
) -> None:
    know(check, map_state(under_way=True))
    assert told(check, shards.node(node), Fleet(shards, {})) == []
    assert left_out(check, shards.node(node), Fleet(shards, {})) == [NotAsked(MOVING)]


@pytest.mark.parametrize(
    ("twice", "astray", "found"),
    [
        ({}, {}, []),
        ({31: (1, 2)}, {}, ["order 31 on s1, s2, and 0 more"]),
        ({31: (1, 2), 32: (2, 1), 33: (1, 2)}, {}, ["order 31 on s1, s2, and 2 more"]),
        # All orders of a customer who is on a wrong shard: that is said elsewhere.
        ({31: (1, 2)}, {2: wrong(1, (5, 1))}, []),
    ],
)
def test_an_order_on_two_shards_is_told(  # noqa: PLR0913
    shards: Topology, know: Know, monkeypatch: pytest.MonkeyPatch,
    *, twice: Mapping[int, Sequence[int]], astray: Mapping[int, StandIn], found: list[str],
) -> None:  # fmt: skip
    now = map_state()
    asked = know(shard_overlap, now)
    fleet = Fleet(shards, {})

    def on_two_shards(servers: object, among: Sequence[Shard]) -> StandIn:
        assert (servers, [shard.number for shard in among]) == (fleet, [1, 2])
        return twice

    def misplaced(servers: object, shard: Shard, at: object) -> StandIn:
        assert (servers, at) == (fleet, now)
        return astray.get(shard.number)

    monkeypatch.setattr(shard_overlap, "on_two_shards", on_two_shards)
    monkeypatch.setattr(shard_overlap, "misplaced", misplaced)
    seen = findings(shard_overlap, shards.node("s1"), fleet)
    assert [(each.node, each.found) for each in seen] == [("s1", each) for each in found]
    assert all("order 31 " in each.next_step for each in seen)
    assert asked == [[1, 2, 3]]


ORDERS, ITEMS, PRODUCTS = (
    ("orders", "customer_id", "customers"),
    ("order_items", "order_id", "orders"),
    ("order_items", "product_id", "products"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("lonely", "found", "step"),
    [
        ({}, [], ""),
        ({ORDERS: [5, 6]}, [("customers for all orders", "orders of customer 5, which is not there")], "rehome 5,"),
        ({ITEMS: [31]}, [("orders for all order_items", "items of order 31, which is not there")], "orders 31 on s2"),
        (
            {PRODUCTS: [8]},
            [("products for all order_items", "items of product 8, which is not there")],
            "products 8 on s2",
        ),
    ],
)
def test_a_child_without_its_parent_is_told(  # noqa: PLR0913
    shards: Topology, know: Know, monkeypatch: pytest.MonkeyPatch,
    *, lonely: Mapping[StandIn, list[int]], found: list[tuple[str, str]], step: str,
) -> None:  # fmt: skip
    asked = know(shard_relations, map_state())
    fleet = Fleet(shards, {})

    def without_parent(servers: object, shard: Shard, *relation: str) -> list[int]:
        assert (servers, shard.number) == (fleet, 2)
        return lonely.get(relation, [])

    monkeypatch.setattr(shard_relations, "without_parent", without_parent)
    seen = findings(shard_relations, shards.node("s2"), fleet)
    assert [(each.node, each.expected, each.found) for each in seen] == [("s2", *each) for each in found]
    assert all(step in each.next_step for each in seen)
    assert asked == [[2]]


# --- how many there are

LOADED = {1: SimpleNamespace(orders=40), 2: SimpleNamespace(orders=40)}


def counting(
    monkeypatch: pytest.MonkeyPatch,
    fleet: Fleet,
    now: StandIn,
    states: Mapping[int, StandIn],
    found: StandIn,
) -> None:
    """Let shard_rows see what was loaded, and what of it is there."""
    states = {number: _Hashable(state.orders) for number, state in states.items()}

    def states_of(servers: object, among: Sequence[Shard]) -> StandIn:
        assert (servers, [shard.number for shard in among]) == (fleet, [1, 2])
        return states

    def loaded_rows(servers: object, at: object, customers: int, orders: int) -> StandIn:
        assert (servers, at, customers, orders) == (fleet, now, 400, 40)
        return found

    def customers_of(orders: int) -> int:
        return 10 * orders

    for function in (states_of, loaded_rows, customers_of):
        monkeypatch.setattr(shard_rows, function.__name__, function)


class _Hashable:
    """What a shard says was loaded: equal where the orders are."""

    def __init__(self, orders: int) -> None:
        self.orders = orders

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Hashable) and self.orders == other.orders

    def __hash__(self) -> int:
        return self.orders


@pytest.mark.parametrize(
    ("found", "told_of"),
    [
        ((400, 40), []),
        ((401, 41), []),
        ((399, 40), [("all 400 loaded customers on the shards", "399")]),
        ((400, 0), [("all 40 loaded orders on the shards", "0")]),
        (None, []),
    ],
)
def test_rows_that_were_loaded_are_counted(
    shards: Topology,
    know: Know,
    monkeypatch: pytest.MonkeyPatch,
    found: StandIn,
    told_of: list[tuple[str, str]],
) -> None:
    now = map_state()
    asked = know(shard_rows, now)
    fleet = Fleet(shards, {})
    counting(monkeypatch, fleet, now, LOADED, found)
    seen = findings(shard_rows, shards.node("s1"), fleet)
    assert [(each.node, each.expected, each.found) for each in seen] == [("s1", *each) for each in told_of]
    assert all("ROWS=40" in each.next_step for each in seen)
    assert asked[0] == [1, 2, 3]


@pytest.mark.parametrize("later", [map_state(version=8), map_state(under_way=True), None])
def test_what_changes_while_it_is_counted_is_not_counted(
    shards: Topology,
    know: Know,
    monkeypatch: pytest.MonkeyPatch,
    later: StandIn,
) -> None:
    now = map_state()
    asked = know(shard_rows, now, later)
    fleet = Fleet(shards, {})
    counting(monkeypatch, fleet, now, LOADED, (0, 0))
    assert told(shard_rows, shards.node("s1"), fleet) == []
    assert asked == [[1, 2, 3], []]


def test_while_a_load_passes_nothing_is_counted(shards: Topology, know: Know, monkeypatch: pytest.MonkeyPatch) -> None:
    now = map_state()
    know(shard_rows, now)
    fleet = Fleet(shards, {})
    counting(monkeypatch, fleet, now, {**LOADED, 2: SimpleNamespace(orders=30)}, (0, 0))
    assert told(shard_rows, shards.node("s1"), fleet) == []


@pytest.mark.parametrize(
    ("counts", "found"),
    [
        ({1: 500, 2: 500}, []),
        ({1: 990, 2: 10}, []),
        ({1: 1000, 2: 0, 3: 0}, [("s1", "at most 2 times 333 customers", "1000 on shard 1")]),
        ({1: 999, 2: 0, 3: 0}, []),
        ({1: 800, 2: 200, 3: 200}, []),
        ({1: 200, 2: 801, 3: 199}, [("s2", "at most 2 times 400 customers", "801 on shard 2")]),
        # A shard that the map does not name has rows that others count.
        ({1: 500, 2: 500, 3: 5000}, []),
    ],
)
def test_a_shard_with_more_than_its_share_is_told(
    shards: Topology, know: Know, monkeypatch: pytest.MonkeyPatch, counts: dict[int, int], found: list[StandIn]
) -> None:
    numbers = (1, 2) if counts.get(3, 5000) == 5000 else (1, 2, 3)
    asked = know(shard_skew, map_state(*numbers))
    fleet = Fleet(shards, {})

    def count_rows(servers: object) -> dict[int, tuple[int, int]]:
        assert servers is fleet
        return {number: (customers, 7) for number, customers in counts.items()}

    monkeypatch.setattr(shard_skew, "count_rows", count_rows)
    seen = findings(shard_skew, shards.node("s1"), fleet)
    assert [(each.node, each.expected, each.found) for each in seen] == found
    assert all("SHARD_BY=hash" in each.next_step for each in seen)
    assert asked == [[1, 2, 3]]
    # Of few customers it has no meaning, and so nothing is left unproven.
    few = sum(counts[number] for number in numbers) < SKEW_CUSTOMERS
    assert [each.moot for each in left_out(shard_skew, shards.node("s1"), fleet)] == [True] * few


# --- tables, views and routines


def defined(
    monkeypatch: pytest.MonkeyPatch,
    fleet: Fleet,
    found: Mapping[int, Mapping[str, str]],
    lacking: Mapping[str, list[str]],
) -> None:
    """Let shard_schema see these definitions by shard, and what each server lacks."""

    def make_missing(server: object, statements: list[StandIn], *, dry_run: bool) -> list[str]:
        assert dry_run
        (name,) = [name for name in fleet if fleet[name] is server]
        assert statements == [("catalogue", name == "s1"), f"of {name}"]
        return lacking.get(name, [])

    def definitions(server: object, schema: str) -> Mapping[str, str]:
        number = int(schema.removeprefix("shop_"))
        assert server is fleet[f"s{number}"]
        return found[number]

    monkeypatch.setattr(shard_schema, "make_missing", make_missing)
    monkeypatch.setattr(shard_schema, "definitions", definitions)
    monkeypatch.setattr(shard_schema, "sharding_statements", lambda *, catalogue: [("catalogue", catalogue)])
    monkeypatch.setattr(shard_schema, "shard_statements", lambda shard: [f"of {shard.source.name}"])


USUAL = {"table orders": "CREATE TABLE orders (\n  id INT,\n  total INT\n)", "view sales": "SELECT 1"}


@pytest.mark.parametrize(
    ("shard", "theirs", "found"),
    [
        (2, USUAL, []),
        (2, {**USUAL, "table orders": "CREATE TABLE orders (\n  id BIGINT,\n  total INT\n)"},
         [("s2", "table orders as on s1", "id BIGINT,")]),
        (1, {**USUAL, "view sales": "SELECT 2"}, [("s1", "view sales as on s2", "SELECT 2")]),
        (3, {**USUAL, "table orders": "CREATE TABLE orders (\n  id INT,\n)"},
         [("s3", "table orders as on s1", "less than there")]),
        (3, {**USUAL, "routine tax": "BEGIN"}, [("s3", "no routine tax, as on s1", "it")]),
        (2, {"table orders": USUAL["table orders"]}, [("s2", "view sales as on s1", "nothing")]),
    ],
)  # fmt: skip
def test_a_definition_that_most_shards_do_not_have_is_told(
    shards: Topology, monkeypatch: pytest.MonkeyPatch,
    *, shard: int, theirs: Mapping[str, str], found: list[tuple[str, str, str]],
) -> None:  # fmt: skip
    fleet = Fleet(shards, {})
    defined(monkeypatch, fleet, {1: USUAL, 2: USUAL, 3: USUAL, shard: theirs}, {})
    seen = findings(shard_schema, shards.node("s1"), fleet)
    assert [(each.node, each.expected, each.found) for each in seen] == found
    assert all(each.next_step == f"change it on s{shard} by hand" for each in seen)


def test_what_a_shard_lacks_is_told_once(shards: Topology, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(shards, {})
    found = {1: USUAL, 2: {"table orders": USUAL["table orders"]}, 3: USUAL}
    defined(monkeypatch, fleet, found, {"s2": ["shop_2.sales"]})
    assert told(shard_schema, shards.node("s1"), fleet) == [("s2", "shop_2.sales", "no such thing")]
