"""Clients are threads of one application that splits reads and writes by the project's own library.

Traffic plays the application, so this module, alone outside of the library, imports it.
"""

from dataclasses import replace
from typing import Any

from wavetank.errors import UnreachableError
from wavetank.node import Servers
from wavetank.routing import Bounds, OutcomeUnknownError, Router, RoutingError, router_of
from wavetank.topology import Topology
from wavetank.traffic.table import TAKER
from wavetank.traffic.ways import PATIENCE_S, Session, Way

WHAT = "clients share a router of the library wavetank.routing"
OWN_WRITES = False
NAME = "routing"


def lacks(topology: Topology) -> str:
    """Need servers that all hold the same data."""
    apart = [node for node in topology.nodes if node not in topology.tree(topology.sources[0])]
    return "servers that replicate one another" if apart else ""


def open_way(servers: Servers) -> Way:
    """Return the way through one router, which looks at the servers from the first session on."""
    return _Routed(servers)


class _Routed:
    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._router: Router | None = None

    def session(self, client: int, *, writes: bool) -> Session:  # noqa: ARG002 - the router tells them apart itself
        if self._router is None:
            bounds = replace(
                Bounds(), lag=self._servers.topology.lag_bound_s, statement=PATIENCE_S, new_source=PATIENCE_S
            )
            self._router = router_of(self._servers.instance, bounds=bounds, safe_functions=[TAKER]).__enter__()
        return _RoutedSession(self._router)

    def close(self) -> None:
        """End the router."""
        if self._router:
            self._router.close()


class _RoutedSession:
    """Every statement is a piece of work of its own, as a web request would be."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self.asks = NAME

    def find(self) -> bool:
        """Leave that to the router."""
        return True

    def run(self, statement: str, *parameters: int) -> tuple[list[dict[str, Any]], int]:
        """Run a statement wherever the router sends it."""
        try:
            with self._router.session() as session:
                answer = session.run(statement, parameters)
        except (RoutingError, OutcomeUnknownError) as error:
            raise UnreachableError(NAME, type(error).__name__) from error
        return answer.rows, answer.new_id or 0

    def close(self) -> None:
        """Hold nothing between statements."""
