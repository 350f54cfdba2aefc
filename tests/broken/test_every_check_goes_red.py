"""A live topology is damaged; exactly the check that should see it does, and names the node.

Damages are mended by one more topology-up afterwards, which is a test of its own kind; where only a person
may decide what becomes of the data, the case says how it is undone.
"""

from collections.abc import Callable

import pytest
from busy import QUIET, BusySource
from commands import up
from damages import behind_its_back, expect_green, expect_red, instances
from wavetank.checks.asking import all_checks, ask, ask_all
from wavetank.servers.node import Servers
from wavetank.servers.replication import channels_of
from wavetank.waiting import wait_until


@pytest.mark.parametrize(
    ("module", "title"), [(name, title) for name, module in instances().items() for title in module.CASES]
)
def test_exactly_one_check_goes_red(module: str, title: str, damaged: Callable[[str], Servers]) -> None:
    servers, case = damaged(module), instances()[module].CASES[title]
    case.damage(servers)
    try:
        expect_red(ask_all(servers), case.check, case.node, case.consequence)
    finally:
        if case.undo:
            case.undo(servers)
        else:
            up(servers.topology.instance, REBUILD=case.rebuild)
    # Asked over the test's own connections, so that the next damage finds them whole.
    expect_green(servers)


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
    up(servers.topology.instance)


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
    expect_green(servers)


def test_a_fallback_to_asynchronous_is_noticed(semi_sync_servers: Servers) -> None:
    """The replica's receiver connects while semi-sync is off, which a later ON does not change."""
    replica = semi_sync_servers["db3"]
    replica.execute("STOP REPLICA", "SET GLOBAL rpl_semi_sync_replica_enabled = OFF", "START REPLICA")
    wait_until("the receiver", lambda: channels_of(replica)[""]["receiver"] == "ON", timeout_s=10)
    # Connected is not yet subscribed: a moment later it is, as an asynchronous one.
    replica.execute("DO SLEEP(2)", "SET GLOBAL rpl_semi_sync_replica_enabled = ON")
    report = ask_all(semi_sync_servers)
    assert {answer.check for answer in report.red} == {"semi_sync"}
    assert {"db1", "db3"} == {answer.node for answer in report.red}
    replica.execute("STOP REPLICA", "START REPLICA")
    expect_green(semi_sync_servers)


def test_every_check_has_been_seen_red() -> None:
    seen = {case.check for module in instances().values() for case in module.CASES.values()}
    seen |= {"applier_lag", "heartbeat", "semi_sync"}
    assert seen == set(all_checks())
