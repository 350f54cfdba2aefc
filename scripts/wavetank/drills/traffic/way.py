"""What a way from clients to the servers is, which ones there are, and which one fits a topology."""

import functools
import importlib
import pkgutil
from typing import Any, Protocol

from wavetank.drills.traffic import ways
from wavetank.errors import UsageError
from wavetank.servers.node import Servers
from wavetank.topology.model import Topology
from wavetank.topology.proxies import PROXYSQL, proxysqls

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


class Way(Protocol):
    """How the clients of one application come to the servers; they share it."""

    def session(self, client: int, *, writes: bool) -> Session:
        """Return the session of the client of this number, not connected yet."""

    def close(self) -> None:
        """End what the sessions shared."""


class WayModule(Protocol):
    """What a module of drills.traffic.ways offers; see that package's docstring."""

    WHAT: str
    # Whether every read by it sees what its client was told is written.
    OWN_WRITES: bool

    def lacks(self, topology: Topology) -> str:
        """Return what an instance would need for it and has not, '' where nothing is missing."""

    def open_way(self, servers: Servers) -> Way:
        """Return the way to these servers, nothing connected yet."""


@functools.cache
def all_ways() -> dict[str, WayModule]:
    """Return every way by its name."""
    names = sorted(module.name for module in pkgutil.iter_modules(ways.__path__))
    return {name: importlib.import_module(f"{ways.__name__}.{name}") for name in names}


def fitting_ways(topology: Topology) -> tuple[str, ...]:
    """Return the names of the ways to which nothing is missing."""
    return tuple(name for name, way in all_ways().items() if not way.lacks(topology))


def choose_way(asked: str, topology: Topology) -> str:
    """Return the way that was asked for, '' for the usual one: through the ProxySQL that there is, else directly.

    Raises:
        UsageError: there is no such way, or the topology has not what it needs.
    """
    name = asked or (PROXYSQL if proxysqls(topology.proxies) else DIRECT)
    if name not in all_ways():
        raise UsageError(f"via={asked} is no way to the servers; there are: {', '.join(all_ways())}")
    if missing := all_ways()[name].lacks(topology):
        fit = ", ".join(fitting_ways(topology))
        raise UsageError(f"via={name} needs {missing}, which {topology.instance} has not; it has: {fit}")
    return name


def open_way(name: str, servers: Servers) -> Way:
    """Return the way of this name to these servers; nothing is connected yet."""
    return all_ways()[name].open_way(servers)
