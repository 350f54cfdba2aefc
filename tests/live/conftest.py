"""Every test here runs against every topology that an inventory file describes, or against --instance."""

from collections.abc import Iterator

import pytest
import yaml
from wavetank.instance import INVENTORIES, Instance, topology_names
from wavetank.node import Servers
from wavetank.topology import Node, Topology


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Cross the tests with the topologies and, where they ask for one node, with the nodes."""
    named = metafunc.config.getoption("--instance")
    if "node_name" in metafunc.fixturenames:
        pairs = [(each, node) for each in ([named] if named else topology_names()) for node in _nodes(named, each)]
        ids = [f"{topology}-{node}" for topology, node in pairs]
        metafunc.parametrize(("target", "node_name"), pairs, ids=ids, scope="session")
    elif "target" in metafunc.fixturenames:
        metafunc.parametrize("target", [named] if named else topology_names(), scope="session")


def _nodes(instance: str | None, topology: str) -> list[str]:
    if instance:
        return [node.name for node in Instance(instance).topology().nodes]
    return list(yaml.safe_load((INVENTORIES / f"{topology}.yml").read_text())["mysql"]["hosts"])


@pytest.fixture(scope="session")
def topology(target: str, request: pytest.FixtureRequest) -> Topology:
    """The topology of the running instance under test."""
    name = request.config.getoption("--instance")
    if not name:
        name = request.getfixturevalue("bring_up")(f"test-{target}", TOPOLOGY=target)
    return Instance(name).topology()


@pytest.fixture(scope="session")
def servers(topology: Topology) -> Iterator[Servers]:
    """Connections to all servers of the instance."""
    with Servers(topology) as servers:
        yield servers


@pytest.fixture
def node(topology: Topology, node_name: str) -> Node:
    """One node of the instance."""
    return topology.node(node_name)
