"""An applier that stops at a row is reported with that row, as it is on both sides."""

from collections.abc import Callable, Iterator

import pytest
from damages import expect_green, lane_of
from mending import wait_for_green
from wavetank.checks.asking import ask_all
from wavetank.servers.node import Server, Servers
from wavetank.servers.replication import channels_of
from wavetank.waiting import wait_until

pytestmark = pytest.mark.group(lane_of("peers"))


def unseen(server: Server, *statements: str) -> None:
    """Run statements without a trace in the server's binary log."""
    server.execute("SET sql_log_bin = OFF", *statements, "SET sql_log_bin = ON")


@pytest.fixture
def pair(damaged: Callable[[str], Servers]) -> Iterator[Servers]:
    """Two sources, the second of which holds other rows than the first knows of."""
    servers = damaged("peers")
    expect_green(servers)
    yield servers
    unseen(
        servers["db2"],
        "REPLACE INTO shop.proof VALUES (2, 'two')",
        "DELETE FROM shop.proof WHERE id > 3",
        "START REPLICA",
    )
    servers["db1"].execute("UPDATE shop.proof SET word = 'two' WHERE id = 2", "DELETE FROM shop.proof WHERE id > 3")
    wait_until("the applier", lambda: channels_of(servers["db2"])[""]["applier"] == "ON", timeout_s=10)
    wait_for_green(servers)


def stopped(servers: Servers, server: Server) -> str:
    """Return what the check says of a server's applier, once that has stopped."""
    wait_until("the applier to stop", lambda: channels_of(server)[""]["applier"] == "OFF", timeout_s=10)
    report = ask_all(servers, ["reachable", "replication_threads"])
    return "\n".join(line for line in report.lines() if f" {server.name}: " in line)


def test_a_row_that_is_not_there(pair: Servers) -> None:
    unseen(pair["db2"], "DELETE FROM shop.proof WHERE id = 2")
    # Others of the same transaction are there, and are not what it stopped at.
    pair["db1"].execute("UPDATE shop.proof SET word = CONCAT(word, '!') WHERE id IN (1, 2)")
    line = stopped(pair, pair["db2"])
    assert "error 1032" in line
    assert "the row: shop.proof: updated on db1 id=2, word=two!; here no such row" in line
    unseen(pair["db1"], "UPDATE shop.proof SET word = 'one' WHERE id = 1")
    unseen(pair["db2"], "INSERT INTO shop.proof VALUES (2, 'two')", "START REPLICA")
    wait_until("the row", lambda: word(pair["db2"], 1) == "one!", timeout_s=10)
    unseen(pair["db2"], "UPDATE shop.proof SET word = 'one' WHERE id = 1")


def word(server: Server, id_: int) -> str:
    return str(server.value("SELECT word FROM shop.proof WHERE id = %s", [id_], account="admin"))


def test_a_key_that_is_taken(pair: Servers) -> None:
    unseen(pair["db2"], "INSERT INTO shop.proof VALUES (8, 'mine')")
    pair["db1"].execute("INSERT INTO shop.proof VALUES (7, 'free'), (8, 'yours')")
    line = stopped(pair, pair["db2"])
    assert "error 1062" in line
    assert "the row: shop.proof: inserted on db1 id=8, word=yours; here id=8, word=mine" in line
    unseen(pair["db2"], "DELETE FROM shop.proof WHERE id = 8")
