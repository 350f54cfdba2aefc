"""Clients are threads of one application that splits reads and writes by the project's own library.

Traffic plays the application, so this module, alone outside of the library, imports it.
"""

from dataclasses import replace
from typing import Any

from wavetank.client.splitting import Answer, OutcomeUnknownError, Router, RoutingError, router_of
from wavetank.client.splitting import Session as RouterSession
from wavetank.client.splitting.of_instance import bounds_of
from wavetank.drills.traffic.client_route import PATIENCE_S, ClientRoute, Session
from wavetank.drills.traffic.table import SERVER_ID_FUNCTION
from wavetank.errors import UnreachableError
from wavetank.servers.node import Servers, StatementError
from wavetank.topology.model import Topology

WHAT = "clients share a router of the library wavetank.client.splitting"
# A client passes on, from each of its writes to its later reads, what they must see.
OWN_WRITES = True
NAME = "routing"
# Of a read that must not be answered by a replica, as the library takes it.
_FROM_SOURCE = " /* wavetank:source */"


def lacks(topology: Topology) -> str:
    """Need servers that all hold the same data."""
    apart = [node for node in topology.nodes if node not in topology.tree(topology.sources[0])]
    return "servers that replicate one another" if apart else ""


def open_route(servers: Servers) -> ClientRoute:
    """Return the route through one router, which looks at the servers from the first session on."""
    return _Routed(servers)


class _Routed:
    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._router: Router | None = None
        self._pasts: dict[int, Past] = {}

    def session(self, client: int, *, writes: bool) -> Session:
        if self._router is None:
            bounds = replace(bounds_of(self._servers.topology), statement=PATIENCE_S, new_source=PATIENCE_S)
            self._router = router_of(
                self._servers.instance, bounds=bounds, safe_functions=[SERVER_ID_FUNCTION]
            ).__enter__()
        past = self._pasts.setdefault(client, Past())
        return WritingSession(self._router, past) if writes else ReadingSession(self._router, past)

    def close(self) -> None:
        """End the router."""
        if self._router:
            self._router.close()


class Past:
    """What one client was told is written, as its writer knows it and its reader has to see it.

    Attributes:
        gtids: the transactions that a read must see; None where the source went away before it said so: then what it
            acknowledged is on whoever takes the writes now, and on nobody else for sure.
    """

    def __init__(self) -> None:
        """Begin without a write."""
        self.gtids: str | None = ""

    def learn(self, session: RouterSession) -> None:
        """Learn what a session wrote that was acknowledged."""
        try:
            self.gtids = session.gtids
        except (RoutingError, OutcomeUnknownError, StatementError):
            self.gtids = None


class _RoutedSession:
    """Every statement is a piece of work of its own, as a web request would be."""

    def __init__(self, router: Router, past: Past) -> None:
        self._router = router
        self._past = past
        self.asks = NAME

    def find(self) -> bool:
        """Leave that to the router."""
        return True

    def run(self, statement: str, *parameters: int) -> tuple[list[dict[str, Any]], int]:
        """Run a statement wherever the router sends it."""
        try:
            answer = self._answer(statement, parameters)
        except (RoutingError, OutcomeUnknownError) as error:
            raise UnreachableError(NAME, type(error).__name__) from error
        return answer.rows, answer.new_id or 0

    def _answer(self, statement: str, parameters: tuple[int, ...]) -> Answer:
        raise NotImplementedError

    def close(self) -> None:
        """Do nothing: no connection is held between statements."""


class WritingSession(_RoutedSession):
    """A client's writes; before it is told of one, it is known what a read must see."""

    def _answer(self, statement: str, parameters: tuple[int, ...]) -> Answer:
        with self._router.session() as session:
            answer = session.run(statement, parameters)
            self._past.learn(session)
            return answer


class ReadingSession(_RoutedSession):
    """A client's reads, which see its writes."""

    def _answer(self, statement: str, parameters: tuple[int, ...]) -> Answer:
        gtids = self._past.gtids
        with self._router.session(after=gtids or "") as session:
            return session.run(statement + _FROM_SOURCE if gtids is None else statement, parameters)
