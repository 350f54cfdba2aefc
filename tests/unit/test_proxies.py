"""Proxies in front of the servers: what the inventory may say of them, their ports, and what they are told."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fronts import fronts_of, settings_of
from wavetank.errors import UsageError
from wavetank.provision.planning import plan
from wavetank.provision.port_allocation import FIRST_PORT
from wavetank.provision.rendering import render_compose, render_instance, render_proxy
from wavetank.proxysql.expected_rows import (
    HOSTGROUPS,
    ROUTES,
    RULES,
    SERVERS,
    USERS,
    VARIABLES,
    Rows,
    Table,
    expected_rows,
    server_rows,
)
from wavetank.servers.source_hint import HINT
from wavetank.topology.instance import INVENTORIES, Instance
from wavetank.topology.model import Topology
from wavetank.topology.proxies import KINDS, MYSQL_ROUTER, PROXYSQL

pytestmark = pytest.mark.usefixtures("engine", "free_ports")

Record = Callable[[Topology], Topology]
Hosts = dict[str, dict[str, Any]]
THREE: Hosts = {
    "db1": {"server_id": 1},
    "db2": {"server_id": 2, "replicates_from": "db1", "weight": 3},
    "db3": {"server_id": 3, "replicates_from": "db1"},
}
PROXIED, ROUTED = fronts_of("proxysql"), fronts_of("mysql-router")
PASSWORDS = {"app_rw": "w", "app_ro": "r", "monitor": "m"}


def planned(hosts: Hosts = THREE, fronts: dict[str, Any] = PROXIED, **asked: object) -> Topology:
    return plan("proxysql", "sea", hosts, asked, fronts)


def refused(hosts: Hosts = THREE, fronts: dict[str, Any] = PROXIED) -> str:
    with pytest.raises(UsageError) as refusal:
        planned(hosts, fronts)
    return str(refusal.value)


# --- the inventory


@pytest.mark.parametrize("weight", [0, -1, 10, "heavy", 1.5, None])
def test_a_weight_that_is_none_is_refused_with_the_range(weight: object) -> None:
    message = refused(THREE | {"db3": THREE["db3"] | {"weight": weight}})
    assert "weight of db3 is a number from 1 to 9" in message


def test_a_name_for_two_is_refused() -> None:
    assert "db2 is a server and a proxy" in refused(fronts={PROXYSQL: {"db2": settings_of(PROXYSQL)}})


def test_a_name_that_containers_cannot_carry_is_refused() -> None:
    assert "'Proxy_1' cannot name" in refused(fronts={PROXYSQL: {"Proxy_1": settings_of(PROXYSQL)}})


def test_sources_that_share_nothing_are_refused_behind_a_proxy() -> None:
    hosts: Hosts = {"db1": {"server_id": 1}, "db2": {"server_id": 2}}
    assert "which of db1, db2 a write is for" in refused(hosts)


def test_a_topology_is_read_back_as_it_was_written() -> None:
    topology = planned()
    assert Topology.from_json(topology.to_json()) == topology


def test_a_record_of_before_there_were_proxies_is_read() -> None:
    raw = json.loads(planned(fronts={}).to_json())
    del raw["proxies"]
    for node in raw["nodes"]:
        del node["weight"]
    assert Topology.from_json(json.dumps(raw)).proxies == ()


# --- ports


def test_a_proxy_takes_the_two_ports_after_the_servers() -> None:
    (proxy,) = planned().proxies
    assert proxy.ports == (FIRST_PORT + 3, FIRST_PORT + 4)


def test_a_new_replica_moves_nobody_to_another_port(record: Record) -> None:
    before = record(planned())
    grown = planned(replicas=3)
    assert grown.proxies == before.proxies
    assert grown.nodes[:3] == before.nodes
    assert grown.nodes[3].port == FIRST_PORT + 5


def test_another_base_port_moves_everybody(record: Record) -> None:
    record(planned())
    moved = planned(base_port=20_000, replicas=3)
    assert [port for member in moved.members for port in member.ports] == list(range(20_000, 20_006))


def test_a_proxy_cannot_be_planned_away(record: Record) -> None:
    record(planned())
    with pytest.raises(UsageError, match="sea has proxy1, which it would no longer have"):
        planned(fronts={})


# --- what a ProxySQL is told


@pytest.fixture
def rows() -> dict[Table, Rows]:
    """All that the inventory makes ProxySQL hold."""
    topology = planned()
    return expected_rows(topology, topology.proxies[0], PASSWORDS)


def test_the_source_writes_and_reads_only_where_no_replica_can(rows: dict[Table, Rows]) -> None:
    groups = settings_of(PROXYSQL)["hostgroups"]
    found = {
        (row["hostgroup_id"], row["hostname"]): (row["weight"], row["max_replication_lag"]) for row in rows[SERVERS]
    }
    unit = settings_of(PROXYSQL)["weight_unit"]
    assert found == {
        (groups["writer"], "db1"): (1, 0),
        (groups["reader"], "db1"): (1, 0),
        (groups["reader"], "db2"): (3 * unit, 5),
        (groups["reader"], "db3"): (unit, 5),
    }


def test_every_server_is_spoken_to_over_tls(rows: dict[Table, Rows]) -> None:
    assert {row["use_ssl"] for row in rows[SERVERS]} == {1}
    variables = {row["variable_name"]: row["variable_value"] for row in rows[VARIABLES]}
    assert variables["mysql-have_ssl"] == "true"


def test_only_applications_come_through(rows: dict[Table, Rows]) -> None:
    assert {row["username"] for row in rows[USERS]} == {"app_rw", "app_ro"}
    assert {row["transaction_persistent"] for row in rows[USERS]} == {1}


def test_what_no_rule_knows_is_written(rows: dict[Table, Rows]) -> None:
    writer = settings_of(PROXYSQL)["hostgroups"]["writer"]
    assert {row["default_hostgroup"] for row in rows[USERS]} == {writer}


def test_the_ways_into_the_tables_do_not_change_a_rule(rows: dict[Table, Rows]) -> None:
    for row in rows[RULES]:
        assert not re.search(r'[\\"]', f"{row['match_digest']}{row['match_pattern']}"), row["comment"]
        assert "'" not in row["comment"], "ProxySQL writes it into a statement as it is"


def test_the_hint_has_a_rule_before_any_that_sends_to_a_reader(rows: dict[Table, Rows]) -> None:
    reader = settings_of(PROXYSQL)["hostgroups"]["reader"]
    first_reader = min(row["rule_id"] for row in rows[RULES] if row["destination_hostgroup"] == reader)
    hints = [row["rule_id"] for row in rows[RULES] if row["match_pattern"] == HINT]
    assert hints
    assert max(hints) < first_reader


# --- before shards


@pytest.fixture
def sharded() -> dict[Table, Rows]:
    """All that two shards make it hold."""
    hosts = {
        "s1": {"server_id": 1, "shard": 1},
        "s2": {"server_id": 2, "shard": 2},
        "s1r": {"server_id": 3, "shard": 1, "replicates_from": "s1"},
    }
    topology = plan("four-shard-proxysql", "sea", hosts, {}, fronts_of("proxysql"))
    return expected_rows(topology, topology.proxies[0], PASSWORDS)


def test_each_shard_has_a_pair_of_hostgroups(sharded: dict[Table, Rows]) -> None:
    groups = settings_of(PROXYSQL)["hostgroups"]
    pairs = [(number + groups["writer"], number + groups["reader"]) for number in (100, 200)]
    assert [(row["writer_hostgroup"], row["reader_hostgroup"]) for row in sharded[HOSTGROUPS]] == pairs
    found = {(row["hostgroup_id"], row["hostname"]) for row in sharded[SERVERS]}
    (one, reads_one), (two, reads_two) = pairs
    assert found == {(one, "s1"), (reads_one, "s1"), (reads_one, "s1r"), (two, "s2"), (reads_two, "s2")}


def test_no_rule_sends_anything_before_it_is_known_to_which_shard(sharded: dict[Table, Rows]) -> None:
    for row in sharded[RULES]:
        assert (row["destination_hostgroup"] is None) == ("shard:" not in str(row["match_pattern"])), row["comment"]


def test_every_account_finds_every_shard_for_reads_and_writes(sharded: dict[Table, Rows]) -> None:
    flags = {row["flagOUT"] for row in sharded[RULES]} - {None}
    wanted = {(user, f"shop_{n}", flag) for user in ("app_rw", "app_ro") for n in (1, 2) for flag in flags}
    assert {(row["username"], row["schemaname"], row["flagIN"]) for row in sharded[ROUTES]} == wanted


def test_the_last_rule_lets_the_routes_decide(sharded: dict[Table, Rows]) -> None:
    assert max(sharded[RULES], key=lambda row: row["rule_id"])["apply"] == 0


def test_without_shards_there_are_no_routes(rows: dict[Table, Rows]) -> None:
    assert rows[ROUTES] == []
    assert {row["apply"] for row in rows[RULES]} == {1}


def test_a_router_cannot_tell_shards_apart() -> None:
    hosts = {"s1": {"server_id": 1, "shard": 1}, "s2": {"server_id": 2, "shard": 2}}
    with pytest.raises(UsageError, match="router1 is a MySQL Router, which cannot tell shards apart"):
        plan("mysql-router", "sea", hosts, {}, ROUTED)


# --- files


def test_a_proxysqls_configuration_holds_every_row_and_is_private(state: Path) -> None:
    topology = planned()
    render_instance(topology)
    file = Instance("sea").node_directory("proxy1") / "proxysql.cnf"
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text()
    assert text.count("rule_id=") == len(settings_of(PROXYSQL)["rules"])
    assert text.count("hostgroup_id=") == 4
    assert "None" not in text
    assert state in file.parents
    assert render_instance(topology) == [], "a second time nothing differs"


def test_a_router_leads_writes_to_the_source_and_reads_to_the_replicas() -> None:
    topology = plan("mysql-router", "sea", THREE, {}, ROUTED)
    text = render_proxy(topology, topology.proxies[0])
    destinations = re.findall(r"^destinations = (.*)$", text, re.MULTILINE)
    assert destinations == ["db1:3306", "db2:3306,db3:3306"]


def test_a_router_is_made_anew_where_its_configuration_changed() -> None:
    one = plan("mysql-router", "sea", THREE, {}, ROUTED)
    more = plan("mysql-router", "sea", THREE, {"replicas": 3}, ROUTED)
    label = re.compile(r'wavetank.config: "([0-9a-f]+)"')
    assert label.findall(render_compose(one)) != label.findall(render_compose(more))


def test_a_proxys_container_may_do_nothing_special() -> None:
    compose = render_compose(planned())
    assert "cap_drop: [ALL]" in compose
    assert "no-new-privileges:true" in compose
    assert '"127.0.0.1:13313:6033", "127.0.0.1:13314:6032"' in compose


@pytest.mark.parametrize("kind", KINDS)
def test_a_proxys_image_has_a_tag(kind: str) -> None:
    assert re.fullmatch(r"[\w./-]+:[\w.-]+", settings_of(kind)["image"])


def test_no_number_of_a_hostgroup_and_no_port_is_written_twice() -> None:
    numbers = [*settings_of(PROXYSQL)["hostgroups"].values(), *settings_of(PROXYSQL)["ports"].values()]
    numbers += settings_of(MYSQL_ROUTER)["ports"].values()
    for root in ("scripts/wavetank", "configs", "compose", "playbooks"):
        for file in (INVENTORIES.parent / root).rglob("*"):
            # Statements that are sent through a proxy have numbers of their own.
            named = "" if file.stem == "statement_corpus" else f"{file.parent.name}/{file.name}"
            if file.suffix in {".py", ".j2", ".yml"} and re.search("prox|router|routing", named):
                code = re.sub(r"#.*", "", file.read_text())
                found = [number for number in numbers if re.search(rf"(?<![\w.-]){number}(?![\w.])", code)]
                assert not found, f"{file.name} has {found}"


# --- how many


def test_as_many_proxies_as_are_asked_for_have_names_ports_and_settings_of_the_inventorys() -> None:
    one, two = planned(), planned(proxies=2)
    assert [proxy.name for proxy in two.proxies] == ["proxy1", "proxy2"]
    assert two.proxies[0] == one.proxies[0]
    assert two.proxies[1].settings == one.proxies[0].settings
    ports = [port for member in two.members for port in member.ports]
    assert len(set(ports)) == len(ports)


def test_proxies_that_come_later_leave_every_port_where_it_was(record: Record) -> None:
    before = record(planned(replicas=3))
    after = planned(proxies=3)
    assert [each.ports for each in after.members][: len(before.members)] == [each.ports for each in before.members]
    assert len(after.proxies) == 3


def test_a_proxy_that_exists_is_not_planned_away(record: Record) -> None:
    record(planned(proxies=2))
    with pytest.raises(UsageError, match=r"sea has proxy2, which it would no longer have"):
        planned(proxies=1)


@pytest.mark.parametrize(
    ("fronts", "asked", "reason"),
    [
        ({}, 2, "proxies=2 is for topologies with a proxy in front of the servers"),
        (PROXIED, 0, "proxies=0 leaves nobody in front of the servers"),
        (PROXIED, 10, "proxies=10 is not a number from 0 to 9"),
        (PROXIED, "two", "proxies=two is not a number from 0 to 9"),
    ],
)
def test_a_number_of_proxies_that_cannot_be_is_refused(fronts: dict[str, Any], asked: object, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        planned(fronts=fronts, proxies=asked)


def test_a_server_that_is_spared_gets_as_few_reads_as_a_source() -> None:
    topology = planned()
    rows = {row["hostname"]: row for row in server_rows(topology, topology.proxies[0], {"db3"})}
    assert (rows["db3"]["weight"], rows["db3"]["max_replication_lag"]) == (1, 0)
    assert rows["db2"]["weight"] > 1
