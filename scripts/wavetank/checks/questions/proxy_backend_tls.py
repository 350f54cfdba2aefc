"""Does a proxy speak TLS to the servers behind it?"""

from collections.abc import Iterable, Iterator

from wavetank.checks.finding import Finding, NotAsked, Seen
from wavetank.servers.accounts import APP_ACCOUNT
from wavetank.servers.node import Servers
from wavetank.topology.model import Topology
from wavetank.topology.proxies import Proxy

QUESTION = "Does every connection from the proxy to a server use TLS?"
_ADDRESS = "/* wavetank:source */ SELECT SUBSTRING_INDEX(USER(), '@', -1)"
_CONNECTIONS = """
    SELECT PROCESSLIST_USER AS user, CONNECTION_TYPE AS type, COUNT(*) AS connections
      FROM performance_schema.threads WHERE PROCESSLIST_HOST = %s AND CONNECTION_TYPE <> 'SSL/TLS'
     GROUP BY PROCESSLIST_USER, CONNECTION_TYPE
"""


def concerns(topology: Topology) -> Iterable[Proxy]:
    """Ask every proxy."""
    return topology.proxies


def examine(proxy: Proxy, servers: Servers) -> Iterator[Seen]:
    """Ask every server how it is spoken to from the address from which the proxy's statements come."""
    address = servers[proxy.name].value(_ADDRESS, account=APP_ACCOUNT)
    for node in servers.topology.nodes:
        if servers[node.name].given_up:
            yield NotAsked(f"{node.name} does not answer, which reachable reports")
            continue
        for row in servers[node.name].query(_CONNECTIONS, [address]):
            yield Finding(
                proxy.name,
                f"TLS to {node.name}",
                f"{row['connections']} connections of {row['user']} over {row['type']}",
                f"make topology-up, then docker restart {servers.topology.container(proxy)}: it keeps connections",
            )
