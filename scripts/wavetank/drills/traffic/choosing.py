"""Which ways there are, and which one fits a topology."""

import functools
import importlib
import pkgutil

from wavetank.drills.traffic import ways
from wavetank.drills.traffic.way import DIRECT, Way, WayModule
from wavetank.errors import UsageError
from wavetank.servers.node import Servers
from wavetank.topology.model import Topology
from wavetank.topology.proxies import PROXYSQL, proxysqls


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
