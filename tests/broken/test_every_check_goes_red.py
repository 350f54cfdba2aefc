"""A live topology is damaged; exactly the check that should see it does, and names the node.

Every damage is mended by one more topology-up afterwards, which is a test of its own kind; where only a
person may decide what becomes of the data, the test says how it is mended.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from commands import up
from wavetank import containers
from wavetank.checks import Report, all_checks, ask_all
from wavetank.node import Servers
from wavetank.replication import channels_of
from wavetank.waiting import wait_until

Damage = Callable[[Servers], None]


def sql(node: str, *statements: str) -> Damage:
    """Run statements on one server."""
    return lambda servers: servers[node].execute(*statements)


def behind_its_back(node: str, *statements: str) -> Damage:
    """Run statements on a closed replica, open for that moment, without a trace in its binary log."""
    return sql(
        node, "SET GLOBAL super_read_only = OFF", "SET sql_log_bin = OFF", *statements, "SET sql_log_bin = ON",
        "SET GLOBAL super_read_only = ON",
    )  # fmt: skip


def channel(node: str, **options: str | int) -> Damage:
    """Change the node's default channel."""
    change = ", ".join(f"{name} = {value}" for name, value in options.items())
    return sql(node, "STOP REPLICA", f"CHANGE REPLICATION SOURCE TO {change}", "START REPLICA")


def filtered(node: str, table: str) -> Damage:
    """Let the node's applier leave a table out."""
    return sql(
        node, "STOP REPLICA SQL_THREAD", f"CHANGE REPLICATION FILTER REPLICATE_IGNORE_TABLE = ({table})",
        "START REPLICA SQL_THREAD",
    )  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A damage, the one check that must see it, the node it must name, and what one more up does."""

    check: str
    node: str
    damage: Damage
    # What follows from the damage by itself, and so may be red too.
    consequence: frozenset[str] = frozenset()
    undo: Damage | None = None
    rebuild: str = ""


CASES = {
    "a killed replica": Case(
        "reachable", "db3", lambda s: containers.kill(s.topology.container(s.topology.node("db3")))
    ),
    "a removed replica": Case(
        "reachable", "db2", lambda s: containers.remove(s.topology.container(s.topology.node("db2")))
    ),
    "a frozen replica": Case(
        "reachable", "db2", lambda s: containers.pause(s.topology.container(s.topology.node("db2")))
    ),
    "sync_binlog set by hand": Case("settings", "db2", sql("db2", "SET GLOBAL sync_binlog = 0")),
    "binlog_format set by hand": Case("settings", "db1", sql("db1", "SET GLOBAL binlog_format = 'STATEMENT'")),
    "flush at commit set by hand": Case(
        "settings", "db3", sql("db3", "SET GLOBAL innodb_flush_log_at_trx_commit = 2")
    ),
    "another server's id": Case(
        # Its receiver takes what comes from the source for its own, and leaves it out.
        "server_id", "db2", sql("db2", "SET GLOBAL server_id = 1"), frozenset({"canary", "missing_transactions"}),
    ),
    "transactions left out": Case(
        # As above, but over by now: three heartbeats are missing, and nothing else is wrong.
        "missing_transactions", "db3",
        sql("db3", "SET GLOBAL server_id = 1", "DO SLEEP(3)", "SET GLOBAL server_id = 3", "DO SLEEP(2)"),
    ),
    "an open replica": Case("writable", "db3", sql("db3", "SET GLOBAL super_read_only = OFF")),
    "a replica open to all": Case("writable", "db2", sql("db2", "SET GLOBAL read_only = OFF")),
    "a closed source": Case("writable", "db1", sql("db1", "SET GLOBAL super_read_only = ON")),
    "a stopped applier": Case("replication_threads", "db2", sql("db2", "STOP REPLICA SQL_THREAD")),
    "a stopped receiver": Case("replication_threads", "db3", sql("db3", "STOP REPLICA IO_THREAD")),
    "a forgotten channel": Case(
        "replication_threads", "db3", sql("db3", "STOP REPLICA", "RESET REPLICA ALL"),
    ),
    "a channel nobody declared": Case(
        "replication_threads", "db2",
        sql("db2", "CHANGE REPLICATION SOURCE TO SOURCE_HOST = 'db3', SOURCE_AUTO_POSITION = 1 FOR CHANNEL 'stray'"),
    ),
    "an identity not verified": Case(
        "channel_configuration", "db2", channel("db2", SOURCE_SSL_VERIFY_SERVER_CERT=0)
    ),
    "no auto-position": Case("channel_configuration", "db3", channel("db3", SOURCE_AUTO_POSITION=0)),
    "the wrong source": Case("channel_configuration", "db3", channel("db3", SOURCE_HOST="'db2'")),
    "a channel without TLS": Case(
        # The source refuses it, so the receiver cannot run either.
        "channel_configuration", "db2", channel("db2", SOURCE_SSL=0), frozenset({"replication_threads"}),
    ),
    "an errant transaction": Case(
        "errant_transactions", "db2",
        sql("db2", "SET GLOBAL super_read_only = OFF", "CREATE SCHEMA errant", "SET GLOBAL super_read_only = ON"),
        rebuild="db2",
    ),
    "a lost row": Case(
        "data_equal", "db3", behind_its_back("db3", "DELETE FROM shop.proof WHERE id = 2"), rebuild="db3",
    ),
    "a changed value": Case(
        "data_equal", "db2", behind_its_back("db2", "UPDATE shop.proof SET word = '' WHERE id = 3"), rebuild="db2",
    ),
    "a table on one side only": Case(
        "data_equal", "db2", behind_its_back("db2", "CREATE TABLE shop.extra (id INT PRIMARY KEY)"),
        undo=behind_its_back("db2", "DROP TABLE shop.extra"),
    ),
    "a canary that does not arrive": Case(
        "canary", "db3", filtered("db3", "wavetank.canary"), undo=filtered("db3", ""),
    ),
    "an account without TLS": Case(
        "accounts", "db1", sql("db1", "SET sql_log_bin = OFF", "CREATE USER intruder IDENTIFIED BY 'x' REQUIRE NONE"),
        undo=sql("db1", "SET sql_log_bin = OFF", "DROP USER intruder"),
    ),
    "an account without a password": Case(
        "accounts", "db1", sql("db1", "SET sql_log_bin = OFF", "CREATE USER intruder REQUIRE SSL"),
        undo=sql("db1", "SET sql_log_bin = OFF", "DROP USER intruder"),
    ),
    "an account that is gone": Case("accounts", "db2", behind_its_back("db2", "DROP USER app_ro")),
    "a password set by hand": Case(
        "accounts", "db1", sql("db1", "SET sql_log_bin = OFF", "ALTER USER app_rw IDENTIFIED BY 'other'"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("title", CASES)
def test_exactly_one_check_goes_red(title: str, servers: Servers) -> None:
    case = CASES[title]
    expect_green(servers)
    case.damage(servers)
    try:
        expect_red(ask_all(servers), case.check, case.node, case.consequence)
    finally:
        if case.undo:
            case.undo(servers)
        up(servers.topology.instance, REBUILD=case.rebuild)
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
    seen = {case.check for case in CASES.values()} | {"applier_lag", "heartbeat", "semi_sync"}
    assert seen == set(all_checks())


def expect_red(report: Report, check: str, node: str, consequence: frozenset[str]) -> None:
    """Fail unless `check` is red for `node`, and nothing is red that need not be."""
    found = {
        (answer.check, finding.node)
        for answer in report.red
        for finding in answer.findings
        if answer.check not in consequence
    }
    assert found == {(check, node)}, "\n".join(report.lines())
    assert any(f" {node}: {check}: expected " in line for line in report.lines())


def expect_green(servers: Servers) -> None:
    """Fail where anything is wrong before, or still wrong after, a damage."""
    report = ask_all(servers)
    assert report.green, "\n".join(report.lines())
