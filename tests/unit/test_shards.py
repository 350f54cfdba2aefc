"""Shards in the inventory, and what is said of them without a server."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from wavetank.errors import UsageError
from wavetank.provision.planning import plan
from wavetank.sample import generated
from wavetank.sample.sharded_shop import generate, shards_of_customers
from wavetank.servers.node import Servers
from wavetank.sharding import gates
from wavetank.sharding.catalogue import Catalogue, published
from wavetank.sharding.directory import CachedDirectory
from wavetank.sharding.errors import ShardingError, UnknownCustomerError
from wavetank.sharding.locating import Located
from wavetank.sharding.map_report import state_of
from wavetank.sharding.map_state import MapState
from wavetank.sharding.maps.factory import document_of, make_map
from wavetank.sharding.maps.listed import DirectoryMap
from wavetank.sharding.schema import made_by, partitions, shard_statements, sharding_statements
from wavetank.topology.instance import INVENTORIES
from wavetank.topology.model import Node, Topology
from wavetank.topology.parsing import read_nodes
from wavetank.topology.scaling import with_replicas, with_shards

INVENTORY = "four-shard"
HOSTS: dict[str, dict[str, Any]] = yaml.safe_load((INVENTORIES / f"{INVENTORY}.yml").read_text())["mysql"]["hosts"]
PORT = 20_000


def of(nodes: Sequence[Node]) -> Topology:
    return Topology(INVENTORY, "sea", tuple(nodes), "image", None)  # type: ignore[arg-type]


# --- the inventory


def test_four_shards_each_with_a_replica() -> None:
    shards = of(read_nodes(HOSTS, PORT)).shards

    assert [(shard.number, shard.source.name, [node.name for node in shard.replicas]) for shard in shards] == [
        (number, f"s{number}", [f"s{number}r"]) for number in (1, 2, 3, 4)
    ]
    assert shards[2].schema == "shop_3"


def test_a_replica_that_was_promoted_is_its_shards_source() -> None:
    topology = of(read_nodes(HOSTS, PORT)).repointed({"s2": "s2r", "s2r": ""})

    assert topology.shard(2).source.name == "s2r"
    assert [node.name for node in topology.shard(2).replicas] == ["s2"]


@pytest.mark.parametrize(("shards", "replicas"), [(1, 0), (2, 1), (4, 0), (5, 1), (8, 2)])
def test_shards_and_replicas_are_as_many_as_asked_for(shards: int, replicas: int) -> None:
    topology = of(read_nodes(with_replicas(with_shards(HOSTS, shards), replicas), PORT))

    assert [shard.number for shard in topology.shards] == list(range(1, shards + 1))
    assert all(len(shard.replicas) == replicas for shard in topology.shards)
    assert len({node.server_id for node in topology.nodes}) == shards * (1 + replicas)


def test_nobody_is_renumbered_when_shards_or_replicas_are_added() -> None:
    few = with_replicas(with_shards(HOSTS, 4), 2)
    more = with_replicas(with_shards(HOSTS, 9), 3)

    assert {name: host["server_id"] for name, host in few.items()}.items() <= {
        name: host["server_id"] for name, host in more.items()
    }.items()
    assert more["s9r3"]["server_id"] == 904


@pytest.mark.parametrize(
    ("hosts", "said"),
    [
        ({"a": {"server_id": 1, "shard": 1}, "b": {"server_id": 2}}, "b has no shard, while others have"),
        ({"a": {"server_id": 1, "shard": "one"}}, "shard of a is a number from 1 to 99, not 'one'"),
        ({"a": {"server_id": 1, "shard": 100}}, "shard of a is a number from 1 to 99, not 100"),
        ({"a": {"server_id": 1, "shard": 1}, "b": {"server_id": 2, "shard": 1}}, "one source, not a and b"),
        (
            {"a": {"server_id": 1, "shard": 1}, "b": {"server_id": 2, "shard": 2, "replicates_from": "a"}},
            "b is on shard 2 and replicates from a on shard 1",
        ),
        (
            {
                "a": {"server_id": 1, "shard": 1, "writable": True, "replicates_from": "b"},
                "b": {"server_id": 2, "shard": 1, "writable": True, "replicates_from": "a"},
            },
            "one source, not several that are peers",
        ),
    ],
)
def test_shards_that_are_not_whole_are_refused(hosts: Mapping[str, Mapping[str, Any]], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_nodes(hosts, PORT)


def test_shards_are_for_topologies_that_have_some() -> None:
    with pytest.raises(UsageError, match="shards=3 is for topologies whose hosts have a shard"):
        with_shards({"db1": {"server_id": 1}}, 3)
    with pytest.raises(UsageError, match="shards=0 leaves nobody"):
        with_shards(HOSTS, 0)


@pytest.mark.usefixtures("engine", "free_ports")
def test_by_what_rows_are_divided_is_asked_once(record: Callable[[Topology], Topology]) -> None:
    first = record(plan(INVENTORY, "sea", HOSTS, {"shard_by": "region"}))

    assert first.shard_by == "region"
    assert plan(INVENTORY, "sea", HOSTS, {}).shard_by == "region"
    with pytest.raises(UsageError, match="shard_by=date: the rows of sea are divided by region since its first up"):
        plan(INVENTORY, "sea", HOSTS, {"shard_by": "date"})
    grown = plan(INVENTORY, "sea", HOSTS, {"shards": 5})
    assert [shard.number for shard in grown.shards] == [1, 2, 3, 4, 5]
    assert [node.port for node in grown.nodes[:8]] == [node.port for node in first.nodes]
    with pytest.raises(UsageError, match="sea has s4, s4r, which it would no longer have"):
        plan(INVENTORY, "sea", HOSTS, {"shards": 3})


@pytest.mark.usefixtures("engine", "free_ports")
@pytest.mark.parametrize(
    ("hosts", "asked", "said"),
    [
        (HOSTS, {"shard_by": "luck"}, "shard_by=luck is none of ring, hash, region, date, directory"),
        (HOSTS, {"shard_by": "region", "shards": 18, "replicas": 0}, "18 shards by region are too many"),
        (HOSTS, {"shards": 100}, "shards=100 is not a number from 0 to 99"),
        ({"db1": {"server_id": 1}}, {"shard_by": "ring"}, "shard_by=ring is for topologies whose hosts have a shard"),
    ],
)
def test_what_cannot_be_divided_is_refused(hosts: Any, asked: dict[str, Any], said: str) -> None:  # noqa: ANN401
    with pytest.raises(UsageError, match=said):
        plan(INVENTORY, "sea", hosts, asked)


def test_a_record_of_before_there_were_shards_is_read(tmp_path: Path) -> None:
    raw = json.loads(of(read_nodes({"db1": {"server_id": 1}}, PORT)).to_json())
    raw.pop("shard_by")
    raw["nodes"][0].pop("shard")
    raw["sizing"] = {"memory": 1, "buffer_pool": 1}
    (tmp_path / "topology.json").write_text(json.dumps(raw))

    assert Topology.from_json((tmp_path / "topology.json").read_text()).shards == ()


def test_a_shard_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="sea has no shard 9; it has 1, 2, 3, 4"):
        of(read_nodes(HOSTS, PORT)).shard(9)


# --- schemas


def test_a_shards_schema_is_called_after_it() -> None:
    shard = of(read_nodes(HOSTS, PORT)).shard(3)
    statements = shard_statements(shard)

    assert not any("shop_0" in statement for statement in statements)
    assert {"shop_3.customers", "shop_3.orders", "shop_3.monthly_sales", "shop_3.RefreshCustomerAnalytics"} <= made_by(
        statements
    )


def test_only_the_first_shard_holds_the_catalogue() -> None:
    assert "sharding.maps" in made_by(sharding_statements(catalogue=True))
    assert "sharding.maps" not in made_by(sharding_statements(catalogue=False))


def test_orders_have_a_partition_a_month_and_one_on_each_side() -> None:
    lines = partitions().split(",\n")

    assert len(lines) == 36 + 2
    assert "p202412 VALUES LESS THAN ('2025-01-01')" in lines[12]


# --- maps as the catalogue has them


def row(version: int, kind: str, *, pending: tuple[int, ...] = ()) -> dict[str, Any]:
    shard_map = make_map(kind, (1, 2))
    after = json.dumps(document_of(make_map(kind, pending))) if pending else None
    return {"version": version, "document": json.dumps(document_of(shard_map)), "pending": after}


def test_a_key_that_is_about_to_move_has_its_own_gate() -> None:
    found = published(row(2, "ring", pending=(1, 2, 3)))
    moves = [key for key in range(100) if make_map("ring", (1, 2, 3)).shard_of(key) == 3]

    assert {found.gate_of(key) for key in moves} == {"move"}
    assert {found.gate_of(key) for key in range(100) if key not in moves} == {"stay"}
    assert {published(row(1, "ring")).gate_of(key) for key in range(100)} == {"stay"}


def test_a_shard_is_in_the_map_or_on_its_way_or_spare() -> None:
    found = published(row(2, "ring", pending=(2, 3)))

    assert [state_of(found, shard) for shard in (1, 2, 3, 4)] == ["leaving", "in the map", "joining", "spare"]


@pytest.mark.parametrize(
    ("version", "prepared", "under_way", "expected"),
    [
        (1, 0, False, {"stay": (1, 1), "move": (1, 1)}),
        (3, 2, False, {"stay": (2, 3), "move": (2, 3)}),
        (2, 2, True, {"stay": (0, 2), "move": (0, 3)}),
    ],
)
def test_gates_stand_between_the_last_move_and_the_newest_map(
    version: int, prepared: int, under_way: bool, expected: Mapping[str, tuple[int, int]]  # noqa: FBT001
) -> None:  # fmt: skip
    assert gates.bounds(version, prepared, under_way=under_way) == expected


def test_while_rows_move_more_than_one_map_is_right() -> None:
    newest = published(row(2, "hash"))

    assert MapState(newest, (make_map("hash", (1, 2, 3)),), under_way=True).maps == (
        make_map("hash", (1, 2)),
        make_map("hash", (1, 2, 3)),
    )


# --- the directory's client


class Directory:
    """A directory that counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.shards = {number: 1 + number % 2 for number in range(100)}

    def __call__(self, _statement: str, parameters: Sequence[Any]) -> list[dict[str, Any]]:
        self.asked.append(parameters[0])
        shard = self.shards.get(parameters[0])
        return [{"shard": shard, "next_shard": 3}] if shard else []


def test_a_customer_is_looked_up_once_a_version() -> None:
    asked = Directory()
    directory = CachedDirectory(asked)

    assert [directory.find(7), directory.find(7), directory.find(7, "next_shard")] == [2, 2, 3]
    assert asked.asked == [7]
    asked.shards[7] = 1
    directory.use(2)
    assert directory.find(7) == 1
    directory.use(2)
    assert directory.find(7) == 1
    assert asked.asked == [7, 7]


def test_the_customers_asked_for_longest_ago_are_forgotten() -> None:
    asked = Directory()
    directory = CachedDirectory(asked, remembered=2)

    for customer in (1, 2, 1, 3, 1, 2):
        directory.find(customer)

    assert len(directory) == 2
    assert asked.asked == [1, 2, 3, 2]


def test_a_customer_without_a_shard_is_refused_and_asked_for_again() -> None:
    asked = Directory()
    directory = CachedDirectory(asked)

    for _ in range(2):
        with pytest.raises(UnknownCustomerError, match="customer 500 is not in the directory"):
            directory.find(500)
    assert asked.asked == [500, 500]


def test_a_directory_that_settles_reads_where_everybody_is() -> None:
    grown = make_map("directory", (1, 2)).add(3)

    assert isinstance(grown, DirectoryMap)
    assert grown.settled() == DirectoryMap((1, 2, 3))


# --- the loader's rows


@pytest.mark.parametrize("kind", ["ring", "hash", "region", "date"])
def test_every_generated_row_is_on_one_shard_its_customers(kind: str) -> None:
    orders, shards = 900, {1: "shop_1", 2: "shop_2", 3: "shop_3"}
    owners = shards_of_customers(make_map(kind, (1, 2, 3)), 1, 1, generated.customers_of(orders) + 1)
    parts = [generate(1, low, high, owners, shards, dict.fromkeys(shards, 0)) for low, high in ((0, 400), (400, 900))]

    found = Counter(shard for part in parts for shard, (count, _) in part.items() for _ in range(count))
    assert sum(found.values()) == orders
    assert found == Counter(owners[generated.order(1, number)[0].customer_id - 1] for number in range(1, orders + 1))
    statements = [statement for part in parts for _, some in part.values() for statement in some]
    assert sum(statement.count("@example.com") for statement in statements) == generated.customers_of(orders)


def test_a_shard_that_is_further_gets_only_the_rest() -> None:
    owners = shards_of_customers(make_map("ring", (1, 2)), 1, 1, 101)
    whole = generate(1, 0, 500, owners, {1: "shop_1", 2: "shop_2"}, {1: 0, 2: 0})
    rest = generate(1, 0, 500, owners, {1: "shop_1", 2: "shop_2"}, {1: 500, 2: 0})

    assert rest[1] == (0, [])
    assert rest[2] == whole[2]


# --- what people read


def located(**found: Any) -> Located:  # noqa: ANN401
    plain = {
        "customer": 5, "version": 3, "kind": "ring", "column": "customer_id", "key": "5", "shard": 2,
        "next_shard": None, "found_on": (2,), "server": "s2", "port": 1234, "orders": {2: 7},
    }  # fmt: skip
    return Located(**{**plain, **found})


@pytest.mark.parametrize(
    ("found", "on_its_shard", "said"),
    [
        ({}, True, "customer 5: shard 2 on s2 (127.0.0.1:1234) by map 3 (ring), with 7 orders"),
        ({"found_on": (), "orders": {}}, False, "NOT there"),
        ({"next_shard": 3, "found_on": (2, 3)}, True, "moves to shard 3 in the resharding that is under way"),
        ({"found_on": (1, 2)}, False, "is on shard 1, where it does not belong: wavetank shard rehome 5"),
        ({"shard": None, "key": None, "found_on": (), "kind": "region", "column": "country"}, False,
         "customer 5 is on no shard, and by map 3 (region) nobody knows where it belongs"),
    ],
)  # fmt: skip
def test_where_a_customer_is_said_to_be(found: dict[str, Any], on_its_shard: bool, said: str) -> None:  # noqa: FBT001
    lines = "\n".join(located(**found).lines())

    assert said in lines
    assert located(**found).on_its_shard is on_its_shard


def test_an_instance_without_shards_has_no_catalogue() -> None:
    topology = of(read_nodes({"db1": {"server_id": 1}}, PORT))

    with pytest.raises(ShardingError, match=r"sea \(four-shard\) has no shards"):
        Catalogue(Servers(topology))
