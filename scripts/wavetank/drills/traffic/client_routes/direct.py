"""Clients know the addresses of all servers, and look for another one when theirs fails or refuses."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wavetank.drills.traffic.client_route import PATIENCE_S, ClientRoute, Session
from wavetank.errors import UnreachableError
from wavetank.servers.accounts import APP_ACCOUNT
from wavetank.servers.node import Server, Servers, StatementError, answer_on
from wavetank.topology.model import Topology

if TYPE_CHECKING:
    from wavetank.servers.node import Connection

WHAT = "clients know all servers, and look for one that takes writes"
OWN_WRITES = False
_TAKES_WRITES = "SELECT NOT @@GLOBAL.read_only AS yes"


def lacks(_: Topology) -> str:
    """Need nothing but servers."""
    return ""


def open_route(servers: Servers) -> ClientRoute:
    """Return the route that every application has."""
    return _Direct(servers)


class _Direct:
    def __init__(self, servers: Servers) -> None:
        self._servers = servers

    def session(self, client: int, *, writes: bool) -> Session:
        topology = self._servers.topology
        first = topology.sources if writes else topology.replicas
        # Each client begins with another one.
        turned = [first[(client + at) % len(first)] for at in range(len(first))]
        nodes = [*turned, *(node for node in topology.nodes if node not in first)]
        return SearchingSession([self._servers[node.name] for node in nodes], must_be_open=writes)

    def close(self) -> None:
        """Share nothing."""


class SearchingSession:
    """A connection to one of several endpoints, which is kept until it fails."""

    def __init__(self, endpoints: Sequence[Server], *, must_be_open: bool, leaves_at_refusal: bool = True) -> None:
        """Take the servers, in the order in which they are tried.

        Args:
            endpoints: servers, or what leads to them.
            must_be_open: whether only a server that takes writes will do.
            leaves_at_refusal: whether one that refuses a statement is given up.
        """
        self._endpoints = list(endpoints)
        self._must_be_open = must_be_open
        self._leaves_at_refusal = leaves_at_refusal
        self._connection: Connection | None = None
        # To servers that took no writes when they were asked: a login to each at every search would be most of it.
        self._refusing: dict[str, Connection] = {}
        self.asks = ""

    def run(self, statement: str, *parameters: int) -> tuple[list[dict[str, Any]], int]:
        """Run a statement where the session is connected; where that fails, it has nobody afterwards."""
        if self._connection is None:
            raise UnreachableError(self.asks, "no connection")
        try:
            return answer_on(self._connection, statement, parameters, node=self.asks)
        except UnreachableError:
            self._leave()
            raise
        except StatementError:
            if self._leaves_at_refusal:
                self._leave()
            raise

    def find(self) -> bool:
        """Connect to the first endpoint that will do; whose turn it was comes last the next time."""
        for endpoint in list(self._endpoints):
            self._endpoints.append(self._endpoints.pop(0))
            try:
                kept = self._refusing.pop(endpoint.name, None)
                self._connection, self.asks = kept or endpoint.connect(APP_ACCOUNT, PATIENCE_S), endpoint.name
                if not self._must_be_open or self.run(_TAKES_WRITES)[0][0]["yes"]:
                    self._forget_refusing()
                    return True
                self._refusing[endpoint.name], self._connection = self._connection, None
            except (UnreachableError, StatementError):
                pass
            self._leave()
        return False

    def close(self) -> None:
        """Give all connections up, without waiting for a goodbye."""
        self._leave()
        self._forget_refusing()

    def _leave(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection, self.asks = None, ""

    def _forget_refusing(self) -> None:
        while self._refusing:
            self._refusing.popitem()[1].close()
