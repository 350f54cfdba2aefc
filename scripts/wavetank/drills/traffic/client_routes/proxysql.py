"""Clients know the ports of the ProxySQL in front, and nothing else; where one fails they come back to the next."""

from wavetank.drills.traffic.client_route import ClientRoute, Session
from wavetank.drills.traffic.client_routes.direct import SearchingSession
from wavetank.servers.node import Servers
from wavetank.topology.model import Topology
from wavetank.topology.proxies import proxysqls

WHAT = "clients know the ProxySQL in front only, and go to the next one where it fails"
OWN_WRITES = False


def lacks(topology: Topology) -> str:
    """Need one of them at least."""
    return "" if proxysqls(topology.proxies) else "a ProxySQL in front of the servers"


def open_route(servers: Servers) -> ClientRoute:
    """Return the route that ends at the proxies."""
    return _Proxied(servers)


class _Proxied:
    def __init__(self, servers: Servers) -> None:
        self._endpoints = [servers[proxy.name] for proxy in proxysqls(servers.topology.proxies)]

    def session(self, client: int, *, writes: bool) -> Session:  # noqa: ARG002 - a proxy tells them apart itself
        turn = client % len(self._endpoints)
        # Of a proxy a refusal says nothing: it is the server behind it that takes no writes.
        endpoints = [*self._endpoints[turn:], *self._endpoints[:turn]]
        return SearchingSession(endpoints, must_be_open=False, leaves_at_refusal=False)

    def close(self) -> None:
        """Share nothing."""
