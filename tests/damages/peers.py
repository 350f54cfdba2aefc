"""Two sources that replicate from each other."""

from wavetank.machine import containers

from damages import Case, by_up, one_after_the_other, sql

OPTIONS = {"TOPOLOGY": "master-master"}
LANE = "master-master"

# The other one cannot connect any more, and says so.
ALONE = frozenset({"replication_threads"})

CASES = {
    "a killed source": Case(
        "reachable", "db2", lambda s: containers.kill(s.topology.container(s.topology.node("db2"))), ALONE
    ),
    "a removed source": Case(
        "reachable", "db1", lambda s: containers.remove(s.topology.container(s.topology.node("db1"))), ALONE,
        by_up(),
    ),
    "an increment for one source": Case(
        "auto_increment", "db1", sql("db1", "SET GLOBAL auto_increment_increment = 1")
    ),
    "the other's offset": Case("auto_increment", "db2", sql("db2", "SET GLOBAL auto_increment_offset = 1")),
    "transactions that come back": Case(
        # What db1 writes under another id comes to it as somebody else's, once it has its own id again.
        "replication_loop", "db1",
        one_after_the_other(
            sql("db2", "STOP REPLICA SQL_THREAD"),
            sql("db1", "SET GLOBAL server_id = 99", "DO SLEEP(2)", "SET GLOBAL server_id = 1"),
            sql("db2", "START REPLICA SQL_THREAD", "DO SLEEP(1)"),
        ),
    ),
    "a change that only one source has": Case(
        "data_equal", "db2", sql("db1", "SET sql_log_bin = OFF", "UPDATE shop.proof SET word = 'uno' WHERE id = 1"),
        undo=sql("db1", "SET sql_log_bin = OFF", "UPDATE shop.proof SET word = 'one' WHERE id = 1"),
    ),
    "one direction that has stopped": Case("replication_threads", "db1", sql("db1", "STOP REPLICA SQL_THREAD")),
    "a closed source among several": Case("writable", "db2", sql("db2", "SET GLOBAL super_read_only = ON")),
}  # fmt: skip

AT_ONCE = (
    (
        "transactions that come back", "an increment for one source", "the other's offset",
        "a closed source among several",
    ),
    ("one direction that has stopped", "a killed source"),
)  # fmt: skip
