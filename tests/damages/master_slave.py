"""A source and two replicas, asynchronous: what holds for every topology."""

import time

from wavetank.machine import containers
from wavetank.sharding import xa

from damages import Case, Damage, behind_its_back, by_up, channel, sql

OPTIONS = {"TOPOLOGY": "master-slave"}
LANE = "master-slave"
MORE = (
    "DROP TABLE IF EXISTS shop.keyless, shop.named",
    # Without a key, rows are told apart by nothing but what is in them.
    "CREATE TABLE shop.keyless (one VARCHAR(20), other VARCHAR(20), ratio FLOAT)",
    "INSERT INTO shop.keyless VALUES ('a', 'a', 1), ('a', 'a', 1), ('b', 'b', 1)",
    "INSERT INTO shop.keyless VALUES ('c#d', 'e', 1), ('f', 'f', 16777216)",
    "CREATE TABLE shop.named (one VARCHAR(20), other VARCHAR(20), word VARCHAR(20), PRIMARY KEY (one, other))",
    "INSERT INTO shop.named VALUES ('a#b', 'c', 'x'), ('a', 'b#c', 'y')",
)


def filtered(node: str, table: str) -> Damage:
    """Let the node's applier leave a table out."""
    return sql(
        node, "STOP REPLICA SQL_THREAD", f"CHANGE REPLICATION FILTER REPLICATE_IGNORE_TABLE = ({table})",
        "START REPLICA SQL_THREAD",
    )  # fmt: skip


EXCHANGE = behind_its_back("db3", "UPDATE shop.named SET word = IF(word = 'x', 'y', 'x')")
# By its name an hour old.
GTRID = f"wt-{int((time.time() - 3600) * 1000)}-{16 * 'a'}"
BRANCH = xa.Branch(GTRID, 1).xid

CASES = {
    "a transaction that nobody ends": Case(
        "in_doubt_transactions", "db1",
        sql("db1", f"XA START {BRANCH}", "INSERT INTO shop.proof VALUES (99, 'half')", f"XA END {BRANCH}",
            f"XA PREPARE {BRANCH}"),
        undo=sql("db1", f"XA ROLLBACK {BRANCH}"),
    ),
    "a killed replica": Case(
        "reachable", "db3", lambda s: containers.kill(s.topology.container(s.topology.node("db3")))
    ),
    "a removed replica": Case(
        "reachable", "db2", lambda s: containers.remove(s.topology.container(s.topology.node("db2"))), undo=by_up()
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
        undo=by_up(rebuild="db2"),
    ),
    "a lost row": Case(
        "data_equal", "db3", behind_its_back("db3", "DELETE FROM shop.proof WHERE id = 2"),
        undo=by_up(rebuild="db3"),
    ),
    "a changed value": Case(
        "data_equal", "db2", behind_its_back("db2", "UPDATE shop.proof SET word = '' WHERE id = 3"),
        undo=behind_its_back("db2", "UPDATE shop.proof SET word = NULL WHERE id = 3"),
    ),
    "a pair of equal rows for another": Case(
        # Chosen so that a CRC32 of either ends in the same six bits.
        "data_equal", "db2",
        behind_its_back("db2", "UPDATE shop.keyless SET one = 'ck', other = 'ck' WHERE one = 'a'"),
        undo=behind_its_back("db2", "UPDATE shop.keyless SET one = 'a', other = 'a' WHERE one = 'ck'"),
    ),
    "a separator that moved between columns": Case(
        "data_equal", "db3",
        behind_its_back("db3", "UPDATE shop.keyless SET one = 'c', other = 'd#e' WHERE one = 'c#d'"),
        undo=behind_its_back("db3", "UPDATE shop.keyless SET one = 'c#d', other = 'e' WHERE one = 'c'"),
    ),
    "a digit that a FLOAT has and does not print": Case(
        "data_equal", "db2",
        behind_its_back("db2", "UPDATE shop.keyless SET ratio = 16777218 WHERE one = 'f'"),
        undo=behind_its_back("db2", "UPDATE shop.keyless SET ratio = 16777216 WHERE one = 'f'"),
    ),
    "values that two rows have exchanged": Case(
        "data_equal", "db3", EXCHANGE, undo=EXCHANGE,
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

AT_ONCE = (
    (
        "binlog_format set by hand", "a password set by hand", "a closed source", "sync_binlog set by hand",
        "an account that is gone", "a replica open to all", "a channel nobody declared", "flush at commit set by hand",
        "an open replica", "no auto-position", "a stopped receiver",
    ),
    ("a killed replica", "a removed replica"),
    ("a frozen replica", "a forgotten channel"),
    ("another server's id", "transactions left out"),
    ("an identity not verified", "a channel without TLS", "a stopped applier", "the wrong source"),
)  # fmt: skip
