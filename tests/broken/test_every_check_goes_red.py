"""A live topology is damaged; exactly the check that should see it does, and names the node.

Each is undone by what broke it, or as its case says; then many are done at once, and one topology-up mends them all.
"""

from collections.abc import Callable

import pytest
from busy import QUIET, BusySource
from commands import up
from damages import behind_its_back, expect_green, expect_red, instances, lane_of
from mending import wait_for_green
from wavetank.checks.asking import all_checks, ask, ask_all
from wavetank.servers.node import Servers
from wavetank.servers.replication import channels_of
from wavetank.topology.instance import Instance
from wavetank.waiting import wait_until

plain = pytest.mark.group(lane_of("master_slave"))


def in_lane(module: str, of: object, title: str) -> pytest.ParameterSet:
    """Return a case of a module of damages, in the group of all that use its instance."""
    return pytest.param(module, of, id=f"{module}-{title}", marks=pytest.mark.group(lane_of(module)))


@pytest.mark.parametrize(
    ("module", "title"),
    [in_lane(name, title, title) for name, module in instances().items() for title in module.CASES],
)
def test_exactly_one_check_goes_red(module: str, title: str, damaged: Callable[[str], Servers]) -> None:
    servers, case = damaged(module), instances()[module].CASES[title]
    case.damage(servers)
    try:
        expect_red(ask_all(servers), case.check, case.node, case.consequence)
    finally:
        case.undo(servers)
    # Asked over the test's own connections, so that the next damage finds them whole.
    wait_for_green(servers)


@pytest.mark.parametrize(
    ("module", "titles"),
    [
        in_lane(name, titles, ", ".join(titles))
        for name, module in instances().items()
        for titles in getattr(module, "AT_ONCE", ())
    ],
)
def test_one_more_up_mends_all_at_once(module: str, titles: tuple[str, ...], damaged: Callable[[str], Servers]) -> None:
    servers = damaged(module)
    for title in titles:
        instances()[module].CASES[title].damage(servers)
    up(servers.topology.instance)
    expect_green(servers)


@plain
def test_a_held_applier_is_seen_as_lag(servers: Servers) -> None:
    """A replica that cannot apply is late by everybody's clock: canary and heartbeat say so as well."""
    expect_green(servers)
    bound_s = servers.topology.lag_bound_s
    with servers["db2"].connection("admin") as held, held.cursor() as cursor:
        cursor.execute("FLUSH TABLES WITH READ LOCK")
        cursor.execute("DO SLEEP(%s)", (bound_s + 1,))
        report = ask_all(servers)
        cursor.execute("UNLOCK TABLES")
    expect_red(report, "applier_lag", "db2", frozenset({"canary", "heartbeat", "missing_transactions"}))
    wait_for_green(servers)


@plain
def test_a_busy_source_is_neither_held_up_nor_accused_and_what_differs_is_found(servers: Servers) -> None:
    """Data is compared while sessions write, some of them the same rows to and fro, and others on end."""
    expect_green(servers)
    replica = servers.topology.node("db2")
    with BusySource(servers["db1"]) as source:
        calm = [ask("data_equal", replica, servers) for _ in range(4)]
        behind_its_back(
            "db2",
            f"UPDATE busy.counted SET n = -1 WHERE id = {QUIET}",
            f"DELETE FROM busy.named WHERE code = 'code {QUIET}'",
            f"UPDATE busy.keyless SET n = -1 WHERE owner = {QUIET} LIMIT 1",
        )(servers)
        damaged = ask("data_equal", replica, servers)
        # A comparison that locks rows makes a session wait several times each.
        assert source.waits < len(calm)
    assert source.refused == []
    assert min(source.written) > 50
    assert {(answer.findings, answer.unanswered, answer.not_asked) for answer in calm} == {((), "", ())}
    tables = sorted(finding.expected.split(": ")[1] for finding in damaged.findings)
    assert tables == ["`busy`.`counted`", "`busy`.`keyless`, which has no key to name rows by", "`busy`.`named`"]
    assert any(f"by primary key code {QUIET}:" in finding.expected for finding in damaged.findings)
    expect_green(servers)


@plain
def test_a_silent_heart_is_noticed(servers: Servers) -> None:
    """The event is disabled on the source, so that no server hears a beat; nothing else is wrong."""
    servers["db1"].execute("SET sql_log_bin = OFF", "ALTER EVENT wavetank.heartbeat DISABLE")
    servers["db1"].execute(f"DO SLEEP({servers.topology.lag_bound_s + 1})")
    try:
        report = ask_all(servers)
        assert {answer.check for answer in report.red} == {"heartbeat"}
        assert "db1" in {answer.node for answer in report.red}
    finally:
        servers["db1"].execute("SET sql_log_bin = OFF", "ALTER EVENT wavetank.heartbeat ENABLE")
    wait_for_green(servers)


@pytest.mark.group("change")
def test_a_fallback_to_asynchronous_is_noticed(changing: str) -> None:
    """The replica's receiver connects while semi-sync is off, which a later ON does not change."""
    with Servers(Instance(changing).topology()) as servers:
        (source,), (node, *_) = servers.topology.sources, servers.topology.replicas
        replica = servers[node.name]
        expect_green(servers)
        replica.execute("STOP REPLICA", "SET GLOBAL rpl_semi_sync_replica_enabled = OFF", "START REPLICA")
        wait_until("the receiver", lambda: channels_of(replica)[""]["receiver"] == "ON", timeout_s=10)
        # Connected is not yet subscribed: a moment later it is, as an asynchronous one.
        replica.execute("DO SLEEP(2)", "SET GLOBAL rpl_semi_sync_replica_enabled = ON")
        report = ask_all(servers)
        assert {answer.check for answer in report.red} == {"semi_sync"}
        assert {answer.node for answer in report.red} == {source.name, node.name}
        replica.execute("STOP REPLICA", "START REPLICA")
        wait_for_green(servers)


def test_every_check_has_been_seen_red() -> None:
    seen = {case.check for module in instances().values() for case in module.CASES.values()}
    seen |= {"applier_lag", "heartbeat", "semi_sync"}
    assert seen == set(all_checks())
