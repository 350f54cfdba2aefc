"""Behind ProxySQL, replicas lag, die, freeze and come back, and reads go on; the times are those of the page.

docs/topologies/proxysql.md has each bound beside what was measured; `pytest -rP` shows what is measured here.
"""

import time

import pytest
from damages import lane_of
from traffic import Traffic, say
from wavetank.machine import containers
from wavetank.servers.node import Server, Servers

pytestmark = pytest.mark.group(lane_of("proxysql"))
# How long after the event a replica may still be asked, and how long after its end it may still be left out. In
# seconds; twice what the thresholds in group_vars come to, since this machine may be busy.
KILLED_OUT_S, KILLED_IN_S = 6.0, 15.0
FROZEN_OUT_S, FROZEN_IN_S = 10.0, 10.0
LAGGING_OUT_S, LAGGING_IN_S = 14.0, 8.0
SILENT_OUT_S, SILENT_IN_S = 16.0, 10.0
LONGEST_READ_S = 6.0


def uuid(servers: Servers, name: str) -> str:
    return str(servers[name].value("SELECT @@server_uuid"))


def test_a_killed_replica_is_out_and_in_again(proxied: Servers, through: Server) -> None:
    container, lost = proxied.topology.container(proxied.topology.node("db3")), uuid(proxied, "db3")
    with Traffic(through) as traffic:
        traffic.wait_for_first(0, lost, 5)
        moment = time.monotonic()
        containers.kill(container)
        out_s = traffic.wait_for_quiet(moment, lost, KILLED_OUT_S)
        errors = traffic.errors(moment)
        back = time.monotonic()
        containers.restart(container)
        in_s = traffic.wait_for_first(back, lost, KILLED_IN_S)
    say("killed replica", out=out_s, back=in_s, errors=len(errors), longest=traffic.longest(moment))
    assert out_s < KILLED_OUT_S
    assert len(errors) <= 1, errors
    assert traffic.longest(moment) < LONGEST_READ_S


def test_a_frozen_replica_is_out_and_in_again(proxied: Servers, through: Server) -> None:
    container, lost = proxied.topology.container(proxied.topology.node("db3")), uuid(proxied, "db3")
    with Traffic(through) as traffic:
        traffic.wait_for_first(0, lost, 5)
        moment = time.monotonic()
        containers.pause(container)
        try:
            out_s = traffic.wait_for_quiet(moment, lost, FROZEN_OUT_S)
            errors = traffic.errors(moment)
        finally:
            back = time.monotonic()
            containers.unpause(container)
        in_s = traffic.wait_for_first(back, lost, FROZEN_IN_S)
    say("frozen replica", out=out_s, back=in_s, errors=len(errors), longest=traffic.longest(moment))
    assert out_s < FROZEN_OUT_S
    assert len(errors) <= 1, errors
    assert traffic.longest(moment) < LONGEST_READ_S


def test_a_lagging_replica_is_out_and_in_again(proxied: Servers, through: Server) -> None:
    late = uuid(proxied, "db2")
    with Traffic(through) as traffic:
        traffic.wait_for_first(0, late, 5)
        moment = time.monotonic()
        proxied["db2"].execute("STOP REPLICA SQL_THREAD")
        # Within its bound it may well answer seldom enough to look quiet.
        proxied["db1"].execute(f"DO SLEEP({proxied.topology.lag_bound_s})")
        out_s = traffic.wait_for_quiet(moment, late, LAGGING_OUT_S)
        back = time.monotonic()
        proxied["db2"].execute("START REPLICA SQL_THREAD")
        in_s = traffic.wait_for_first(back, late, LAGGING_IN_S)
    say("lagging replica", out=out_s, back=in_s, longest=traffic.longest(moment))
    assert proxied.topology.lag_bound_s < out_s < LAGGING_OUT_S
    assert traffic.errors(moment) == []


def test_a_silent_heart_sends_the_reads_to_the_source(proxied: Servers, through: Server) -> None:
    source, replicas = uuid(proxied, "db1"), [uuid(proxied, name) for name in ("db2", "db3")]
    with Traffic(through) as traffic:
        moment = time.monotonic()
        proxied["db1"].execute("SET sql_log_bin = OFF", "ALTER EVENT wavetank.heartbeat DISABLE")
        try:
            out_s = traffic.wait_for_first(moment, source, SILENT_OUT_S)
            last_s = max(traffic.wait_for_quiet(moment, replica, SILENT_OUT_S) for replica in replicas)
        finally:
            back = time.monotonic()
            proxied["db1"].execute("SET sql_log_bin = OFF", "ALTER EVENT wavetank.heartbeat ENABLE")
        in_s = max(traffic.wait_for_first(back, replica, SILENT_IN_S) for replica in replicas)
    say("silent heart", out=out_s, last=last_s, back=in_s, longest=traffic.longest(moment))
    assert traffic.errors(moment) == []
    assert traffic.longest(moment) < 1


def test_without_any_replica_the_source_reads(proxied: Servers, through: Server) -> None:
    source = uuid(proxied, "db1")
    with Traffic(through) as traffic:
        traffic.wait_for_first(0, uuid(proxied, "db2"), 5)
        moment = time.monotonic()
        for name in ("db2", "db3"):
            containers.kill(proxied.topology.container(proxied.topology.node(name)))
        out_s = traffic.wait_for_first(moment, source, KILLED_OUT_S)
        quiet_s = traffic.wait_for_quiet(moment, "nobody", KILLED_OUT_S)
    errors = traffic.errors(moment)
    say("no replica", out=out_s, last_error=quiet_s, errors=len(errors), longest=traffic.longest(moment))
    assert len(errors) <= 2, errors
