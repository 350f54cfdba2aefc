"""Whether an inventory file can be read at all, before Ansible is asked to."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from wavetank.errors import UsageError
from wavetank.topology.instance import INVENTORIES, topology_names
from wavetank.topology.model import Sizing, Topology
from wavetank.topology.parsing import read_nodes
from wavetank.topology.proxies import KINDS, read_proxies
from wavetank.topology.scaling import with_replicas


def readable_inventory(topology: str) -> Path:
    """Return the inventory file of a topology.

    Raises:
        UsageError: there is no such file, or it is not an inventory with a group mysql.
    """
    path = INVENTORIES / f"{topology}.yml"
    if topology not in topology_names():
        raise UsageError(f"no topology {topology!r}; there are: {', '.join(topology_names())}")
    try:
        content = yaml.safe_load(path.read_text())
    except UnicodeDecodeError as error:
        raise UsageError(f"{path.name} is not text in UTF-8: {error.reason}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path.name}:{mark.line + 1}" if mark else path.name
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
        raise UsageError(f"{where} is not YAML: {problem}") from error
    if not isinstance(content, dict) or not isinstance(content.get("mysql"), dict):
        raise UsageError(f"{path.name} has no group 'mysql' with hosts")
    hosts = content["mysql"].get("hosts")
    if not isinstance(hosts, dict) or not hosts:
        raise UsageError(f"{path.name}: the group 'mysql' has no hosts")
    for name, host in hosts.items():
        if host is not None and not isinstance(host, dict):
            raise UsageError(f"{path.name}: {name} is {host!r}, not a mapping like {{server_id: 1}}")
    return path


def declared_groups(name: str) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, dict[str, Any]]]]:
    """Return an inventory's servers by name, and the settings of each proxy by its name by its kind.

    Raises:
        UsageError: there is no such file, or it cannot be read.
    """
    content = yaml.safe_load(readable_inventory(name).read_text())
    hosts = {host: variables or {} for host, variables in content["mysql"]["hosts"].items()}
    return hosts, {kind: dict.fromkeys(content[kind]["hosts"], _settings(kind)) for kind in KINDS if kind in content}


def _settings(kind: str) -> dict[str, Any]:
    """Return what is said of all proxies of a kind."""
    settings: dict[str, Any] = yaml.safe_load((INVENTORIES / "group_vars" / f"{kind}.yml").read_text())[kind]
    return settings


def declared_topology(name: str, instance: str, first_port: int) -> Topology:
    """Return what an inventory file describes, before anything is asked for or runs.

    Raises:
        UsageError: there is no such file, or it contradicts itself.
    """
    hosts, proxies = declared_groups(name)
    return Topology(
        name,
        instance,
        read_nodes(hosts, first_port),
        image="",
        sizing=Sizing(0, 0),
        proxies=read_proxies(proxies, first_port + len(hosts)),
    )


def drawn_topology(name: str, members: Collection[str]) -> Topology:
    """Return what an inventory file describes, with as many replicas behind each source as an instance of it had.

    Args:
        name: the inventory file.
        members: whom the instance had; of its replicas only the number counts.

    Raises:
        UsageError: there is no such file, or it contradicts itself.
    """
    declared = declared_topology(name, name, 0)
    servers = set(members) - {proxy.name for proxy in declared.proxies}
    if not servers or len(servers) == len(declared.nodes):
        return declared
    hosts, _ = declared_groups(name)
    sources = len(declared.sources)
    more = with_replicas(hosts, (len(servers) - sources) // sources)
    return replace(declared, nodes=read_nodes(more, 0))
