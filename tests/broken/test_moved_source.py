"""The source is moved by hand behind ProxySQL, under writes: each succeeds or fails clearly, none is misled."""

import itertools
import re
import time

import pytest
from commands import up
from damages import lane_of
from traffic import Traffic, say
from wavetank.servers.node import Server, Servers
from wavetank.servers.replication import mend_channels
from wavetank.topology.model import Channel
from wavetank.waiting import wait_until

pytestmark = pytest.mark.group(lane_of("proxysql"))
FIRST_ROW = 1_000
WITHOUT_WRITER_S = 10.0
EXECUTED = "SELECT @@GLOBAL.gtid_executed"
# The old source is closed already; or nobody takes writes, and ProxySQL has waited as long as it may.
CLEAR = re.compile(r"1290 .*read-only|9001 .*Max connect timeout reached while reaching hostgroup 10")


def write(number: int) -> str:
    return f"REPLACE INTO wavetank.routed SELECT {FIRST_ROW + number}, @@server_uuid, 'moved'"


def own_transactions(server: Server) -> str:
    """Return the GTID set of what was first written on this very server."""
    uuid = server.value("SELECT @@server_uuid")
    sets = [part.strip() for part in server.value(EXECUTED).split(",")]
    return next((each for each in sets if each.startswith(uuid)), "")


def move(servers: Servers, old: str, new: str, others: list[str]) -> None:
    """Close the old source, let the new one catch up, open it, and point everybody at it."""
    servers[old].execute("SET GLOBAL super_read_only = ON")
    executed = servers[old].value(EXECUTED)
    servers[new].value("SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, 10)", [executed], account="admin")
    servers[new].execute("STOP REPLICA", "RESET REPLICA ALL", "SET GLOBAL read_only = OFF")
    for replica in (old, *others):
        mend_channels(servers[replica], [Channel("", new)], servers.instance.password("replication"))


def test_no_write_lands_on_the_old_source(proxied: Servers, through: Server) -> None:
    old, new = (str(proxied[name].value("SELECT @@server_uuid")) for name in ("db1", "db2"))
    with Traffic(through, write) as traffic:
        wait_until("writes", lambda: len(traffic.samples), good=lambda count: count > 50, timeout_s=10)
        moment = time.monotonic()
        move(proxied, "db1", "db2", ["db3"])
        closed_at = own_transactions(proxied["db1"])
        traffic.wait_for_first(moment, "", WITHOUT_WRITER_S)
        errors = traffic.errors(moment)
        wait_until(
            "more writes", lambda: len(list(traffic.since(moment))) - len(errors), good=lambda n: n > 50, timeout_s=20
        )
    good = [sample for sample in traffic.samples if not sample.error]
    gap_s = max(after.ended - before.ended for before, after in itertools.pairwise(good))
    kinds = sorted({error[:40] for error in errors})
    say("moved source", without_writer=gap_s, failed=len(errors), longest=traffic.longest(moment))
    assert gap_s < WITHOUT_WRITER_S
    assert [error for error in errors if not CLEAR.search(error)] == [], kinds
    # Every acknowledged write is on the new source, and nothing was written on the old one once it was closed.
    rows = proxied["db2"].query("SELECT id, server_uuid FROM wavetank.routed WHERE word = 'moved'")
    written = {row["id"]: row["server_uuid"] for row in rows}
    assert {FIRST_ROW + at for at, sample in enumerate(traffic.samples) if not sample.error} <= written.keys()
    assert set(written.values()) == {old, new}
    assert own_transactions(proxied["db1"]) == closed_at
    proxied["db2"].execute("DELETE FROM wavetank.routed WHERE word = 'moved'")
    proxied["db1"].value("SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, 10)", [proxied["db2"].value(EXECUTED)], account="admin")
    # Nobody has recorded that it moved: it moves back.
    up(proxied.topology.instance)
    assert not proxied["db1"].value("SELECT @@GLOBAL.read_only")
