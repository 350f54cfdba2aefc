"""Which ports an instance has: a free block for a new one; one that grows keeps those it had."""

import contextlib
import dataclasses
import socket
from collections.abc import Callable, Iterable, Mapping
from itertools import count as counted

import psutil

from wavetank.errors import UsageError, WaitedInVain
from wavetank.machine import containers
from wavetank.machine.containers import ContainerState
from wavetank.topology.instance import Instance, instance_names
from wavetank.topology.model import Member, Topology
from wavetank.waiting import wait_until

FIRST_PORT = 13310
PORT_STEP = 20
LAST_PORT = 32000
# How long the engine may take to start or to end a container, in seconds.
SETTLING_S = 5.0


def first_port(
    asked: int | None,
    before: Topology | None,
    count: int,
    instance: Instance,
    reserve: Callable[[range], bool],
) -> int:
    """Return the first port of an instance: as asked, as before, else the first of a block that is free.

    Args:
        asked: the port that a person asked for, None for any.
        before: the instance as it was, None where it is new.
        count: how many ports it has.
        instance: the instance.
        reserve: told of the ports that would be taken for a new instance; says whether they can be.

    Raises:
        UsageError: it may not be had, or no block is free.
    """
    if asked is not None:
        if asked < 1024:  # noqa: PLR2004 - the privileged ports
            raise UsageError(f"base_port={asked} is privileged: take one from 1024 to {LAST_PORT}")
        return asked
    if before and not _never_started(before):
        return before.nodes[0].port
    # Of stopped instances; what runs, ours or not, holds its ports itself. There may be no engine to ask yet.
    others = (Instance(name).topology() for name in instance_names() if name != instance.name)
    claimed = {port for other in others for each in other.members for port in each.ports}
    starts = list(range(FIRST_PORT, LAST_PORT, PORT_STEP))
    for start in [before.nodes[0].port, *starts] if before else starts:
        block = range(start, start + count)
        if not claimed.intersection(block) and all(is_free(port) for port in block) and reserve(block):
            return start
    raise UsageError(f"no {count} free ports in a row from {FIRST_PORT} to {LAST_PORT}: name a BASE_PORT=")


def _never_started(topology: Topology) -> bool:
    """Return whether an up was ended before the first container; its ports may be somebody else's by now."""
    return containers.engine_answers() and not containers.containers(topology.project)


def is_free(port: int) -> bool:
    """Return whether nobody listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def settled_containers(topology: Topology) -> list[ContainerState]:
    """Return an instance's containers once the engine is neither starting nor ending one of them.

    It does so for whoever asked it to, although that one may have been killed since, and it holds the ports of such a
    container, which does not run yet, or any more.
    """

    def look() -> list[ContainerState]:
        return containers.containers(topology.project)

    def are_settled(states: list[ContainerState]) -> bool:
        down = {state.name for state in states if not state.has_ports}
        ports = (port for each in topology.members if topology.container(each) in down for port in each.ports)
        return all(map(is_free, ports))

    with contextlib.suppress(WaitedInVain):
        return wait_until("the engine", look, timeout_s=SETTLING_S, interval_s=0.05, good=are_settled)
    # Somebody else has a port: that is refused by its name.
    return look()


def refuse_taken_ports(topology: Topology, members: Iterable[Member]) -> None:
    """Refuse a port of these members that is in use, and say by whom.

    Raises:
        UsageError: one is.
    """
    holders = {
        port: f"container {state.name}"
        for state in containers.containers()
        if state.status == "running"
        for _, port in state.publishes
    }
    for port, name in ((port, each.name) for each in members for port in each.ports):
        if not is_free(port):
            holder = holders.get(port) or _process_on(port)
            raise UsageError(
                f"port {port}, for {name} of {topology.instance}, is in use by {holder}: name another BASE_PORT="
            )


def _process_on(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            address = connection.laddr
            if connection.status == psutil.CONN_LISTEN and address and address.port == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        pass
    return "another process"


def kept_ports(topology: Topology, before: Topology | None) -> Topology:
    """Return the topology with everything that was there before on the ports that it had.

    What is new gets the ports after those, in the order of the members. Where the first port is another one
    now, everything moves with it.
    """
    if not before or before.nodes[0].port != topology.nodes[0].port:
        return topology
    had = {member.name: member.ports for member in before.members}
    free = counted(max(port for ports in had.values() for port in ports) + 1)
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
