"""Which client_routes there are, and which one fits a topology."""

import functools
import importlib
import pkgutil

from wavetank.drills.traffic import client_routes
from wavetank.drills.traffic.client_route import DIRECT, ClientRoute, ClientRouteModule
from wavetank.errors import UsageError
from wavetank.servers.node import Servers
from wavetank.topology.model import Topology
from wavetank.topology.proxies import PROXYSQL, proxysqls


@functools.cache
def all_routes() -> dict[str, ClientRouteModule]:
    """Return every route by its name."""
    names = sorted(module.name for module in pkgutil.iter_modules(client_routes.__path__))
    return {name: importlib.import_module(f"{client_routes.__name__}.{name}") for name in names}


def fitting_routes(topology: Topology) -> tuple[str, ...]:
    """Return the names of the client_routes to which nothing is missing."""
    return tuple(name for name, route in all_routes().items() if not route.lacks(topology))


def choose_route(asked: str, topology: Topology) -> str:
    """Return the route that was asked for, '' for the usual one: through the ProxySQL that there is, else directly.

    Raises:
        UsageError: there is no such route, or the topology has not what it needs.
    """
    name = asked or (PROXYSQL if proxysqls(topology.proxies) else DIRECT)
    if name not in all_routes():
        raise UsageError(f"via={asked} is no way to the servers; there are: {', '.join(all_routes())}")
    if missing := all_routes()[name].lacks(topology):
        fit = ", ".join(fitting_routes(topology))
        raise UsageError(f"via={name} needs {missing}, which {topology.instance} has not; it has: {fit}")
    return name


def open_route(name: str, servers: Servers) -> ClientRoute:
    """Return the route of this name to these servers; nothing is connected yet."""
    return all_routes()[name].open_route(servers)
