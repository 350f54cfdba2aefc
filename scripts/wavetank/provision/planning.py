"""From the inventory and what a person asked for to a topology, or to one line that says why not."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import psutil

from wavetank.errors import UsageError
from wavetank.provision.port_allocation import (
    FIRST_PORT,
    LAST_PORT,
    first_port,
    kept_ports,
    refuse_taken_ports,
    settled_containers,
)
from wavetank.sharding.maps.factory import DEFAULT_KIND, make_map
from wavetank.topology.instance import HOME, OPTIONS, Instance, find_instance, instance_names
from wavetank.topology.memory_sizing import LEAST_NODE_MEMORY, MIB, buffer_pool_bytes, parse_size
from wavetank.topology.model import MOST_SHARDS, Node, Sizing, Topology
from wavetank.topology.naming import check_node_name
from wavetank.topology.parsing import read_nodes
from wavetank.topology.proxies import PORTS_EACH, Groups, read_proxies, routers, with_proxies
from wavetank.topology.scaling import with_active, with_replicas, with_shards, with_sources

DEFAULT_NODE_MEMORY = "512m"
# What a server really takes, measured idle; its limit is a bound, not a need.
IDLE_SERVER_MEMORY = 350 * MIB
MOST_REPLICAS = 50
# Each peer has a channel to every other: what all of them write, every one applies.
MOST_SOURCES = 9
MOST_PROXIES = 9
ALL_ACTIVE = "all"

YES = ("1", "true", "yes", "on")
NO = ("0", "false", "no", "off", "")


def plan(  # noqa: PLR0913 - all that makes an instance
    name: str,
    instance_name: str,
    hosts: Mapping[str, Mapping[str, Any]],
    asked: Mapping[str, Any],
    proxies: Groups | None = None,
    *,
    reserve: Callable[[range], bool] = lambda _: True,
) -> Topology:
    """Return the topology that `hosts`, `asked` and the instance's memory make together.

    Args:
        name: the inventory file's stem.
        instance_name: what the running copy is called.
        hosts: the variables of the hosts of group mysql, in the inventory's order.
        asked: OPTIONS as given by environment or -e; an empty one means "as remembered, or the default".
        proxies: the settings of each proxy's host by its kind, which is its group.
        reserve: told of the ports that would be taken for a new instance; says whether they can be.

    Raises:
        UsageError: something in them cannot work.
    """
    instance = find_instance(instance_name)
    given = dict(instance.remembered()) | {key: asked[key] for key in OPTIONS if str(asked.get(key, "")) != ""}
    before = instance.topology() if instance.exists else None
    if before:
        refuse_other_topology(before, name)
    read_nodes(hosts, FIRST_PORT)  # what is wrong in the inventory is wrong whatever was asked for
    if "sources" in given:
        hosts = with_sources(hosts, _count("sources", given["sources"], MOST_SOURCES))
    if "shards" in given:
        hosts = with_shards(hosts, _count("shards", given["shards"], MOST_SHARDS))
    if "replicas" in given:
        hosts = with_replicas(hosts, _count("replicas", given["replicas"], MOST_REPLICAS))
    hosts = _repointed(hosts, given.get("repointed", {}))
    proxies = proxies or {}
    if "proxies" in given:
        proxies = with_proxies(proxies, _count("proxies", given["proxies"], MOST_PROXIES))
    fronts = sum(len(group) for group in proxies.values())
    asked_port = None if given.get("base_port") in (None, "") else _count("base_port", given["base_port"], LAST_PORT)
    port = first_port(asked_port, before, len(hosts) + PORTS_EACH * fronts, instance, reserve)
    memory = _node_memory(str(given.get("node_memory", DEFAULT_NODE_MEMORY)))
    nodes = read_nodes(hosts, port)
    if (active := str(given.get("active", ALL_ACTIVE))) != ALL_ACTIVE:
        nodes = with_active(nodes, active)
    topology = Topology(
        name=name,
        instance=instance.name,
        nodes=nodes,
        image=before.image if before else "",
        sizing=Sizing(memory, buffer_pool_bytes(memory), _cpus(given.get("node_cpus"))),
        semi_sync=_acknowledgements(given.get("semi_sync", "")),
        given=given,
        proxies=read_proxies(proxies, port + len(hosts)),
        shard_by=_shard_by(nodes, given, before),
    )
    topology = kept_ports(topology, before)
    _refuse_unfit_proxies(topology)
    _refuse_lost_nodes(before, topology)
    _refuse_what_others_have(topology)
    _refuse_missing_acknowledgements(topology)
    return topology


def refuse_other_topology(there: Topology, wanted: str) -> None:
    """Refuse an instance that was brought up as another topology than the one called `wanted`.

    Raises:
        UsageError: it is one.
    """
    if there.name != wanted:
        raise UsageError(f"{there.instance} is a {there.name} topology: name another INSTANCE=, or take it down first")


def _repointed(hosts: Mapping[str, Mapping[str, Any]], moved: Mapping[str, str]) -> Mapping[str, Mapping[str, Any]]:
    """Return `hosts` with the replicas behind the sources that they have been moved to since."""
    return {name: {**host, "replicates_from": moved[name]} if name in moved else host for name, host in hosts.items()}


def preflight(topology: Topology) -> None:
    """Ask this machine whether the topology fits on it, before anything is created.

    Raises:
        UsageError: a port is taken, memory is short, or the instance belongs to another clone.
    """
    ours = settled_containers(topology)
    for state in ours:
        if state.home not in (None, str(HOME)):
            raise UsageError(
                f"an instance {topology.instance!r} of the clone in {state.home} exists: name another INSTANCE="
            )
    running = {state.name for state in ours if state.has_ports}
    refuse_taken_ports(topology, [each for each in topology.members if topology.container(each) not in running])
    new = [node for node in topology.nodes if topology.container(node) not in running]
    needed = len(new) * IDLE_SERVER_MEMORY
    available = psutil.virtual_memory().available
    if needed > available:
        raise UsageError(
            f"{len(new)} servers need about {needed // MIB} MiB and {available // MIB} MiB are free: "
            "take another instance down or ask for fewer replicas"
        )


def with_images(topology: Topology, image: str, of_proxies: Mapping[str, str]) -> Topology:
    """Return the topology on `image`, with its proxies on the images that `of_proxies` has by their kinds."""
    proxies = tuple(dataclasses.replace(proxy, image=of_proxies[proxy.kind]) for proxy in topology.proxies)
    return dataclasses.replace(topology, image=image, proxies=proxies)


def _refuse_lost_nodes(before: Topology | None, now: Topology) -> None:
    """Only topology-down deletes: a server that exists cannot be planned away."""
    names = {each.name for each in now.members}
    lost = [each.name for each in before.members if each.name not in names] if before else []
    if lost:
        raise UsageError(
            f"{now.instance} has {', '.join(lost)}, which it would no longer have: only topology-down removes servers"
        )


def _refuse_what_others_have(topology: Topology) -> None:
    """Ports and container names of an instance are its own, also while it is stopped."""
    for other in (Instance(name).topology() for name in instance_names() if name != topology.instance):
        ports = {port: each.name for each in other.members for port in each.ports}
        names = {other.container(each) for each in other.members}
        for member in topology.members:
            for port in ports.keys() & set(member.ports):
                raise UsageError(
                    f"port {port}, for {member.name} of {topology.instance}, belongs to {ports[port]} of "
                    f"{other.instance}: name another BASE_PORT="
                )
            if topology.container(member) in names:
                raise UsageError(
                    f"{topology.container(member)} is a container of {other.instance}: name another INSTANCE="
                )


def _refuse_missing_acknowledgements(topology: Topology) -> None:
    wanted = topology.semi_sync
    for node in topology.nodes:
        there = len(topology.replicas_of(node))
        if (node.is_source or there) and there < wanted:
            needed = "a replica" if wanted == 1 else f"{wanted} replicas"
            raise UsageError(f"semi_sync={wanted} needs {needed} to acknowledge: {node.name} has {there or 'none'}")


def _refuse_unfit_proxies(topology: Topology) -> None:
    names = {node.name for node in topology.nodes}
    for proxy in topology.proxies:
        check_node_name(proxy.name)
        if proxy.name in names:
            raise UsageError(f"{proxy.name} is a server and a proxy at once: each host needs a name of its own")
    if topology.shards and (others := routers(topology.proxies)):
        raise UsageError(f"{others[0].name} is a MySQL Router, which cannot tell shards apart: a ProxySQL can")
    heads = [] if topology.shards else [node.name for node in topology.sources if not node.peer]
    if topology.proxies and (len(heads) > 1 or (heads and topology.peers)):
        named = ", ".join(node.name for node in topology.sources)
        raise UsageError(f"a proxy cannot know which of {named} a write is for: they do not share their data")


def _shard_by(nodes: Iterable[Node], given: Mapping[str, Any], before: Topology | None) -> str:
    """Return by what the shard map divides, '' where there are no shards.

    Raises:
        UsageError: it cannot be that, or not any more.
    """
    asked = str(given.get("shard_by", ""))
    numbers = tuple(sorted({node.shard for node in nodes if node.shard}))
    if not numbers:
        if asked:
            raise UsageError(f"shard_by={asked} is for topologies whose hosts have a shard")
        return ""
    if before:
        if asked not in ("", before.shard_by):
            raise UsageError(
                f"shard_by={asked}: the rows of {before.instance} are divided by {before.shard_by} since its first up; "
                "another INSTANCE= can be divided otherwise"
            )
        return before.shard_by
    make_map(asked or DEFAULT_KIND, numbers)
    return asked or DEFAULT_KIND


def _count(option: str, value: Any, most: int) -> int:  # noqa: ANN401
    if not str(value).isdecimal() or int(value) > most:
        raise UsageError(f"{option}={value} is not a number from 0 to {most}")
    return int(value)


def _node_memory(asked: str) -> int:
    memory = parse_size(asked)
    if memory < LEAST_NODE_MEMORY:
        raise UsageError(f"node_memory={asked} is too little: a server needs at least {LEAST_NODE_MEMORY // MIB}m")
    total = psutil.virtual_memory().total
    if memory > total:
        raise UsageError(f"node_memory={asked} is more than this machine has, which is {total // MIB}m")
    return memory


def _cpus(value: Any) -> float | None:  # noqa: ANN401
    if value in (None, ""):
        return None
    cores = psutil.cpu_count() or 1
    try:
        cpus = float(value)
    except ValueError:
        cpus = 0.0
    if not 0.1 <= cpus <= cores:  # noqa: PLR2004 - less does not start a server in time
        raise UsageError(f"node_cpus={value} is not a number from 0.1 to the {cores} cores of this machine")
    return cpus


def _acknowledgements(value: Any) -> int:  # noqa: ANN401
    """Return how many acknowledgements a commit shall wait for; yes is one of them."""
    text = str(value).lower()
    if text in YES + NO:
        return int(text in YES)
    return _count("semi_sync", value, MOST_REPLICAS)
