"""Does a Router's port for writes lead to the source, and its port for reads to the replicas?"""

import contextlib
from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding, NotAsked, Seen
from wavetank.servers.accounts import APP_ACCOUNT
from wavetank.servers.node import Servers, query_on
from wavetank.topology.model import Topology
from wavetank.topology.proxies import Proxy, routers

QUESTION = "Does the Router's port for writes lead to the source only, and its port for reads to every replica?"
_WHO = "SELECT @@report_host AS name, @@GLOBAL.super_read_only AS closed"
# So often a replica is asked for: a Router takes turns.
_ROUNDS = 2


def concerns(topology: Topology) -> Iterable[Proxy]:
    """Ask every Router."""
    return routers(topology.proxies)


def examine(proxy: Proxy, servers: Servers) -> Iterator[Seen]:
    """Connect to both ports, often enough to meet every server, and ask who answers."""
    replicas = {node.name for node in servers.topology.nodes if not node.is_source}
    often = _ROUNDS * len(servers.topology.nodes)
    step = f"docker logs {servers.topology.container(proxy)}, then make topology-up"
    for name, row in _answers(servers, proxy.name, often).items():
        if row["closed"]:
            yield Finding(proxy.name, f"a server that takes writes behind {proxy.port}", f"{name}, closed", step)
    reached = _answers(servers, proxy.side, often)
    for name, row in reached.items():
        if not row["closed"]:
            yield Finding(proxy.name, f"closed servers behind {proxy.side_port}", f"{name}, which takes writes", step)
    silent = {name for name in replicas if servers[name].given_up}
    for name in sorted(silent):
        yield NotAsked(f"{name} does not answer, which reachable reports, so that it need not be met")
    if missing := replicas - reached.keys() - silent:
        yield Finding(
            proxy.name, f"every replica behind {proxy.side_port}", f"never {', '.join(sorted(missing))}", step
        )


def _answers(servers: Servers, endpoint: str, often: int) -> dict[str, dict[str, object]]:
    """Return what each server says of itself that is met behind a port."""
    met = {}
    for _ in range(often):
        with contextlib.closing(servers[endpoint].connect(APP_ACCOUNT)) as connection:
            row = query_on(connection, _WHO, node=endpoint)[0]
        met[str(row["name"])] = row
    return met
