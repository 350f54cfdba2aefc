"""What the checks of proxies find of pretended ones: nothing where all is well, and exactly the damage else."""

from collections.abc import Sequence
from typing import Any

import pytest
from examined import Fleet, Made, findings, left_out, told
from wavetank.checks.finding import NotAsked
from wavetank.checks.questions import (
    hint_routing,
    port_routing,
    proxy_backend_tls,
    proxy_configuration,
    proxy_monitor,
    proxy_reachable,
    read_spread,
    statement_routing,
)
from wavetank.proxysql.deviations import Deviation
from wavetank.proxysql.expected_rows import SERVERS, USERS
from wavetank.proxysql.routing_proof import Routed
from wavetank.proxysql.statement_corpus import Statement
from wavetank.topology.model import Topology
from wavetank.topology.proxies import ADMIN, MYSQL_ROUTER, PROXYSQL, Proxy

GROUPS = {"hostgroups": {"writer": 10, "reader": 20}}
SPLITTER = Proxy("proxy1", PROXYSQL, 13320, 13321, GROUPS)
ROUTER = Proxy("router1", MYSQL_ROUTER, 13330, 13331, {})
SHARDED = {
    "s1": {"server_id": 1, "shard": 1},
    "s1r": {"server_id": 2, "shard": 1, "replicates_from": "s1"},
    "s2": {"server_id": 101, "shard": 2},
    "s2r": {"server_id": 102, "shard": 2, "replicates_from": "s2"},
}


@pytest.fixture
def split(make_topology: Made) -> Topology:
    """A source and two replicas behind a ProxySQL and a Router."""
    return make_topology(proxies=(SPLITTER, ROUTER))


@pytest.fixture
def sharded(make_topology: Made) -> Topology:
    """Two shards behind a ProxySQL."""
    return make_topology(SHARDED, proxies=(SPLITTER,))


@pytest.mark.parametrize(
    ("check", "asked", "asked_of_shards"),
    [
        (hint_routing, "", "proxy1"),
        (port_routing, "router1", ""),
        (proxy_backend_tls, "proxy1 router1", "proxy1"),
        (proxy_configuration, "proxy1", "proxy1"),
        (proxy_monitor, "proxy1", "proxy1"),
        (proxy_reachable, "proxy1 router1", "proxy1"),
        (read_spread, "proxy1", "proxy1"),
        (statement_routing, "proxy1", "proxy1"),
    ],
)
def test_who_is_asked(
    check: Any,  # noqa: ANN401 - a module
    asked: str,
    asked_of_shards: str,
    split: Topology,
    sharded: Topology,
) -> None:
    assert [proxy.name for proxy in check.concerns(split)] == asked.split()
    assert [proxy.name for proxy in check.concerns(sharded)] == asked_of_shards.split()


# --- who answers


@pytest.mark.parametrize(
    ("proxy", "door", "account"),
    [
        (SPLITTER, "proxy1", "app_rw"), (SPLITTER, "proxy1 admin", ADMIN),
        (ROUTER, "router1", "app_rw"), (ROUTER, "router1 reads", "app_rw"),
    ],
)  # fmt: skip
def test_both_ports_of_a_proxy_answer(split: Topology, proxy: Proxy, door: str, account: str) -> None:
    fleet = Fleet(split, {})
    assert told(proxy_reachable, proxy, fleet) == []
    fleet[door].refused = {account: "refused"}
    (found,) = findings(proxy_reachable, proxy, fleet)
    assert found.node == proxy.name
    assert found.expected.startswith(f"an answer to {account} ")
    assert found.found.endswith("refused")
    assert f"wavetank-sea-{proxy.name}," in found.next_step


def test_a_proxy_that_is_gone_is_one_finding(split: Topology) -> None:
    fleet = Fleet(split, {})
    for door in ("proxy1", "proxy1 admin"):
        fleet[door].refused = {"app_rw": "gone", ADMIN: "gone"}
    assert len(findings(proxy_reachable, SPLITTER, fleet)) == 1


# --- a Router's ports


def turns(*answers: tuple[str, int]) -> Any:  # noqa: ANN401
    """Return what answers in turns, as a Router lets servers do."""
    left: list[tuple[str, int]] = []

    def next_one() -> list[dict[str, Any]]:
        if not left:
            left.extend(answers)
        name, closed = left.pop(0)
        return [{"name": name, "closed": closed}]

    return next_one


WHO = "app_rw: @@report_host"


def ports(writes: Any, reads: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"router1": {WHO: writes}, "router1 reads": {WHO: reads}}


REPLICAS = (("db2", 1), ("db3", 1))


@pytest.mark.parametrize(
    ("writes", "reads", "found"),
    [
        ([("db1", 0)], REPLICAS, []),
        ([("db1", 0), ("db2", 1)], REPLICAS, [("a server that takes writes behind 13330", "db2, closed")]),
        ([("db1", 0)], [*REPLICAS, ("db1", 0)], [("closed servers behind 13331", "db1, which takes writes")]),
        ([("db1", 0)], [("db2", 1)], [("every replica behind 13331", "never db3")]),
        (
            [("db1", 0)], [("db1", 0)],
            [
                ("closed servers behind 13331", "db1, which takes writes"),
                ("every replica behind 13331", "never db2, db3"),
            ],
        ),
    ],
)  # fmt: skip
def test_a_routers_ports_lead_where_they_should(
    split: Topology, writes: list[Any], reads: list[Any], found: list[tuple[str, str]]
) -> None:
    fleet = Fleet(split, ports(turns(*writes), turns(*reads)))
    seen = findings(port_routing, ROUTER, fleet)
    assert [(each.node, each.expected, each.found) for each in seen] == [("router1", *each) for each in found]
    assert all("wavetank-sea-router1," in each.next_step for each in seen)


def test_each_server_is_met_although_another_comes_first_twice(split: Topology) -> None:
    # Three servers, each asked for twice: the sixth answer still counts.
    fleet = Fleet(split, ports(turns(("db1", 0)), turns(*[("db2", 1)] * 5, ("db3", 1))))
    assert told(port_routing, ROUTER, fleet) == []
    fleet = Fleet(split, ports(turns(("db1", 0)), turns(*[("db2", 1)] * 6, ("db3", 1))))
    assert len(told(port_routing, ROUTER, fleet)) == 1


def test_a_replica_that_does_not_answer_need_not_be_met(split: Topology) -> None:
    fleet = Fleet(split, ports(turns(("db1", 0)), turns(("db2", 1))), silent=["db3"])
    assert told(port_routing, ROUTER, fleet) == []


# --- how a proxy speaks to servers

ADDRESS = "app_rw: SUBSTRING_INDEX(USER()"


def test_every_connection_behind_a_proxy_uses_tls(split: Topology) -> None:
    def plain(address: str) -> list[dict[str, Any]]:
        assert address == "172.18.0.5"
        return [{"user": "app_rw", "type": "TCP/IP", "connections": 3}]

    answers = {name: {"performance_schema.threads": []} for name in ("db1", "db2", "db3")}
    answers["proxy1"] = {ADDRESS: "172.18.0.5"}
    assert told(proxy_backend_tls, SPLITTER, Fleet(split, answers)) == []
    answers["db2"] = {"performance_schema.threads": plain}  # type: ignore[dict-item]
    # One that is silent keeps none behind it from being asked.
    (found,) = findings(proxy_backend_tls, SPLITTER, Fleet(split, answers, silent=["db1"]))
    assert (found.node, found.expected, found.found) == ("proxy1", "TLS to db2", "3 connections of app_rw over TCP/IP")
    assert "wavetank-sea-proxy1:" in found.next_step


def deviating(**rows: Any) -> Deviation:  # noqa: ANN401
    return Deviation(rows.pop("table", SERVERS), ("10", "db1"), rows.get("expected"), rows.get("found"))


@pytest.mark.parametrize(
    ("deviation", "expected", "found"),
    [
        (deviating(found={"a": 1}), "no row 10 db1 in mysql_servers", "one that nobody declared"),
        (deviating(expected={"a": 1}), "a row 10 db1 in mysql_servers", "none"),
        (deviating(expected={"a": 1}, found={"a": 2}), "a 1 of 10 db1 in mysql_servers", "2"),
        (deviating(expected={"a": ""}, found={"a": 2}), "a nothing of 10 db1 in mysql_servers", "2"),
        (deviating(expected={"a": 1}, found={"a": ""}), "a 1 of 10 db1 in mysql_servers", "nothing"),
        (deviating(expected={"password": 1}, found={"password": 2}), "password 1 of 10 db1 in mysql_servers", "2"),
        (
            deviating(table=USERS, expected={"password": "secret"}, found={"password": "hidden"}),
            "password ours of 10 db1 in mysql_users", "another one",
        ),
        (deviating(table=USERS, expected={"max": "1"}, found={"max": "2"}), "max 1 of 10 db1 in mysql_users", "2"),
    ],
)  # fmt: skip
def test_each_row_that_deviates_is_told_and_no_password(
    split: Topology, monkeypatch: pytest.MonkeyPatch, deviation: Deviation, expected: str, found: str
) -> None:
    fleet = Fleet(split, {})

    def deviations(servers: object, proxy: Proxy, *, runtime: bool) -> list[Deviation]:
        assert (servers, proxy, runtime) == (fleet, SPLITTER, True)
        return [deviation]

    monkeypatch.setattr(proxy_configuration, "deviations", deviations)
    assert told(proxy_configuration, SPLITTER, fleet) == [("proxy1", expected, found)]


ONLINE = {"hostgroup_id": "10", "hostname": "db1", "status": "ONLINE"}


def monitored(
    monkeypatch: pytest.MonkeyPatch, errors: Sequence[tuple[str, str, str]], states: Sequence[dict[str, str]]
) -> None:
    def asked(result: Any) -> Any:  # noqa: ANN401
        def ask(servers: Fleet, proxy: Proxy) -> Any:  # noqa: ANN401
            assert isinstance(servers, Fleet)
            assert proxy == SPLITTER
            return result

        return ask

    monkeypatch.setattr(proxy_monitor, "monitor_errors", asked(errors))
    monkeypatch.setattr(proxy_monitor, "server_states", asked(states))


def test_what_the_monitor_complains_of_is_told(split: Topology, monkeypatch: pytest.MonkeyPatch) -> None:
    monitored(monkeypatch, [("ping log", "db2", "timeout"), ("ping log", "db3", "timeout")], [])
    (found,) = findings(proxy_monitor, SPLITTER, Fleet(split, {}, silent=["db3"]))
    assert (found.node, found.found) == ("proxy1", "timeout")
    assert found.expected == "db2 without an error in the monitor's ping log"
    assert found.next_step == "docker logs wavetank-sea-proxy1"


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (ONLINE, []),
        ({**ONLINE, "status": "OFFLINE_SOFT"}, []),
        ({**ONLINE, "status": "SHUNNED"}, [("db1 online in hostgroup 10 (writes)", "SHUNNED")]),
        (
            {"hostgroup_id": "20", "hostname": "db2", "status": "SHUNNED_REPLICATION_LAG"},
            [("db2 online in hostgroup 20 (reads)", "SHUNNED_REPLICATION_LAG")],
        ),
        (
            {**ONLINE, "hostgroup_id": "77", "status": "SHUNNED"},
            [("db1 online in hostgroup 77 (nobody declared it)", "SHUNNED")],
        ),
        ({**ONLINE, "hostname": "db3", "status": "SHUNNED"}, []),
    ],
)
def test_who_gets_no_statements_is_told_unless_it_does_not_answer_us_either(
    split: Topology, monkeypatch: pytest.MonkeyPatch, row: dict[str, str], found: list[tuple[str, str]]
) -> None:
    monitored(monkeypatch, [], [row])
    assert told(proxy_monitor, SPLITTER, Fleet(split, {}, silent=["db3"])) == [("proxy1", *each) for each in found]


# --- where reads go


def spread(monkeypatch: pytest.MonkeyPatch, topology: Topology, *who: str, online: Sequence[str]) -> Fleet:
    """Return servers behind a proxy whose reads are answered by these in turn, four in all."""
    monkeypatch.setattr(read_spread, "READS", 4)
    left = list(who)
    answers: dict[str, Any] = {node.name: {"@@server_uuid": f"uuid {node.name}"} for node in topology.nodes}
    answers["proxy1 admin"] = {
        f"{ADMIN}: hostgroup_id = {group} ": [{"hostname": name} for name in online] for group in (20, 120, 220)
    }
    read = "VARIABLE_NAME = 'server_uuid'"
    take = lambda: [{"uuid": f"uuid {left.pop(0)}"}]  # noqa: E731
    answers["proxy1"] = {f"app_rw: {read}": take}
    return Fleet(topology, answers)


@pytest.mark.parametrize(
    ("who", "found"),
    [
        ("db2 db3 db2 db3", []),
        (
            "db2 db2 db2 db3",
            [
                ("50% of 4 reads at db2, give or take 10%", "75%"),
                ("50% of 4 reads at db3, give or take 10%", "25%"),
            ],
        ),
        ("db2 db3 db2 db1", [("50% of 4 reads at db3, give or take 10%", "25%")]),
    ],
)
def test_replicas_get_their_share_of_the_reads(
    split: Topology, monkeypatch: pytest.MonkeyPatch, who: str, found: list[tuple[str, str]]
) -> None:
    fleet = spread(monkeypatch, split, *who.split(), online=["db1", "db2", "db3"])
    assert told(read_spread, SPLITTER, fleet) == [("proxy1", *each) for each in found]


def test_shares_are_by_weight(make_topology: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = {
        "db1": {"server_id": 1},
        "db2": {"server_id": 2, "replicates_from": "db1", "weight": 3},
        "db3": {"server_id": 3, "replicates_from": "db1"},
    }
    topology = make_topology(hosts, proxies=(SPLITTER,))
    fleet = spread(monkeypatch, topology, "db2", "db2", "db2", "db3", online=["db2", "db3"])
    assert told(read_spread, SPLITTER, fleet) == []


@pytest.mark.parametrize(("online", "silent"), [(["db1", "db2"], []), (["db2", "db3"], ["db3"])])
def test_who_gets_no_reads_is_left_out_of_the_shares(
    split: Topology, monkeypatch: pytest.MonkeyPatch, online: list[str], silent: list[str]
) -> None:
    fleet = spread(monkeypatch, split, "db2", "db2", "db2", "db2", online=online)
    for name in silent:
        fleet[name].given_up = "frozen"
    assert told(read_spread, SPLITTER, fleet) == []
    reason = "cannot get reads: proxy_monitor or reachable reports why"
    fleet = spread(monkeypatch, split, "db2", "db2", "db2", "db2", online=online)
    for name in silent:
        fleet[name].given_up = "frozen"
    assert left_out(read_spread, SPLITTER, fleet) == [NotAsked(f"db3 {reason}")]
    nobody = spread(monkeypatch, split, online=["db1"])
    assert told(read_spread, SPLITTER, nobody) == []
    assert left_out(read_spread, SPLITTER, nobody) == [NotAsked(f"db2, db3 {reason}")]
    all_of_them = spread(monkeypatch, split, "db2", "db3", "db2", "db3", online=["db1", "db2", "db3"])
    assert left_out(read_spread, SPLITTER, all_of_them) == []


def test_each_shard_is_read_in_its_own_schema(sharded: Topology, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = spread(monkeypatch, sharded, online=["s1r", "s2r"])
    for schema in ("shop_1", "shop_2"):
        fleet["proxy1"].prepare({f"app_rw: {schema}> SELECT VARIABLE_VALUE": [{"uuid": "uuid s1r"}]})
    assert told(read_spread, SPLITTER, fleet) == [("proxy1", "100% of 4 reads at s2r, give or take 10%", "0%")]


# --- where statements go

READ = Statement(text="SELECT 1", form="select", writes=False)
LOCKS = Statement(text="SELECT 1 FOR UPDATE", form="for update", writes=True)
BRACKETS = Statement(text="(SELECT 1)", form="select in brackets", writes=False)
VARIABLE = Statement(text="SET @x = 1", form="set of a user variable", writes=True)


def routed(
    monkeypatch: pytest.MonkeyPatch, topology: Topology, *results: Routed, silent: Sequence[str] = ()
) -> tuple[Fleet, list[tuple[int, str]]]:
    """Return servers of which the sources are open, and what is asked to be run: how much, in which schema."""
    asked: list[tuple[int, str]] = []
    answers = {
        node.name: {"super_read_only": [{"uuid": node.name, "closed": bool(node.channels)}]} for node in topology.nodes
    }
    fleet = Fleet(topology, answers, silent)

    def route(servers: object, proxy: Proxy, statements: Sequence[Statement], schema: str) -> list[Routed]:
        assert (servers, proxy) == (fleet, SPLITTER)
        asked.append((len(statements), schema))
        return list(results)

    monkeypatch.setattr(statement_routing, "route", route)
    return fleet, asked


@pytest.mark.parametrize(
    ("results", "found"),
    [
        ([Routed(READ, (20,), "db2"), Routed(LOCKS, (10,), "db1"), Routed(BRACKETS, (10,), "db1")], []),
        ([Routed(LOCKS, (10,), "")], []),
        (
            [Routed(READ, (20,), "", "refused")],
            [("an answer to every statement", "1 elsewhere: select (1); refused: SELECT 1")],
        ),
        (
            [Routed(LOCKS, (20,), "")],
            [("what writes in hostgroup 10", "1 elsewhere: for update (1); in 20: SELECT 1 FOR UPDATE")],
        ),
        (
            [Routed(BRACKETS, (20,), "")],
            [("what writes in hostgroup 10", "1 elsewhere: select in brackets (1); in 20: (SELECT 1)")],
        ),
        (
            [Routed(LOCKS, (10, 20), "db1")],
            [("what writes in hostgroup 10", "1 elsewhere: for update (1); in 10 and 20: SELECT 1 FOR UPDATE")],
        ),
        (
            [Routed(LOCKS, (10,), "db2")],
            [
                (
                    "what writes answered by a server that takes writes",
                    "1 elsewhere: for update (1); in 10: SELECT 1 FOR UPDATE",
                )
            ],
        ),
        (
            [Routed(READ, (10,), "db1"), Routed(READ, (), "db1")],
            [("what reads in hostgroup 20", "2 elsewhere: select (2); in 10: SELECT 1")],
        ),
        ([Routed(READ, (), "db2")], [("what reads in hostgroup 20", "1 elsewhere: select (1); in none: SELECT 1")]),
        (
            [Routed(VARIABLE, (20,), "")],
            [("what writes in hostgroup 10", "1 elsewhere: set of a user variable (1); in 20: SET @x = 1")],
        ),
    ],
)
def test_each_statement_goes_where_it_belongs(
    split: Topology, monkeypatch: pytest.MonkeyPatch, results: list[Routed], found: list[tuple[str, str]]
) -> None:
    fleet, asked = routed(monkeypatch, split, *results)
    assert told(statement_routing, SPLITTER, fleet) == [("proxy1", *each) for each in found]
    assert asked == [(1000, "")]


def test_the_commonest_forms_of_what_went_wrong_are_named(split: Topology, monkeypatch: pytest.MonkeyPatch) -> None:
    forms = ["d", "a", "a", "a", "a", "b", "b", "b", "c", "c"]
    fleet, _ = routed(
        monkeypatch, split, *(Routed(Statement(text=form, form=form, writes=False), (10,)) for form in forms)
    )
    ((_, _, found),) = told(statement_routing, SPLITTER, fleet)
    assert found == "10 elsewhere: a (4), b (3), c (2); in 10: d"


def test_each_shard_is_asked_in_its_schema_for_its_own_hostgroups(
    sharded: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    # ProxySQL sends what sets a variable to the first shard, which no rule can change.
    fleet, asked = routed(monkeypatch, sharded, Routed(READ, (120,)), Routed(VARIABLE, (10,)))
    assert told(statement_routing, SPLITTER, fleet) == [
        ("proxy1", "what reads in hostgroup 220", "1 elsewhere: select (1); in 120: SELECT 1")
    ]
    assert asked == [(500, "shop_1"), (500, "shop_2")]


def test_a_silent_server_is_not_asked_whether_it_takes_writes(split: Topology, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet, _ = routed(monkeypatch, split, Routed(LOCKS, (10,), "db1"), silent=["db2"])
    assert told(statement_routing, SPLITTER, fleet) == []


# --- hints


class Hinted:
    """A ProxySQL that obeys hints but for `wrong`: by shard and form, the hostgroup and who answers."""

    def __init__(self, topology: Topology, wrong: dict[tuple[int, str], tuple[int, str]], silent: str = "") -> None:
        self.counts: dict[tuple[str, int], int] = {}
        self.wrong = wrong
        answers: dict[str, Any] = {
            node.name: {"@@server_uuid AS uuid": [{"uuid": node.name, "closed": int(bool(node.channels))}]}
            for node in topology.nodes
        }
        for number in (1, 2):
            for form, ending in (("w", f"hinted_{number} FOR UPDATE"), ("r", f"hinted_{number}")):
                answers.setdefault("proxy1 admin", {})[f"{ADMIN}: LIKE 'SELECT @@server_uuid AS {ending}'"] = (
                    self.counted(number, form)
                )
                asked = f"app_rw: /* shard:{number} */ SELECT @@server_uuid AS {ending}"
                answers.setdefault("proxy1", {})[asked] = self.answering(number, form)
        self.fleet = Fleet(topology, answers, [silent] if silent else [])

    def counted(self, number: int, form: str) -> Any:  # noqa: ANN401
        def count() -> list[dict[str, Any]]:
            found = {group: count for (key, group), count in self.counts.items() if key == f"{number}{form}"}
            # What was counted before, elsewhere, says nothing.
            return [{"hostgroup": str(group), "count": str(count)} for group, count in {77: 5, **found}.items()]

        return count

    def answering(self, number: int, form: str) -> Any:  # noqa: ANN401
        def answer() -> list[dict[str, Any]]:
            usual = (100 * number + (10 if form == "w" else 20), f"s{number}" + ("" if form == "w" else "r"))
            group, who = self.wrong.get((number, form), usual)
            if group:
                key = (f"{number}{form}", group)
                self.counts[key] = self.counts.get(key, 3) + 1
            return [{"hinted": who}]

        return answer


@pytest.mark.parametrize(
    ("wrong", "expected", "found"),
    [
        ({}, "", ""),
        ({(1, "w"): (120, "s1")}, "/* shard:1 */ … FOR UPDATE in hostgroup 110", "counted in 120, answered by s1"),
        ({(2, "r"): (120, "s2r")}, "/* shard:2 */ … in hostgroup 220", "counted in 120, answered by s2r"),
        ({(2, "r"): (0, "s2r")}, "/* shard:2 */ … in hostgroup 220", "counted in none, answered by s2r"),
        ({(2, "w"): (210, "s1")}, "/* shard:2 */ … FOR UPDATE in hostgroup 210", "counted in 210, answered by s1"),
        ({(1, "r"): (120, "s1")}, "/* shard:1 */ … in hostgroup 120", "counted in 120, answered by s1"),
    ],
)
def test_a_hint_leads_to_its_shard(
    sharded: Topology, wrong: dict[tuple[int, str], tuple[int, str]], expected: str, found: str
) -> None:
    seen = told(hint_routing, SPLITTER, Hinted(sharded, wrong).fleet)
    if not expected:
        assert seen == []
        return
    ((node, wanted, there),) = seen
    hint, _, rest = expected.partition("…")
    assert wanted.startswith(hint)
    assert rest.strip() in wanted
    assert (node, there) == ("proxy1", found)


def test_where_no_replica_answers_the_source_may(sharded: Topology) -> None:
    assert told(hint_routing, SPLITTER, Hinted(sharded, {(1, "r"): (120, "s1")}, silent="s1r").fleet) == []
