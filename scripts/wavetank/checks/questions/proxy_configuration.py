"""Is what a ProxySQL runs by what the inventory says?"""

from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding
from wavetank.proxysql.deviations import deviations
from wavetank.proxysql.expected_rows import USERS
from wavetank.servers.node import Servers
from wavetank.topology.model import Topology
from wavetank.topology.proxies import Proxy, proxysqls

QUESTION = "Are ProxySQL's servers, users, rules and variables at runtime those of the inventory?"


def concerns(topology: Topology) -> Iterable[Proxy]:
    """Ask every ProxySQL."""
    return proxysqls(topology.proxies)


def examine(proxy: Proxy, servers: Servers) -> Iterator[Finding]:
    """Compare its runtime tables, row by row."""
    for deviation in deviations(servers, proxy, runtime=True):
        row = f"{' '.join(deviation.key)} in {deviation.table.name}"
        step = "make topology-up sets it back"
        if deviation.expected is None:
            yield Finding(proxy.name, f"no row {row}", "one that nobody declared", step)
        elif deviation.found is None:
            yield Finding(proxy.name, f"a row {row}", "none", step)
        for name, (expected, found) in deviation.differing.items():
            secret = deviation.table is USERS and name == "password"
            seen = "another one" if secret else found or "nothing"
            yield Finding(proxy.name, f"{name} {'ours' if secret else expected or 'nothing'} of {row}", seen, step)
