"""Does a ProxySQL's monitor see every server well, and send statements to it?"""

import re
from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding, NotAsked, Seen
from wavetank.proxysql.runtime_state import monitor_errors, server_states
from wavetank.servers.node import Servers
from wavetank.topology.hostgroups import meaning
from wavetank.topology.model import Topology
from wavetank.topology.proxies import Proxy, proxysqls

QUESTION = "Does ProxySQL's monitor reach every server without an error, and is each online in its hostgroup?"


def concerns(topology: Topology) -> Iterable[Proxy]:
    """Ask every ProxySQL."""
    return proxysqls(topology.proxies)


def examine(proxy: Proxy, servers: Servers) -> Iterator[Seen]:
    """Read its logs and the states of its servers; one that does not answer us either is another check's."""
    silent = {node.name for node in servers.topology.nodes if servers[node.name].given_up}
    for name in sorted(silent):
        yield NotAsked(f"{name} does not answer, which reachable reports: what the monitor makes of that is left out")
    for log, hostname, error in monitor_errors(servers, proxy):
        if hostname not in silent:
            yield Finding(
                proxy.name,
                f"{hostname} without an error in the monitor's {log}",
                error,
                f"docker logs {servers.topology.container(proxy)}",
            )
    groups = meaning(servers.topology, proxy)
    for row in server_states(servers, proxy):
        if re.match("SHUNNED", row["status"]) and row["hostname"] not in silent:
            group = f"{row['hostgroup_id']} ({groups.get(int(row['hostgroup_id']), 'nobody declared it')})"
            yield Finding(
                proxy.name,
                f"{row['hostname']} online in hostgroup {group}",
                row["status"],
                "make status shows its lag; it comes back by itself",
            )
