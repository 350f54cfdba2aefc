"""Every test here runs against every topology that an inventory file describes, or against --instance."""

from collections.abc import Iterator, Sequence

import pytest
from commands import own
from wavetank.checks import all_checks
from wavetank.instance import Instance, topology_names
from wavetank.inventory import declared_topology
from wavetank.node import Servers
from wavetank.planning import FIRST_PORT
from wavetank.topology import Node, Topology


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Cross the tests with the topologies and, where they ask for one, with its nodes and each node's checks."""
    named = metafunc.config.getoption("--instance")
    targets = {name: _planned(name, named) for name in ([named] if named else topology_names())}
    if "check" in metafunc.fixturenames:
        questions = [
            (target, node.name, check)
            for target, topology in targets.items()
            for check, module in all_checks().items()
            for node in module.concerns(topology)
        ]
        metafunc.parametrize(("target", "node_name", "check"), questions, ids=_ids(questions), scope="session")
    elif "node_name" in metafunc.fixturenames:
        nodes = [(target, node.name) for target, topology in targets.items() for node in topology.nodes]
        metafunc.parametrize(("target", "node_name"), nodes, ids=_ids(nodes), scope="session")
    elif "ring" in metafunc.fixturenames:
        rings = [target for target, topology in targets.items() if len(topology.peers) > 1]
        metafunc.parametrize("target", rings, scope="session")
    elif "target" in metafunc.fixturenames:
        metafunc.parametrize("target", targets, scope="session")


def _planned(target: str, named: str | None) -> Topology:
    """Return what will run, before it does: the tests are listed by it."""
    if named:
        return Instance(named).topology()
    return declared_topology(target, own(target), FIRST_PORT)


def _ids(cases: Sequence[tuple[str, ...]]) -> list[str]:
    return ["-".join(case) for case in cases]


@pytest.fixture(scope="session")
def topology(target: str, request: pytest.FixtureRequest) -> Topology:
    """The topology of the running instance under test."""
    name = request.config.getoption("--instance")
    if not name:
        name = request.getfixturevalue("bring_up")(own(target), TOPOLOGY=target)
    return Instance(name).topology()


@pytest.fixture(scope="session")
def ring(topology: Topology) -> Topology:
    """An instance with several sources that replicate from each other."""
    return topology


@pytest.fixture(scope="session")
def servers(topology: Topology) -> Iterator[Servers]:
    """Connections to all servers of the instance."""
    with Servers(topology) as servers:
        yield servers


@pytest.fixture
def node(topology: Topology, node_name: str) -> Node:
    """One node of the instance."""
    return topology.node(node_name)
