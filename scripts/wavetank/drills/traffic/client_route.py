"""The route by which clients come to the servers: directly, by a proxy or by a router in the application."""

from typing import Any, Protocol

from wavetank.servers.node import Servers
from wavetank.topology.model import Topology

# How many seconds an application waits for an answer.
PATIENCE_S = 2
DIRECT = "direct"


class Session(Protocol):
    """One client's connection.

    Attributes:
        asks: whom it would ask now, a server or a proxy; '' where it has to find one first.
    """

    asks: str

    def find(self) -> bool:
        """Connect to the first one of those it knows that will do; return whether there is one."""

    def run(self, statement: str, *parameters: int) -> tuple[list[dict[str, Any]], int]:
        """Run a statement; return its rows, and the id that the server answers an INSERT with, else 0.

        Raises:
            UnreachableError: nobody carried it out, or nobody knows whether.
            StatementError: it was refused.
        """

    def close(self) -> None:
        """Give the connection up."""


class ClientRoute(Protocol):
    """How the clients of one application come to the servers; they share it."""

    def session(self, client: int, *, writes: bool) -> Session:
        """Return the session of the client of this number, not connected yet."""

    def close(self) -> None:
        """End what the sessions shared."""


class ClientRouteModule(Protocol):
    """What a module of drills.traffic.client_routes offers; see that package's docstring."""

    WHAT: str
    # Whether every read by it sees what its client was told is written.
    OWN_WRITES: bool

    def lacks(self, topology: Topology) -> str:
        """Return what an instance would need for it and has not, '' where nothing is missing."""

    def open_route(self, servers: Servers) -> ClientRoute:
        """Return the route to these servers, nothing connected yet."""
