"""Give proxies the time to see what the servers have become; verification judges then."""

import contextlib

from wavetank.errors import UnreachableError, UsageError
from wavetank.machine import containers
from wavetank.proxysql.runtime_state import monitor_errors, server_states
from wavetank.servers.accounts import APP_ACCOUNT
from wavetank.servers.node import Servers, StatementError
from wavetank.threads import side_by_side
from wavetank.topology.hostgroups import pairs_of
from wavetank.topology.proxies import ADMIN, PROXYSQL, Proxy
from wavetank.waiting import wait_until

SETTLE_TIMEOUT_S = 15.0
# SQLite takes the other columns from the row of the maximum.
_LAGS = "SELECT hostname, repl_lag, MAX(time_start_us) FROM monitor.mysql_server_replication_lag_log GROUP BY hostname"


def wait_for_proxies(servers: Servers) -> None:
    """Wait until every proxy sends statements to all its servers, or the time is up."""
    proxies = servers.topology.proxies

    def wait_for(proxy: Proxy) -> None:
        settled = _sees_all if proxy.kind == PROXYSQL else _leads_on
        container = servers.topology.container(proxy)
        with contextlib.suppress(UsageError):
            wait_until(
                f"{proxy.name} to see its servers",
                lambda: settled(proxy, servers) or not containers.is_running(container),
                timeout_s=SETTLE_TIMEOUT_S,
                interval_s=0.1,
            )

    side_by_side(wait_for, proxies)


def _sees_all(proxy: Proxy, servers: Servers) -> bool:
    with contextlib.suppress(UnreachableError, StatementError):
        states = server_states(servers, proxy)
        groups = {row["hostgroup_id"] for row in states}
        writers = {str(pair.writer) for pair in pairs_of(servers.topology, proxy)}
        seen = writers <= groups and all(row["status"] == "ONLINE" for row in states)
        # Before its first beat a replica counts as late, and is shunned once the monitor asks.
        lags = {row["hostname"]: row["repl_lag"] for row in servers[proxy.side].query(_LAGS, account=ADMIN)}
        on_time = all(lags.get(node.name) is not None for node in servers.topology.nodes if not node.is_source)
        return seen and on_time and not list(monitor_errors(servers, proxy))
    return False


def _leads_on(proxy: Proxy, servers: Servers) -> bool:
    return not any(servers[name].refusal(APP_ACCOUNT) for name in (proxy.name, proxy.side))
