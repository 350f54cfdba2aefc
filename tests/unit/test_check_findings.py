"""What each check finds of pretended servers: nothing where all is well, and exactly the damage where it is not."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import mysql.connector
import pytest
from examined import CHANNELS, Fleet, Made, channel, findings, told
from wavetank.checks.finding import NotAsked
from wavetank.checks.questions import (
    accounts,
    applier_lag,
    auto_increment,
    canary,
    channel_configuration,
    end_to_end_lag,
    errant_transactions,
    heartbeat,
    missing_transactions,
    reachable,
    replication_loop,
    replication_threads,
    semi_sync,
    server_id,
    settings,
    writable,
)
from wavetank.errors import UnreachableError, UsageError
from wavetank.servers.accounts import ACCOUNTS
from wavetank.servers.effective import Deviation
from wavetank.servers.gtid import subtract
from wavetank.topology.model import Topology

PEERS = {
    "db1": {"server_id": 1, "writable": True, "replicates_from": ["db2"]},
    "db2": {"server_id": 2, "writable": True, "replicates_from": ["db1"]},
}
CHAIN = {
    "db1": {"server_id": 1},
    "db2": {"server_id": 2, "replicates_from": "db1"},
    "db3": {"server_id": 3, "replicates_from": "db2"},
}
UUID = "3e11fa47-71ca-11e1-9e33-c80aa942956{}"


@pytest.fixture
def three(make_topology: Made) -> Topology:
    """A source with two replicas."""
    return make_topology()


@pytest.fixture
def peers(make_topology: Made) -> Topology:
    """Two sources that replicate from each other."""
    return make_topology(PEERS)


@pytest.fixture
def chain(make_topology: Made) -> Topology:
    """A source, a relay and a replica behind it."""
    return make_topology(CHAIN)


def names(members: Any) -> list[str]:  # noqa: ANN401
    return [member.name for member in members]


@pytest.mark.parametrize(
    ("check", "asked", "asked_peers"),
    [
        (accounts, "db1 db2 db3", "db1 db2"),
        (reachable, "db1 db2 db3", "db1 db2"),
        (server_id, "db1 db2 db3", "db1 db2"),
        (settings, "db1 db2 db3", "db1 db2"),
        (heartbeat, "db1 db2 db3", "db1 db2"),
        (writable, "db1 db2 db3", "db1 db2"),
        (replication_threads, "db1 db2 db3", "db1 db2"),
        (channel_configuration, "db2 db3", "db1 db2"),
        (errant_transactions, "db2 db3", "db1 db2"),
        (missing_transactions, "db2 db3", "db1 db2"),
        (applier_lag, "db2 db3", "db1 db2"),
        (end_to_end_lag, "", ""),
        (canary, "db1", "db1 db2"),
        (auto_increment, "", "db1 db2"),
        (replication_loop, "", "db1 db2"),
        (semi_sync, "", ""),
    ],
)
def test_who_is_asked(check: Any, asked: str, asked_peers: str, three: Topology, peers: Topology) -> None:  # noqa: ANN401
    assert names(check.concerns(three)) == asked.split()
    assert names(check.concerns(peers)) == asked_peers.split()


# --- who may come in

DOOR = {"account": "'app_rw'@'%'", "ssl_type": "ANY", "no_password": 0}


@pytest.mark.parametrize(
    ("differing", "found"),
    [
        ({}, []),
        ({"ssl_type": ""}, [("db1", "every account with REQUIRE SSL", "'app_rw'@'%' without")]),
        ({"no_password": 1}, [("db1", "no empty password", "one of 'app_rw'@'%'")]),
    ],
)
def test_every_door_needs_tls_and_a_password(
    three: Topology, differing: dict[str, object], found: list[tuple[str, str, str]]
) -> None:
    fleet = Fleet(three, {"db1": {"admin: FROM mysql.user": [DOOR, {**DOOR, **differing}]}})
    assert told(accounts, three.node("db1"), fleet) == found


@pytest.mark.parametrize("account", ACCOUNTS)
def test_each_account_of_ours_is_tried(three: Topology, account: str) -> None:
    fleet = Fleet(three, {"db1": {"admin: FROM mysql.user": []}})
    fleet["db1"].refused = {account: "Access denied"}
    assert told(accounts, three.node("db1"), fleet) == [("db1", f"a login of {account}", "Access denied")]


# --- who is there

REPORTS = "@@report_host AS name"


def test_a_server_that_answers_with_its_own_name_is_reachable(three: Topology) -> None:
    fleet = Fleet(three, {"db2": {REPORTS: [{"name": "db2"}]}})
    assert told(reachable, three.node("db2"), fleet) == []


def test_another_server_behind_the_port_is_found(three: Topology) -> None:
    fleet = Fleet(three, {"db2": {REPORTS: [{"name": "db3"}]}})
    assert told(reachable, three.node("db2"), fleet) == [("db2", "the server of db2", "the server of db3")]


def test_a_server_that_lets_nobody_in_is_found(three: Topology) -> None:
    fleet = Fleet(three, {})
    fleet["db2"].refused = {"monitor": "Can't connect"}
    (found,) = findings(reachable, three.node("db2"), fleet)
    assert (found.node, found.found) == ("db2", "db2 does not answer: Can't connect")
    assert "wavetank-sea-db2" in found.next_step


def test_a_server_that_goes_away_while_it_is_asked_is_found(three: Topology) -> None:
    gone = mysql.connector.OperationalError(errno=2013, msg="Lost connection")
    fleet = Fleet(three, {"db2": {REPORTS: gone}})
    assert [found for _, _, found in told(reachable, three.node("db2"), fleet)] == [
        "db2 does not answer: Lost connection"
    ]


def identities(**differing: tuple[int, str]) -> dict[str, dict[str, Any]]:
    usual = {f"db{number}": (number, UUID.format(number)) for number in (1, 2, 3)}
    return {
        name: {"@@server_id AS server_id": [{"server_id": id_, "server_uuid": uuid}]}
        for name, (id_, uuid) in {**usual, **differing}.items()
    }


@pytest.mark.parametrize(
    ("node", "differing", "found"),
    [
        ("db3", {}, []),
        ("db3", {"db3": (9, UUID.format(3))}, [("server_id 3", "9")]),
        (
            "db3",
            {"db3": (3, UUID.format(1))},
            [("a server_uuid of its own", f"server_uuid {UUID.format(1)}, as on db1")],
        ),
        ("db3", {"db2": (3, UUID.format(2))}, [("a server_id of its own", "server_id 3, as on db2")]),
        # Of two that are equal the later one is told, and it alone.
        ("db1", {"db3": (3, UUID.format(1))}, []),
    ],
)
def test_a_servers_identity_is_declared_and_its_own(
    three: Topology, node: str, differing: dict[str, tuple[int, str]], found: list[tuple[str, str]]
) -> None:
    fleet = Fleet(three, identities(**differing))
    assert told(server_id, three.node(node), fleet) == [(node, *each) for each in found]


def test_who_does_not_answer_keeps_nobody_from_being_compared(three: Topology) -> None:
    fleet = Fleet(three, identities(db3=(3, UUID.format(2))), silent=["db1"])
    assert told(server_id, three.node("db3"), fleet) == [
        ("db3", "a server_uuid of its own", f"server_uuid {UUID.format(2)}, as on db2")
    ]


# --- what is set, and who takes writes


def test_a_setting_that_deviates_is_found_unless_another_check_asks(
    three: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def deviating(server: object) -> list[Deviation]:
        asked.append(server)
        others = [Deviation(name, "1", "2", by_hand=True) for name in settings.ASKED_ELSEWHERE]
        return [*others, Deviation("max_connections", "100", "99", by_hand=False)]

    monkeypatch.setattr(settings, "deviating_settings", deviating)
    fleet = Fleet(three, {})
    assert told(settings, three.node("db2"), fleet) == [("db2", "max_connections = 100", "max_connections = 99")]
    assert asked == [fleet["db2"]]
    assert settings.ASKED_ELSEWHERE == ("server_id", "auto_increment_increment", "auto_increment_offset")


@pytest.mark.parametrize(
    ("node", "ro", "super_ro", "expected"),
    [
        ("db1", 0, 0, None),
        ("db1", 1, 0, "an open source (read_only=0)"),
        ("db1", 1, 1, "an open source (read_only=0)"),
        ("db2", 1, 1, None),
        ("db2", 1, 0, "a closed replica (super_read_only=1)"),
        ("db2", 0, 0, "a closed replica (super_read_only=1)"),
    ],
)
def test_exactly_the_source_takes_writes(
    three: Topology, node: str, ro: int, super_ro: int, expected: str | None
) -> None:
    fleet = Fleet(three, {node: {"@@GLOBAL.read_only AS ro": [{"ro": ro, "super_ro": super_ro}]}})
    state = f"read_only={ro}, super_read_only={super_ro}"
    assert told(writable, three.node(node), fleet) == ([(node, expected, state)] if expected else [])


@pytest.mark.parametrize(
    ("node", "increment", "offset", "found"),
    [
        ("db1", 2, 1, []),
        ("db2", 2, 2, []),
        ("db2", 1, 2, [("auto_increment_increment 2 with 2 sources", "1")]),
        ("db2", 2, 1, [("auto_increment_offset 2 with 2 sources", "1")]),
    ],
)
def test_sources_draw_ids_of_their_own(
    peers: Topology, node: str, increment: int, offset: int, found: list[tuple[str, str]]
) -> None:
    fleet = Fleet(peers, {node: {"auto_increment_offset": [{"a": increment, "b": offset}]}})
    assert told(auto_increment, peers.node(node), fleet) == [(node, *each) for each in found]


# --- channels


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([channel()], []),
        ([], [("the default channel from db1", "no such channel")]),
        ([channel(), channel("db9", "db9")], [("no channel but the declared", "channel 'db9' from db9")]),
        ([channel(receiver="OFF")], [("a running receiver on the default channel", "OFF")]),
        (
            [channel(receiver="CONNECTING", receiver_errno=2003, receiver_error="Can't connect")],
            [("a running receiver on the default channel", "CONNECTING 2003 Can't connect")],
        ),
        ([channel(applier="OFF")], [("a running applier on the default channel", "OFF")]),
    ],
)
def test_the_declared_channels_run_and_no_others(
    three: Topology, rows: list[dict[str, Any]], found: list[tuple[str, str]]
) -> None:
    fleet = Fleet(three, {"db2": {CHANNELS: rows, "replication_applier_status_by_worker": []}})
    assert told(replication_threads, three.node("db2"), fleet) == [("db2", *each) for each in found]


def test_an_applier_that_stopped_without_an_error_is_started_and_not_rebuilt(three: Topology) -> None:
    answers = {CHANNELS: [channel(applier="OFF")], "replication_applier_status_by_worker": []}
    (found,) = findings(replication_threads, three.node("db2"), Fleet(three, {"db2": answers}))
    assert found.next_step == "make topology-up starts it"


def test_a_source_replicates_from_nobody(three: Topology) -> None:
    assert told(replication_threads, three.node("db1"), Fleet(three, {"db1": {CHANNELS: []}})) == []
    fleet = Fleet(three, {"db1": {CHANNELS: [channel(source="db2")]}})
    assert told(replication_threads, three.node("db1"), fleet) == [
        ("db1", "no channel but the declared", "the default channel from db2")
    ]


@pytest.mark.parametrize(
    ("receiver", "step"), [("OFF", "make topology-up starts it"), ("CONNECTING", "make status: does db1 answer?")]
)
def test_a_receiver_that_was_stopped_is_started_and_one_that_waits_is_not(
    three: Topology, receiver: str, step: str
) -> None:
    fleet = Fleet(three, {"db2": {CHANNELS: [channel(receiver=receiver)]}})
    (found,) = findings(replication_threads, three.node("db2"), fleet)
    assert found.next_step == step


@pytest.mark.parametrize(
    ("errno", "row", "of_peers", "found", "step"),
    [
        (1064, "", False, "OFF, error 1064: no", "make topology-up REBUILD=db2"),
        (1062, "boat 7", False, "OFF, error 1062: no; the row: boat 7", "make topology-up REBUILD=db2"),
        (1062, "", False, "OFF, error 1062: no", "make topology-up REBUILD=db2"),
        (1062, "boat 7", True, "OFF, error 1062: no; the row: boat 7", "make conflicts"),
        (1064, "", True, "OFF, error 1064: no", "make topology-up REBUILD=db2"),
    ],
)
def test_why_an_applier_stopped_is_told_with_the_row(  # noqa: PLR0913
    three: Topology, peers: Topology, monkeypatch: pytest.MonkeyPatch,
    *, errno: int, row: str, of_peers: bool, found: str, step: str,
) -> None:  # fmt: skip
    from wavetank.servers.binlog import stopped  # noqa: PLC0415 - as the check does

    topology = peers if of_peers else three
    errors: dict[str, list[dict[str, Any]]] = {"": [{"errno": errno, "message": "no"}]}
    fleet = Fleet(
        topology,
        {"db2": {CHANNELS: [channel(applier="OFF")], "status_by_worker": lambda name: errors[name]}},
    )

    def stopping(replica: object, source: object, message: str) -> str:
        assert (replica, source, message) == (fleet["db2"], fleet["db1"], "no")
        return row

    monkeypatch.setattr(stopped, "stopping_row", stopping)
    (seen,) = findings(replication_threads, topology.node("db2"), fleet)
    assert (seen.node, seen.expected, seen.found) == ("db2", "a running applier on the default channel", found)
    assert seen.next_step.startswith(step)


@pytest.mark.parametrize(
    ("name", "wrong", "expected"),
    [
        ("HOST", "db3", "db1"), ("PORT", 3307, 3306), ("USER", "root", "replication"), ("AUTO_POSITION", "0", 1),
        ("SSL_ALLOWED", "NO", "YES"), ("SSL_VERIFY_SERVER_CERTIFICATE", "NO", "YES"),
        ("SSL_CA_FILE", "none", "/etc/wavetank/ca.pem"), ("CONNECTION_RETRY_INTERVAL", 60, 1),
        ("CONNECTION_RETRY_COUNT", 10, 86400), ("HEARTBEAT_INTERVAL", 30.0, 1.0), ("DELAY_S", 5, 0),
    ],
)  # fmt: skip
def test_each_part_of_a_channel_is_compared(three: Topology, name: str, wrong: object, expected: object) -> None:
    fleet = Fleet(three, {"db2": {CHANNELS: [channel(**{name: wrong})]}})
    ((node, wanted, found),) = told(channel_configuration, three.node("db2"), fleet)
    assert (node, wanted) == ("db2", f"{name} {expected} of the default channel")
    assert found == str(wrong)


def test_a_channel_that_is_not_there_does_not_keep_the_next_from_being_compared(make_topology: Made) -> None:
    hosts = {**CHAIN, "db4": {"server_id": 4}, "db5": {"server_id": 5, "replicates_from": ["db4", "db1"]}}
    topology = make_topology(hosts)
    fleet = Fleet(topology, {"db5": {CHANNELS: [channel("db1", "db9")]}})
    assert [found for _, _, found in told(channel_configuration, topology.node("db5"), fleet)] == ["db9"]


def test_a_channel_as_declared_and_one_that_is_not_there_deviate_in_nothing(three: Topology) -> None:
    assert told(channel_configuration, three.node("db2"), Fleet(three, {"db2": {CHANNELS: [channel()]}})) == []
    other = Fleet(three, {"db2": {CHANNELS: [channel("db9", PORT=1)]}})
    assert told(channel_configuration, three.node("db2"), other) == []


# --- transactions


def subtracting(mine: str, theirs: str) -> str:
    """Return what GTID_SUBTRACT does for sets that are listed by single transactions."""
    return ",".join(part for part in mine.split(",") if part and part not in theirs.split(","))


def executed(gtids: str, uuid: str = "") -> dict[str, Any]:
    return {
        "GTID_SUBTRACT(%s, @@GLOBAL.gtid_executed)": lambda theirs: subtracting(theirs, gtids),
        "GTID_SUBTRACT(%s, %s)": subtracting,
        "@@GLOBAL.gtid_executed": gtids,
        "@@GLOBAL.gtid_owned": "",
        "@@GLOBAL.server_uuid": uuid,
    }


ONE, TWO, MORE = (UUID.format(number) for number in (1, 2, 9))


@pytest.mark.parametrize(
    ("replica", "errant"), [(f"{ONE}:1", ""), ("", ""), (f"{ONE}:1,{TWO}:1", f"{TWO}:1"), (f"{ONE}:2", f"{ONE}:2")]
)
def test_what_the_source_never_saw_is_errant(three: Topology, replica: str, errant: str) -> None:
    fleet = Fleet(three, {"db1": executed(f"{ONE}:1"), "db2": executed(replica, TWO)})
    expected = [("db2", "no transaction beyond those of db1", f"errant {errant}")] if errant else []
    assert told(errant_transactions, three.node("db2"), fleet) == expected


@pytest.mark.parametrize(
    ("owned", "errant"),
    [(f"{ONE}:3#57:2#55", ""), (f"{ONE}:4#57:2#55", f"{ONE}:3"), (f"{TWO}:7#12{ONE}:3#57:2#55", "")],
)
def test_what_the_source_is_committing_is_not_errant(three: Topology, owned: str, errant: str) -> None:
    """While it waits for an acknowledgement, who has sent one may have executed it."""
    source = {**executed(f"{ONE}:1"), "@@GLOBAL.gtid_owned": owned}
    replica = {**executed(f"{ONE}:1-3", TWO), "GTID_SUBTRACT(%s, %s)": subtract}
    found = told(errant_transactions, three.node("db2"), Fleet(three, {"db1": source, "db2": replica}))
    assert found == ([("db2", "no transaction beyond those of db1", f"errant {errant}")] if errant else [])


def test_what_a_peer_wrote_itself_is_not_errant_and_what_nobody_knows_is(peers: Topology) -> None:
    fleet = Fleet(peers, {"db1": executed(f"{ONE}:1"), "db2": executed(f"{ONE}:1,{TWO}:1", TWO)})
    assert told(errant_transactions, peers.node("db2"), fleet) == []
    fleet = Fleet(peers, {"db1": executed(f"{ONE}:1"), "db2": executed(f"{ONE}:1,{MORE}:1", TWO)})
    (found,) = findings(errant_transactions, peers.node("db2"), fleet)
    assert found.found == f"errant {MORE}:1"
    assert "REBUILD=db2" in found.next_step


def test_a_replica_of_several_sources_may_have_what_any_of_them_has(make_topology: Made) -> None:
    topology = make_topology(
        {"db1": {"server_id": 1}, "db2": {"server_id": 2}, "db3": {"server_id": 3, "replicates_from": ["db1", "db2"]}}
    )
    sources = {"db1": executed(f"{ONE}:1"), "db2": executed(f"{TWO}:1")}
    fleet = Fleet(topology, {**sources, "db3": executed(f"{ONE}:1,{TWO}:1", MORE)})
    assert told(errant_transactions, topology.node("db3"), fleet) == []
    fleet = Fleet(topology, {**sources, "db3": executed(f"{ONE}:2", MORE)})
    assert told(errant_transactions, topology.node("db3"), fleet) == [
        ("db3", "no transaction beyond those of db1, db2", f"errant {ONE}:2")
    ]


def late(gtids: str, *, times_out: int = 1, rows: Sequence[dict[str, Any]] = (channel(),)) -> dict[str, Any]:
    def wait(theirs: str, bound_s: float) -> int:
        assert (theirs, bound_s) == (f"{ONE}:1,{ONE}:2,{ONE}:3", 5.0)
        return times_out

    return {CHANNELS: list(rows), "admin: WAIT_FOR_EXECUTED_GTID_SET": wait, **executed(gtids)}


@pytest.mark.parametrize(
    ("replica", "missing", "step"),
    [
        (late(f"{ONE}:1,{ONE}:2"), f"{ONE}:3", "make status, then the applier's workers"),
        (late(f"{ONE}:1,{ONE}:3"), f"{ONE}:2", "make topology-up asks for them again"),
        (late("", times_out=0), "", ""),
        # Whether it runs is another check's question.
        (late("", rows=[]), "", ""),
        (late("", rows=[channel(applier="OFF")]), "", ""),
        (late("", rows=[channel(receiver="CONNECTING")]), "", ""),
    ],
)
def test_what_does_not_arrive_in_time_is_missing(
    three: Topology, replica: dict[str, Any], missing: str, step: str
) -> None:
    fleet = Fleet(three, {"db1": executed(f"{ONE}:1,{ONE}:2,{ONE}:3"), "db2": replica})
    found = findings(missing_transactions, three.node("db2"), fleet)
    expected = [("db2", "every transaction of db1 within 5 s", f"without {missing}", step)] if missing else []
    assert [(each.node, each.expected, each.found, each.next_step) for each in found] == expected


def test_a_stopped_channel_does_not_keep_the_next_from_being_asked(make_topology: Made) -> None:
    topology = make_topology(
        {"db1": {"server_id": 1}, "db2": {"server_id": 2}, "db3": {"server_id": 3, "replicates_from": ["db1", "db2"]}}
    )
    rows = [channel("db1", "db1", applier="OFF"), channel("db2", "db2")]
    answers = {CHANNELS: rows, "admin: WAIT_FOR_EXECUTED_GTID_SET": 1, **executed("")}
    fleet = Fleet(topology, {"db2": executed(f"{TWO}:1"), "db3": answers})
    assert told(missing_transactions, topology.node("db3"), fleet) == [
        ("db3", "every transaction of db2 within 5 s", f"without {TWO}:1")
    ]


def test_its_own_transactions_that_came_back_are_found(peers: Topology) -> None:
    rows = [
        {"channel": "", "gtids": f"{ONE}:1-5,\n{TWO}:1-3", "uuid": TWO},
        {"channel": "db9", "gtids": f"{ONE}:1-5", "uuid": TWO},
    ]
    fleet = Fleet(peers, {"db2": {"RECEIVED_TRANSACTION_SET": rows}})
    assert told(replication_loop, peers.node("db2"), fleet) == [
        ("db2", "nothing of its own from the default channel", f"{TWO}:1-3")
    ]
    rows[1]["gtids"] = f"{TWO}:4"
    assert told(replication_loop, peers.node("db2"), fleet)[1:] == [
        ("db2", "nothing of its own from channel 'db9'", f"{TWO}:4")
    ]


# --- lag


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look once, as though the next heartbeat had come."""
    from wavetank.servers import lag  # noqa: PLC0415

    def wait(_what: str, look: Any, **_: object) -> None:  # noqa: ANN401
        if not look():
            raise UsageError("waited in vain")

    monkeypatch.setattr(lag, "wait_until", wait)


LAG = "replication_applier_status_by_worker"
BOUND_US = 5_000_000


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize(("hop_us", "found"), [(BOUND_US, []), (BOUND_US + 1, [f"{BOUND_US + 1} us"]), (0, [])])
def test_an_applier_that_is_late_by_more_than_the_bound_is_found(
    three: Topology, hop_us: int, found: list[str]
) -> None:
    answers = {CHANNELS: [channel()], LAG: [{"hop_us": hop_us, "end_to_end_us": 9 * BOUND_US}]}
    seen = told(applier_lag, three.node("db2"), Fleet(three, {"db2": answers}))
    assert seen == [("db2", f"at most {BOUND_US} us behind db1", each) for each in found]


@pytest.mark.usefixtures("_at_once")
def test_an_applier_that_has_applied_nothing_is_not_late(three: Topology) -> None:
    answers = {CHANNELS: [channel()], LAG: [{"hop_us": None, "end_to_end_us": None}]}
    fleet: Any = Fleet(three, {"db2": answers})
    assert told(applier_lag, three.node("db2"), fleet) == []
    (seen,) = applier_lag.examine(three.node("db2"), fleet)
    assert isinstance(seen, NotAsked)
    assert seen.moot is True


@pytest.mark.usefixtures("_at_once")
def test_behind_a_relay_who_has_applied_nothing_is_not_late(chain: Topology) -> None:
    answers = {CHANNELS: [channel(source="db2")], LAG: [{"hop_us": None, "end_to_end_us": None}]}
    fleet: Any = Fleet(chain, {"db3": answers})
    assert told(end_to_end_lag, chain.node("db3"), fleet) == []
    (seen,) = end_to_end_lag.examine(chain.node("db3"), fleet)
    assert isinstance(seen, NotAsked)
    assert seen.moot is True


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize(("us", "found"), [(BOUND_US, []), (BOUND_US + 1, [f"{BOUND_US + 1} us"])])
def test_behind_a_relay_all_hops_count(chain: Topology, us: int, found: list[str]) -> None:
    assert names(end_to_end_lag.concerns(chain)) == ["db3"]
    answers = {CHANNELS: [channel(source="db2")], LAG: [{"hop_us": 9 * BOUND_US, "end_to_end_us": us}]}
    seen = told(end_to_end_lag, chain.node("db3"), Fleet(chain, {"db3": answers}))
    assert seen == [("db3", f"at most {BOUND_US} us from the first commit, by way of db2", each) for each in found]


@pytest.mark.usefixtures("_at_once")
def test_what_comes_straight_from_its_source_has_one_hop(make_topology: Made) -> None:
    hosts = {**CHAIN, "db4": {"server_id": 4}, "db5": {"server_id": 5, "replicates_from": ["db4", "db2"]}}
    topology = make_topology(hosts)
    rows = [channel("db4", "db4"), channel("db2", "db2")]
    answers = {
        CHANNELS: rows,
        LAG: lambda name: [{"hop_us": 0, "end_to_end_us": {"db4": 8, "db2": 7}[name] * BOUND_US}],
    }
    assert told(end_to_end_lag, topology.node("db5"), Fleet(topology, {"db5": answers})) == [
        ("db5", f"at most {BOUND_US} us from the first commit, by way of db2", f"{7 * BOUND_US} us")
    ]


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize(("node", "step"), [("db1", "SHOW EVENTS FROM wavetank on the source"), ("db2", "make status")])
@pytest.mark.parametrize(
    ("age_us", "found"), [(6_000_000, []), (6_000_001, ["one 6000001 us old"]), (None, ["none"]), (0, [])]
)
def test_a_heartbeat_is_there_and_fresh(
    three: Topology, node: str, step: str, age_us: int | None, found: list[str]
) -> None:
    seen = findings(heartbeat, three.node(node), Fleet(three, {node: {"wavetank.heartbeat": age_us}}))
    assert [(each.node, each.expected, each.found, each.next_step) for each in seen] == [
        (node, "a heartbeat of the last 6000000 us", each, step) for each in found
    ]


# --- semi-synchronous replication

ENABLED = "rpl_semi_sync_source_enabled"
STATUS = "performance_schema.global_status"


def semi(**status: object) -> list[dict[str, Any]]:
    return [{"name": f"Rpl_semi_sync_{name}", "value": value} for name, value in status.items()]


@pytest.mark.parametrize(
    ("node", "status", "enabled", "found"),
    [
        ("db1", semi(source_clients=2, source_status="ON"), 1, []),
        ("db1", semi(source_clients=3, source_status="ON"), 1, []),
        ("db1", semi(source_clients=1, source_status="ON"), 1, [("2 semi-sync replicas", "1")]),
        ("db1", semi(source_status="ON"), 1, [("2 semi-sync replicas", "0")]),
        ("db1", semi(source_clients=2, source_status="OFF"), 1, [("semi-sync ON", "fallen back to asynchronous")]),
        ("db2", semi(replica_status="ON"), 0, []),
        ("db2", semi(replica_status="OFF"), 0, [("semi-sync ON", "OFF")]),
        ("db2", semi(), 0, [("semi-sync ON", "OFF")]),
    ],
)
def test_semi_synchronous_replication_is_as_asked(
    make_topology: Made, node: str, status: list[dict[str, Any]], enabled: int, found: list[tuple[str, str]]
) -> None:
    topology = make_topology(semi_sync=1)
    assert names(semi_sync.concerns(topology)) == ["db1", "db2", "db3"]
    fleet = Fleet(topology, {node: {STATUS: status, ENABLED: enabled}})
    assert told(semi_sync, topology.node(node), fleet) == [(node, *each) for each in found]


def test_a_replica_that_waits_for_what_nobody_sends_is_found(make_topology: Made) -> None:
    topology = make_topology(semi_sync=1)
    fleet = Fleet(topology, {"db2": {STATUS: semi(replica_status="ON"), ENABLED: 1}})
    ((node, _, found),) = told(semi_sync, topology.node("db2"), fleet)
    assert (node, found) == ("db2", "semi-sync ON")


# --- the canary

WRITE, READ = "INSERT INTO wavetank.canary", "FROM wavetank.canary WHERE token"


class Basin:
    """Where the canary's row is: it arrives at those that are named."""

    def __init__(self, *arrives: str) -> None:
        self.tokens: list[bytes] = []
        self.arrives = arrives

    def answers(self, name: str, rows: Sequence[dict[str, Any]] = (channel(),)) -> dict[str, Any]:
        def write(token: bytes) -> list[dict[str, Any]]:
            self.tokens.append(token)
            return []

        def read(token: bytes) -> list[dict[str, Any]]:
            assert self.tokens == [token]
            return [{"1": 1}] if name in self.arrives else []

        return {WRITE: write, READ: read, CHANNELS: list(rows)}


def canaries(topology: Topology, basin: Basin, **rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        node.name: basin.answers(node.name, rows.get(node.name, [channel()] if node.channels else []))
        for node in topology.nodes
    }


def test_a_row_that_arrives_everywhere_is_no_finding(three: Topology) -> None:
    basin = Basin("db2", "db3")
    assert told(canary, three.node("db1"), Fleet(three, canaries(three, basin))) == []
    assert [len(token) for token in basin.tokens] == [16]


def test_a_row_that_does_not_arrive_within_the_bound_is_found(make_topology: Made) -> None:
    topology = make_topology(lag_bound_s=0.05)
    fleet = Fleet(topology, canaries(topology, Basin("db2")))
    assert told(canary, topology.node("db1"), fleet) == [("db3", "a row of db1 within 0.05 s", "no such row")]


@pytest.mark.parametrize("rows", [[], [channel(applier="OFF")], [channel(receiver="CONNECTING")]])
def test_what_does_not_replicate_is_passed_over_with_all_behind_it(
    make_topology: Made, rows: list[dict[str, Any]]
) -> None:
    topology = make_topology(CHAIN, lag_bound_s=0.05)
    fleet = Fleet(topology, canaries(topology, Basin(), db2=rows))
    assert told(canary, topology.node("db1"), fleet) == []


def test_who_does_not_answer_is_passed_over_and_the_others_are_asked(make_topology: Made) -> None:
    topology = make_topology(lag_bound_s=0.05)
    fleet = Fleet(topology, canaries(topology, Basin()), silent=["db2"])
    assert [node for node, _, _ in told(canary, topology.node("db1"), fleet)] == ["db3"]


def test_behind_a_relay_that_does_not_answer_nothing_is_asked(make_topology: Made) -> None:
    topology = make_topology(CHAIN, lag_bound_s=0.05)
    fleet = Fleet(topology, canaries(topology, Basin()), silent=["db2"])
    assert told(canary, topology.node("db1"), fleet) == []


def test_who_stops_answering_meanwhile_is_another_checks_finding_and_the_next_is_asked(make_topology: Made) -> None:
    topology = make_topology(lag_bound_s=0.05)
    answers = canaries(topology, Basin())
    answers["db2"][READ] = lambda _token: UnreachableError("db2", "gone")
    assert [node for node, _, _ in told(canary, topology.node("db1"), Fleet(topology, answers))] == ["db3"]


def test_the_bound_counts_from_the_write_for_every_replica(three: Topology, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([100.0, 102.0, 107.0])  # the write, and the turns of db2 and of db3
    budgets = []

    def wait(_what: str, look: Any, *, timeout_s: float, interval_s: float) -> None:  # noqa: ANN401
        assert look()
        assert interval_s <= 0.05, "a bound can be as short"
        budgets.append(timeout_s)

    monkeypatch.setattr(canary, "time", SimpleNamespace(monotonic=lambda: next(now)))
    monkeypatch.setattr(canary, "wait_until", wait)
    assert told(canary, three.node("db1"), Fleet(three, canaries(three, Basin("db2", "db3")))) == []
    assert budgets == [3.0, 0.0]


@pytest.mark.parametrize(("errno", "found"), [(1290, []), (1146, [("db1", "a source that takes a write")])])
def test_a_source_that_takes_no_write_is_found_unless_it_is_closed(
    three: Topology, errno: int, found: list[tuple[str, str]]
) -> None:
    answers = canaries(three, Basin("db2", "db3"))
    answers["db1"][WRITE] = lambda _token: mysql.connector.ProgrammingError(msg="refused", errno=errno)
    seen = told(canary, three.node("db1"), Fleet(three, answers))
    assert [each[:2] for each in seen] == found
    assert all("refused" in each[2] for each in seen)


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize(
    "rows", [[channel("db2", "db2")], [channel("db4", "db4", applier="OFF"), channel("db2", "db2")]]
)
@pytest.mark.parametrize("check", [applier_lag, end_to_end_lag])
def test_a_channel_that_does_not_run_is_not_asked_and_the_next_one_is(
    make_topology: Made,
    check: Any,  # noqa: ANN401 - a module
    rows: list[dict[str, Any]],
) -> None:
    hosts = {**CHAIN, "db4": {"server_id": 4, "replicates_from": "db1"}}
    topology = make_topology({**hosts, "db5": {"server_id": 5, "replicates_from": ["db4", "db2"]}})
    answers = {CHANNELS: rows, LAG: [{"hop_us": 9 * BOUND_US, "end_to_end_us": 9 * BOUND_US}]}
    fleet: Any = Fleet(topology, {"db5": answers})
    assert [found for _, _, found in told(check, topology.node("db5"), fleet)] == [f"{9 * BOUND_US} us"]
    (not_asked,) = [each for each in check.examine(topology.node("db5"), fleet) if isinstance(each, NotAsked)]
    assert "channel 'db4'" in not_asked.reason
