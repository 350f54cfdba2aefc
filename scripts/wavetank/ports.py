"""Ports of an instance that grows: what has its ports keeps them."""

import dataclasses
from collections.abc import Mapping
from itertools import count

from wavetank.topology import Topology


def kept_ports(topology: Topology, before: Topology | None) -> Topology:
    """Return the topology with everything that was there before on the ports that it had.

    What is new gets the ports after those, in the order of the members. Where the first port is another one
    now, everything moves with it.
    """
    if not before or before.nodes[0].port != topology.nodes[0].port:
        return topology
    had = {member.name: member.ports for member in before.members}
    free = count(max(port for ports in had.values() for port in ports) + 1)
    now = {each.name: had.get(each.name) or tuple(next(free) for _ in each.ports) for each in topology.members}
    return with_ports(topology, now)


def with_ports(topology: Topology, ports: Mapping[str, tuple[int, ...]]) -> Topology:
    """Return the topology with the ports that `ports` has by the members' names."""
    nodes = tuple(dataclasses.replace(node, port=ports[node.name][0]) for node in topology.nodes)
    proxies = tuple(
        dataclasses.replace(proxy, port=ports[proxy.name][0], side_port=ports[proxy.name][1])
        for proxy in topology.proxies
    )
    return dataclasses.replace(topology, nodes=nodes, proxies=proxies)
