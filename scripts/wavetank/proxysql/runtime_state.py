"""How a ProxySQL is at this moment: whether it takes clients, and what it and its monitor think of the servers."""

import contextlib
from collections.abc import Iterator

from wavetank.machine import containers
from wavetank.machine.containers import refuse_if_dead
from wavetank.proxysql.accounts import APP_ACCOUNTS
from wavetank.servers.node import Row, Servers, query_on
from wavetank.topology.hostgroups import pairs_of
from wavetank.topology.proxies import ADMIN, Proxy
from wavetank.waiting import wait_until

START_TIMEOUT_S = 30.0
STARTS_AGAIN = 2
# The monitor's logs, and what each calls its errors.
_LOGS = {"connect": "connect_error", "ping": "ping_error", "read_only": "error", "replication_lag": "error"}
# The newest word on each server: SQLite takes the other columns from the row of the maximum.
_NEWEST = "SELECT hostname, {error} AS error, MAX(time_start_us) FROM monitor.mysql_server_{log}_log GROUP BY hostname"


def wait_for_proxysql(servers: Servers, proxy: Proxy) -> None:
    """Wait until a ProxySQL can be administered and takes clients, which it does when its start is over.

    One that crashes as it starts is started again: it can signal a loop that does not run yet, and in the foreground
    it has no angel process (https://github.com/sysown/proxysql/issues/3233).

    Raises:
        UsageError: its container has exited, or it did not answer in time.
    """
    container = servers.topology.container(proxy)
    again = iter(range(STARTS_AGAIN))

    def look() -> bool:
        if servers[proxy.side].greets() and servers[proxy.name].greets():
            return True
        if containers.has_crashed(container) and next(again, None) is not None:
            containers.start(container)
            return False
        return refuse_if_dead(proxy.name, container)

    wait_until(
        f"{proxy.name} to accept connections",
        look,
        timeout_s=START_TIMEOUT_S,
        interval_s=0.05,
        hint=f"docker logs {container}",
    )


def server_states(servers: Servers, proxy: Proxy) -> list[Row]:
    """Return hostgroup_id, hostname and status of every server at runtime, as they are when statements come.

    A server that was shunned for its errors is tried again when somebody wants to read, and not before.

    Raises:
        UnreachableError: nobody can read now.
    """
    for pair in pairs_of(servers.topology, proxy):
        # A session of its own: one that is kept may stay with the one server that it has met.
        session = servers[proxy.name].connect(APP_ACCOUNTS[0], database=pair.schema)
        with contextlib.closing(session) as connection:
            query_on(connection, "SELECT 1", node=proxy.name)
    return servers[proxy.side].query("SELECT hostgroup_id, hostname, status FROM runtime_mysql_servers", account=ADMIN)


def monitor_errors(servers: Servers, proxy: Proxy) -> Iterator[tuple[str, str, str]]:
    """Yield log, hostname and error of each server that the monitor complained about when it last looked."""
    for log, error in _LOGS.items():
        for row in servers[proxy.side].query(_NEWEST.format(log=log, error=error), account=ADMIN):
            if row["error"]:
                yield log, row["hostname"], row["error"]
