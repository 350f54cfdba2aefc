"""A router of a running instance, with its accounts, its authority and its heartbeat."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from wavetank.client.splitting.router import Router
from wavetank.client.splitting.settings import Access, Account, Bounds, Endpoint, PoolSize
from wavetank.errors import UsageError
from wavetank.servers.lag import HEARTBEAT_AGE
from wavetank.topology.instance import Instance
from wavetank.topology.model import Topology


def router_of(  # noqa: PLR0913 - all but the first are named
    instance: Instance,
    *,
    nodes: Iterable[str] = (),
    weights: Mapping[str, int] | None = None,
    bounds: Bounds | None = None,
    pool_size: PoolSize | None = None,
    safe_functions: Iterable[str] = (),
    database: str = "",
) -> Router:
    """Return a router over the servers of an instance, or over `nodes` of them, which must replicate one another.

    Reads are spread by the inventory's weights, where `weights` states no other; statements that name no schema
    mean `database`.

    Raises:
        UsageError: there is no such instance or node, or its sources do not hold the same data.
    """
    topology = instance.topology()
    chosen = [topology.node(name) for name in nodes] or list(topology.nodes)
    first = next((node for node in topology.sources if node in chosen), chosen[0])
    apart = [node.name for node in chosen if node not in topology.tree(first)]
    if apart:
        raise UsageError(f"{', '.join(apart)} do not replicate from {first.name}: name the nodes of one tree")
    endpoints = [
        Endpoint(node.name, "127.0.0.1", node.port, (weights or {}).get(node.name, node.weight)) for node in chosen
    ]
    writer, reader, watcher = (Account(name, instance.password(name)) for name in ("app_rw", "app_ro", "monitor"))
    return Router(
        endpoints,
        Access(writer, reader, watcher, instance.ca, HEARTBEAT_AGE, database),
        bounds=bounds or bounds_of(topology),
        pool_size=pool_size,
        safe_functions=safe_functions,
    )


def bounds_of(topology: Topology) -> Bounds:
    """Return what is too long in an instance: how far a replica may be behind is said by its inventory."""
    return replace(Bounds(), lag=topology.lag_bound_s)
