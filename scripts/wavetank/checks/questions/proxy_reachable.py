"""Does a proxy let an application in?"""

import contextlib
from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding
from wavetank.errors import UnreachableError
from wavetank.servers.accounts import APP_ACCOUNT
from wavetank.servers.node import Servers
from wavetank.topology.model import Topology
from wavetank.topology.proxies import ADMIN, PROXYSQL, Proxy

QUESTION = "Does the proxy answer on each of its ports, over TLS that proves who it is?"


def concerns(topology: Topology) -> Iterable[Proxy]:
    """Ask every proxy."""
    return topology.proxies


def examine(proxy: Proxy, servers: Servers) -> Iterator[Finding]:
    """Connect with verified TLS, as an application and as who administers it."""
    side_account = ADMIN if proxy.kind == PROXYSQL else APP_ACCOUNT
    for name, account in ((proxy.name, APP_ACCOUNT), (proxy.side, side_account)):
        try:
            with contextlib.closing(servers[name].connect(account)):
                pass
        except UnreachableError as error:
            yield Finding(
                proxy.name,
                f"an answer to {account} over verified TLS",
                str(error),
                f"docker logs {servers.topology.container(proxy)}, then make topology-up",
            )
            return
