"""What an instance is by its servers' own word: who replicates from whom, how far behind, who takes writes.

The inventory says only whom to ask, where to draw a server that does not answer, and what the picture is
compared with. Nothing here prints.
"""

import contextlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from wavetank.machine import containers
from wavetank.servers.accounts import APP_ACCOUNT
from wavetank.servers.node import Server
from wavetank.status.facts import ABSENT, RUNNING, UNKNOWN, InstanceStatus, NodeStatus
from wavetank.status.proxies import ProxyStatus, ask_proxy
from wavetank.status.relations import compare, with_roles
from wavetank.status.remarks import remarks
from wavetank.status.self_report import ask_server
from wavetank.status.shards import ShardMapStatus, ask_shard_map
from wavetank.topology.instance import Instance
from wavetank.topology.model import Node, Topology
from wavetank.topology.proxies import Proxy

# Beside the time that a connection may take, node.CONNECT_TIMEOUT_S: a picture is looked at, not waited for.
ANSWER_TIMEOUT_S = 2


def collect(topology: Topology) -> InstanceStatus:
    """Ask the engine and, side by side, all servers; one that does not answer is part of the result."""
    instance = Instance(topology.instance)
    servers = {node.name: Server(node.name, node.port, instance, ANSWER_TIMEOUT_S) for node in topology.nodes}
    states = _container_states(topology)
    with contextlib.ExitStack() as stack:
        for server in servers.values():
            stack.callback(server.close)
        pool = stack.enter_context(ThreadPoolExecutor(len(topology.nodes)))
        asked = pool.map(
            lambda node: ask_server(node, servers[node.name], _unasked(node, topology, states)), topology.nodes
        )
        fronts = pool.map(lambda proxy: _ask_proxy(proxy, topology, states), topology.proxies)
        # A catalogue whose server is gone would only cost its timeout, once more.
        shard_map = _ask_shard_map(topology, servers, states) if topology.shards else None
        nodes = compare(with_roles(tuple(asked)), servers, pool)
    return InstanceStatus(
        instance=topology.instance,
        topology=topology.name,
        nodes=tuple(
            replace(node, remarks=tuple(remarks(topology.node(node.name), node, topology.lag_bound_s)))
            for node in nodes
        ),
        ca=str(instance.ca),
        secret=str(instance.secret(APP_ACCOUNT)),
        client=str(instance.client_settings(APP_ACCOUNT)),
        proxies=tuple(fronts),
        shard_map=shard_map,
    )


def _ask_shard_map(
    topology: Topology, servers: Mapping[str, Server], states: Mapping[str, str] | None
) -> ShardMapStatus:  # fmt: skip
    source = topology.shards[0].source
    state = UNKNOWN if states is None else states.get(topology.container(source), ABSENT)
    if state not in (RUNNING, UNKNOWN):
        return ShardMapStatus(unread=f"{source.name} does not answer: container {state}")
    return ask_shard_map(topology, servers[source.name])


def _container_states(topology: Topology) -> Mapping[str, str] | None:
    """Return the engine's word by container, None where no engine answers."""
    if not containers.engine_answers():
        return None
    return {state.name: state.status for state in containers.containers(topology.project)}


def _unasked(node: Node, topology: Topology, states: Mapping[str, str] | None) -> NodeStatus:
    """Return what is known of a node before its server is asked."""
    container = topology.container(node)
    return NodeStatus(
        name=node.name,
        port=node.port,
        container=container,
        container_state=UNKNOWN if states is None else states.get(container, ABSENT),
        declared_sources=tuple(channel.source for channel in node.channels),
        shard=node.shard,
    )


def _ask_proxy(proxy: Proxy, topology: Topology, states: Mapping[str, str] | None) -> ProxyStatus:
    instance = Instance(topology.instance)
    state = UNKNOWN if states is None else states.get(topology.container(proxy), ABSENT)
    return ask_proxy(
        proxy,
        topology,
        state,
        lambda name, port: Server(name, port, instance, ANSWER_TIMEOUT_S),
        askable=state in (RUNNING, UNKNOWN),
    )
