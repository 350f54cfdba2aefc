"""What an inventory may say, and what it is told when it may not."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from wavetank.errors import UsageError
from wavetank.topology.model import Channel, Sizing, Topology
from wavetank.topology.naming import LONGEST_NAME, check_instance_name
from wavetank.topology.parsing import HIGHEST_SERVER_ID, read_nodes
from wavetank.topology.scaling import with_active, with_replicas, with_sources

Hosts = dict[str, dict[str, Any]]


def one_line(refusal: pytest.ExceptionInfo[UsageError]) -> str:
    text = str(refusal.value)
    assert text
    assert "\n" not in text
    return text


def chain(*names: str) -> Hosts:
    """Return hosts that each replicate from the one before."""
    hosts: Hosts = {}
    for number, name in enumerate(names, 1):
        hosts[name] = {"server_id": number, **({"replicates_from": names[number - 2]} if number > 1 else {})}
    return hosts


def fan(source: str, *replicas: str, first_id: int = 1) -> Hosts:
    """Return a source and its replicas."""
    hosts: Hosts = {source: {"server_id": first_id}}
    for number, name in enumerate(replicas, first_id + 1):
        hosts[name] = {"server_id": number, "replicates_from": source}
    return hosts


# --- server_id


@pytest.mark.parametrize("server_id", [1, "7", HIGHEST_SERVER_ID])
def test_a_server_id_in_range_is_taken_as_a_number(server_id: object) -> None:
    (node,) = read_nodes({"db1": {"server_id": server_id}}, 13310)
    assert node.server_id == int(str(server_id))


@pytest.mark.parametrize(
    "server_id", [0, -1, HIGHEST_SERVER_ID + 1, 1.5, 1.0, True, None, "", "one", "1 ", " 1", "0x1", [1], "²"]
)
def test_a_server_id_out_of_range_is_refused_with_the_range(server_id: object) -> None:
    with pytest.raises(UsageError) as refusal:
        read_nodes({"db1": {"server_id": server_id}}, 13310)
    assert one_line(refusal) == f"db1 needs a server_id from 1 to 4294967295, not {server_id!r}"


def test_a_missing_server_id_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="db2 needs a server_id"):
        read_nodes({"db1": {"server_id": 1}, "db2": {}}, 13310)


def test_a_duplicate_server_id_is_refused_by_name() -> None:
    with pytest.raises(UsageError) as refusal:
        read_nodes({"db1": {"server_id": 4}, "db2": {"server_id": 5}, "db3": {"server_id": "4"}}, 13310)
    assert one_line(refusal) == "db1 and db3 both have server_id 4: each needs its own"


# --- names


@pytest.mark.parametrize("name", ["db1", "a", "shop-eu-1", "x" * LONGEST_NAME])
def test_a_plain_name_is_accepted(name: str) -> None:
    assert read_nodes({name: {"server_id": 1}}, 13310)[0].name == name
    assert check_instance_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "DB1", "db_1", "db.1", "db 1", "db--1", "-db", "db-", "db1\n", "dbé", "../db", "a$b", "x" * 41],
)
def test_a_name_that_a_container_cannot_carry_is_refused(name: str) -> None:
    for try_it in (lambda: read_nodes({name: {"server_id": 1}}, 13310), lambda: check_instance_name(name)):
        with pytest.raises(UsageError, match="use a-z, 0-9 and single '-', at most 40") as refusal:
            try_it()
        assert repr(name) in one_line(refusal)


def test_a_server_needs_a_letter_first_where_an_instance_does_not() -> None:
    assert check_instance_name("1") == "1"
    with pytest.raises(UsageError, match="'1db' cannot name a server"):
        read_nodes({"1db": {"server_id": 1}}, 13310)


# --- sources


def test_an_unknown_source_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError) as refusal:
        read_nodes(fan("db1", "db2") | {"db3": {"server_id": 3, "replicates_from": "db9"}}, 13310)
    assert one_line(refusal) == "db3 replicates from 'db9', which is not among db1, db2, db3"


@pytest.mark.parametrize("source", [5, True, [["db1"]], [None]], ids=repr)
def test_a_source_that_is_not_a_name_is_refused(source: object) -> None:
    with pytest.raises(UsageError) as refusal:
        read_nodes({"db1": {"server_id": 1}, "db2": {"server_id": 2, "replicates_from": source}}, 13310)
    assert "db2" in one_line(refusal)


@pytest.mark.parametrize(
    ("sources", "ring"),
    [
        ({"db1": "db1"}, "db1 -> db1"),
        ({"db1": "db2", "db2": "db1"}, "db1 -> db2 -> db1"),
        ({"db1": "db3", "db2": "db1", "db3": "db2"}, "db1 -> db3 -> db2 -> db1"),
        ({"db1": None, "db2": "db3", "db3": "db2"}, "db2 -> db3 -> db2"),
        ({"db1": None, "db2": "db3", "db3": ["db1", "db2"]}, "db2 -> db3 -> db2"),
        ({"db1": "db2", "db2": "db3", "db3": "db3"}, "db3 -> db3"),
    ],
    ids=[
        "self",
        "pair",
        "ring of three",
        "beside a source",
        "through a multi-source server",
        "tail and self",
    ],
)
def test_a_circle_is_refused_and_drawn(sources: Mapping[str, Any], ring: str) -> None:
    hosts = {
        name: {"server_id": number, "replicates_from": source}
        for number, (name, source) in enumerate(sources.items(), 1)
    }
    with pytest.raises(UsageError) as refusal:
        read_nodes(hosts, 13310)
    assert (
        one_line(refusal)
        == f"replicates_from goes in a circle: {ring}; one of them must be a source, or all of them writable"
    )


def test_a_diamond_is_no_circle() -> None:
    hosts = fan("db1", "db2", "db3") | {"db4": {"server_id": 4, "replicates_from": ["db2", "db3"]}}
    assert [node.name for node in read_nodes(hosts, 13310) if node.is_source] == ["db1"]


def test_one_source_speaks_on_the_default_channel() -> None:
    for declared in ("db1", ["db1"]):
        hosts: Hosts = {"db1": {"server_id": 1}, "db2": {"server_id": 2, "replicates_from": declared}}
        assert read_nodes(hosts, 13310)[1].channels == (Channel("", "db1"),)


def test_several_sources_have_a_channel_each_named_after_them() -> None:
    hosts: Hosts = {"db1": {"server_id": 1}, "db2": {"server_id": 2}}
    hosts["all"] = {"server_id": 3, "replicates_from": ["db2", "db1"]}
    assert read_nodes(hosts, 13310)[2].channels == (Channel("db2", "db2"), Channel("db1", "db1"))


@pytest.mark.parametrize("declared", [None, "", []])
def test_a_server_without_a_source_is_one(declared: object) -> None:
    (node,) = read_nodes({"db1": {"server_id": 1, "replicates_from": declared}}, 13310)
    assert node.is_source


# --- the rest of a host


def test_ports_follow_the_order_of_the_inventory() -> None:
    nodes = read_nodes({"z": {"server_id": 9}, "a": {"server_id": 1}, "m": {"server_id": 5}}, 14000)
    assert [(node.name, node.port) for node in nodes] == [("z", 14000), ("a", 14001), ("m", 14002)]


def test_my_cnf_is_kept_in_order_as_text() -> None:
    (node,) = read_nodes({"db1": {"server_id": 1, "my_cnf": {"max_connections": 7, "a": "b"}}}, 13310)
    assert node.my_cnf == (("max_connections", "7"), ("a", "b"))


@pytest.mark.parametrize("my_cnf", ["max_connections=7", ["max_connections"], 7])
def test_my_cnf_that_is_not_a_mapping_is_refused_by_name(my_cnf: object) -> None:
    with pytest.raises(UsageError, match="my_cnf of db1 is a mapping"):
        read_nodes({"db1": {"server_id": 1, "my_cnf": my_cnf}}, 13310)


def test_an_inventory_without_hosts_is_refused() -> None:
    with pytest.raises(UsageError, match="has no hosts"):
        read_nodes({}, 13310)


# --- with_replicas


def test_as_many_replicas_as_there_are_change_nothing() -> None:
    hosts = fan("db1", "db2", "db3")
    assert with_replicas(hosts, 2) == hosts


@pytest.mark.parametrize(
    ("count", "names"),
    [(0, ["db1"]), (1, ["db1", "db2"]), (2, ["db1", "db2", "db3"])],
    ids=["none", "one", "all"],
)
def test_too_many_replicas_are_dropped_from_the_end(count: int, names: list[str]) -> None:
    hosts = with_replicas(fan("db1", "db2", "db3"), count)
    assert list(hosts) == names


def test_new_replicas_continue_the_numbering_of_names_and_ids() -> None:
    hosts = with_replicas(fan("db1", "db2", "db3", first_id=11), 4)
    assert list(hosts) == ["db1", "db2", "db3", "db4", "db5"]
    assert hosts["db4"] == {"server_id": 14, "replicates_from": "db1"}
    assert hosts["db5"] == {"server_id": 15, "replicates_from": "db1"}
    assert read_nodes(hosts, 13310)


def test_a_new_replica_is_like_the_one_before_it() -> None:
    hosts = fan("db1", "db2")
    hosts["db2"]["my_cnf"] = {"max_connections": 7}
    assert with_replicas(hosts, 2)["db3"].get("my_cnf") == {"max_connections": 7}


def test_a_source_without_a_number_gets_numbered_replicas() -> None:
    assert list(with_replicas({"main": {"server_id": 1}}, 2)) == ["main", "main2", "main3"]


def test_new_names_and_ids_are_free_across_several_sources() -> None:
    hosts = with_replicas(fan("db1", "db2") | fan("db3", "db4", first_id=3), 3)
    nodes = read_nodes(hosts, 13310)
    behind = {source: [node.name for node in nodes if node.channels and node.channels[0].source == source]
              for source in ("db1", "db3")}  # fmt: skip
    assert {source: len(names) for source, names in behind.items()} == {"db1": 3, "db3": 3}
    assert behind["db1"][0] == "db2"
    assert behind["db3"][0] == "db4"


def test_a_relay_is_refused_by_name_since_a_count_does_not_say_where() -> None:
    with pytest.raises(UsageError) as refusal:
        with_replicas(chain("db1", "db2", "db3"), 3)
    assert one_line(refusal).startswith("replicas=3 does not say where they go, since db2 has replicas of its own")


def test_a_server_of_several_sources_is_not_lost() -> None:
    hosts = fan("db1", "db2") | fan("db3", "db4", first_id=3)
    hosts["all"] = {"server_id": 9, "replicates_from": ["db1", "db3"]}
    try:
        result = with_replicas(hosts, 1)
    except UsageError as refusal:
        assert "all" in str(refusal)  # noqa: PT017 - either it is kept or the count is refused
    else:
        assert "all" in result


# --- a topology


def test_a_topology_survives_its_json(make_topology: Callable[..., Topology]) -> None:
    hosts = fan("db1", "db2") | {"db3": {"server_id": 9, "my_cnf": {"max_connections": 7, "x": "a=b # 'c'"}}}
    hosts["all"] = {"server_id": 10, "replicates_from": ["db1", "db3"]}
    for cpus in (None, 0.5):
        topology = make_topology(
            hosts, cpus=cpus, semi_sync=True, semi_sync_timeout_ms=7, lag_bound_s=2.5, given={"replicas": "2"}
        )
        assert Topology.from_json(topology.to_json()) == topology


def test_sources_and_replicas_are_told_apart(make_topology: Callable[..., Topology]) -> None:
    topology = make_topology(chain("db1", "db2", "db3") | {"db4": {"server_id": 4}})
    assert [node.name for node in topology.sources] == ["db1", "db4"]
    assert [node.name for node in topology.replicas] == ["db2", "db3"]
    assert [node.name for node in topology.replicas_of(topology.node("db1"))] == ["db2"]


def test_the_tree_of_a_source_reaches_as_deep_as_it_goes(make_topology: Callable[..., Topology]) -> None:
    hosts = chain("db1", "db2", "db3") | {
        "db4": {"server_id": 4, "replicates_from": "db1"},
        "db5": {"server_id": 5},
    }
    topology = make_topology(hosts)
    assert [node.name for node in topology.tree(topology.node("db1"))] == ["db1", "db2", "db3", "db4"]
    assert [node.name for node in topology.tree(topology.node("db5"))] == ["db5"]


def test_a_tree_names_a_server_once_however_many_ways_lead_to_it(
    make_topology: Callable[..., Topology],
) -> None:
    hosts = fan("db1", "db2", "db3") | {"db4": {"server_id": 4, "replicates_from": ["db2", "db3"]}}
    topology = make_topology(hosts)
    assert sorted(node.name for node in topology.tree(topology.node("db1"))) == ["db1", "db2", "db3", "db4"]


def test_an_unknown_server_is_refused_with_those_there_are(make_topology: Callable[..., Topology]) -> None:
    with pytest.raises(UsageError) as refusal:
        make_topology(instance="sea").node("db9")
    assert one_line(refusal) == "sea has no server 'db9'; it has db1, db2, db3"


# --- peers

RING: Hosts = {
    "db1": {"server_id": 1, "writable": True, "replicates_from": "db2"},
    "db2": {"server_id": 2, "writable": True, "replicates_from": ["db1"]},
}


def made(hosts: Mapping[str, Any]) -> Topology:
    return Topology("ring", "ring", read_nodes(hosts, 13310), image="", sizing=Sizing(0, 0))


def test_writable_servers_may_replicate_in_a_circle() -> None:
    topology = made(RING)
    assert topology.peers == topology.sources == topology.replicas == topology.nodes
    assert [topology.auto_increment(node) for node in topology.nodes] == [(2, 1), (2, 2)]


@pytest.mark.parametrize("name", ["db1", "db2"])
def test_a_circle_needs_all_of_them_writable(name: str) -> None:
    with pytest.raises(UsageError, match="in a circle: db1 -> db2 -> db1"):
        read_nodes({**RING, name: {**RING[name], "writable": False}}, 13310)


def test_a_writable_server_is_no_source_of_itself() -> None:
    with pytest.raises(UsageError, match="in a circle: db1 -> db1"):
        read_nodes({"db1": {"server_id": 1, "writable": True, "replicates_from": "db1"}}, 13310)


def test_what_a_peer_writes_must_come_back_to_its_source() -> None:
    hosts = {"db1": {"server_id": 1}, "db2": {"server_id": 2, "writable": True, "replicates_from": "db1"}}
    with pytest.raises(UsageError) as refusal:
        read_nodes(hosts, 13310)
    assert one_line(refusal) == (
        "db2 is writable and replicates from db1, which never gets what db2 writes: let db1 replicate from it as well"
    )


@pytest.mark.parametrize("writable", ["yes", 1, "db1"], ids=repr)
def test_writable_is_yes_or_no(writable: object) -> None:
    with pytest.raises(UsageError, match="writable of db1 is true or false, not"):
        read_nodes({"db1": {"server_id": 1, "writable": writable}}, 13310)


def test_a_replica_behind_a_peer_draws_no_ids_and_takes_no_writes() -> None:
    topology = made({**RING, "db3": {"server_id": 3, "replicates_from": "db2"}})
    assert [node.name for node in topology.sources] == ["db1", "db2"]
    assert [topology.auto_increment(node) for node in topology.peers] == [(2, 1), (2, 2)]


@pytest.mark.parametrize("count", [2, 3, 5])
def test_more_sources_replicate_from_all_the_others(count: int) -> None:
    topology = made(with_sources(RING, count))
    names = [f"db{number}" for number in range(1, count + 1)]
    assert [node.name for node in topology.peers] == names
    for number, node in enumerate(topology.nodes, start=1):
        assert [channel.source for channel in node.channels] == [name for name in names if name != node.name]
        assert topology.auto_increment(node) == (count, number)
        assert node.server_id == number


def test_fewer_sources_are_the_first_ones() -> None:
    assert list(with_sources(with_sources(RING, 4), 2)) == ["db1", "db2"]


def test_replicas_are_counted_behind_each_peer() -> None:
    topology = made(with_replicas(with_sources(RING, 3), 1))
    behind = {node.name: node.channels[0].source for node in topology.nodes if not node.peer}
    assert behind == {"db4": "db1", "db5": "db2", "db6": "db3"}


@pytest.mark.parametrize("count", [0, 1])
def test_one_source_has_nobody_to_replicate_from(count: int) -> None:
    with pytest.raises(UsageError, match=f"sources={count} leaves nobody"):
        with_sources(RING, count)


def test_sources_are_counted_only_where_there_are_peers() -> None:
    with pytest.raises(UsageError, match="sources=3 is for topologies whose sources replicate from each other"):
        with_sources(fan("db1", "db2"), 3)


def test_of_several_sources_one_can_be_the_active_one() -> None:
    nodes = with_active(read_nodes({**RING, "db3": {"server_id": 3, "replicates_from": "db2"}}, 13310), "db2")
    assert [(node.name, node.is_source, node.passive) for node in nodes] == [
        ("db1", False, True),
        ("db2", True, False),
        ("db3", False, False),
    ]


@pytest.mark.parametrize(("hosts", "active"), [(RING, "db3"), (fan("db1", "db2"), "db1")])
def test_who_is_no_source_cannot_be_the_active_one(hosts: Hosts, active: str) -> None:
    with pytest.raises(UsageError, match=f"active={active} is "):
        with_active(read_nodes(hosts, 13310), active)


def test_a_topology_with_peers_is_read_back_as_it_was() -> None:
    topology = made(with_sources(RING, 3))
    topology = dataclasses.replace(topology, nodes=with_active(topology.nodes, "db2"))
    assert Topology.from_json(topology.to_json()) == topology
