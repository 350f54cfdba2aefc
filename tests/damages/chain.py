"""A source, a relay and two leaves."""

from wavetank.machine import containers

from damages import Case, by_up, channel, one_after_the_other, sql

OPTIONS = {"TOPOLOGY": "chain"}
LANE = "chain"

CASES = {
    "a relay whose applier has stopped": Case(
        # Its leaves replicate all there is to replicate; the row that does not come is not theirs to explain.
        "replication_threads", "db2", sql("db2", "STOP REPLICA SQL_THREAD"),
    ),
    "a killed relay": Case(
        "reachable", "db2", lambda s: containers.kill(s.topology.container(s.topology.node("db2"))),
        frozenset({"heartbeat", "replication_threads"}), by_up(),
    ),
    "a relay that holds everything back": Case(
        # Its leaves follow it at once, and yet are as late as it is.
        "end_to_end_lag", "db3,db4",
        one_after_the_other(channel("db2", SOURCE_DELAY=8), sql("db1", "DO SLEEP(12)")),
        frozenset({"applier_lag", "canary", "channel_configuration", "heartbeat", "missing_transactions"}), by_up(),
    ),
    "a leaf behind the wrong server": Case(
        "channel_configuration", "db4", channel("db4", SOURCE_HOST="'db1'"), frozenset({"errant_transactions"}),
    ),
}  # fmt: skip

AT_ONCE = (("a leaf behind the wrong server", "a relay whose applier has stopped"),)
