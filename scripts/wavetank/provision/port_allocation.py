"""Who has which ports: an instance that grows keeps those it had, and two ups at once do not take the same."""

import dataclasses
import fcntl
import json
import os
import tempfile
from collections.abc import Mapping
from itertools import count
from pathlib import Path

import psutil

from wavetank.topology.model import Topology

# Of all clones of this user: from its plan to its containers an up does not hold its ports itself.
RESERVED = Path(tempfile.gettempdir()) / f"wavetank-ports-{os.getuid()}.json"


def reserve(block: range, holder: int) -> bool:
    """Reserve ports for as long as the process `holder` runs, instead of what it had reserved before.

    Returns:
        False where another process that runs has reserved one of them.
    """
    with RESERVED.open("a+") as file:
        # One after the other, whoever asks; closing the file lets the next one in.
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        others = [each for each in _read(file.read()) if each["holder"] != holder and _runs(each)]
        if any(block.start < each["stop"] and each["start"] < block.stop for each in others):
            return False
        mine = {
            "holder": holder,
            "since": psutil.Process(holder).create_time(),
            "start": block.start,
            "stop": block.stop,
        }
        file.truncate(0)
        json.dump([*others, mine], file)
    return True


def _read(text: str) -> list[dict[str, float]]:
    """Return what is reserved; of a file that was not written to its end, nothing."""
    try:
        found: list[dict[str, float]] = json.loads(text)
    except json.JSONDecodeError:
        return []
    return found or []


def _runs(reservation: Mapping[str, float]) -> bool:
    """Return whether the process that reserved it is still there, and not another one with its number."""
    try:
        # The clock may have been set a little since.
        return abs(psutil.Process(int(reservation["holder"])).create_time() - reservation["since"]) < 1.0
    except psutil.NoSuchProcess:
        return False


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
