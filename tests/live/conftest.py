"""Every test here runs against every topology that an inventory file describes, or against --instance."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from commands import own
from fronts import fronts_of
from wavetank.checks.asking import all_checks
from wavetank.provision.planning import FIRST_PORT
from wavetank.servers.node import Servers
from wavetank.topology.instance import Instance, topology_names
from wavetank.topology.inventory import declared_topology
from wavetank.topology.model import Member, Topology
from wavetank.topology.proxies import Proxy, proxysqls, read_proxies

# As many as it takes for rows to be apart; more of them are more of the same.
SHARDS = 2


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Cross the tests with the topologies and, where they ask for one, with its nodes and each node's checks."""
    named = metafunc.config.getoption("--instance")
    targets = {name: _planned(name, named) for name in ([named] if named else topology_names())}
    if not named:
        # What a proxy makes of shards is asked in tests/sharding/, with all checks and fewer servers.
        targets = {name: planned for name, planned in targets.items() if not (planned.shards and planned.proxies)}
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
    elif "splitter" in metafunc.fixturenames:
        splitting = [target for target, topology in targets.items() if proxysqls(topology.proxies)]
        metafunc.parametrize("target", splitting, scope="session")
    elif "front" in metafunc.fixturenames:
        fronted = [target for target, topology in targets.items() if topology.proxies]
        metafunc.parametrize("target", fronted, scope="session")
    elif "sharded" in metafunc.fixturenames:
        metafunc.parametrize("target", [name for name, each in targets.items() if each.shards], scope="session")
    elif "source" in metafunc.fixturenames:
        whole = [target for target, topology in targets.items() if not topology.shards]
        metafunc.parametrize("target", whole, scope="session")
    elif "target" in metafunc.fixturenames:
        metafunc.parametrize("target", targets, scope="session")


def _planned(target: str, named: str | None) -> Topology:
    """Return what will run, before it does: the tests are listed by it."""
    if named:
        return Instance(named).topology()
    planned = declared_topology(target, own(target), FIRST_PORT)
    planned = replace(planned, nodes=tuple(node for node in planned.nodes if node.shard <= SHARDS))
    return replace(planned, proxies=read_proxies(fronts_of(target), FIRST_PORT + len(planned.nodes)))


def _ids(cases: Sequence[tuple[str, ...]]) -> list[str]:
    return ["-".join(case) for case in cases]


@pytest.fixture(scope="session")
def topology(target: str, request: pytest.FixtureRequest) -> Topology:
    """The topology of the running instance under test."""
    name = request.config.getoption("--instance")
    if not name:
        options = {"SHARDS": SHARDS} if _planned(target, None).shards else {}
        name = request.getfixturevalue("bring_up_to_stay")(own(target), TOPOLOGY=target, **options)
    return Instance(name).topology()


@pytest.fixture(scope="session")
def ring(topology: Topology) -> Topology:
    """An instance with several sources that replicate from each other."""
    return topology


@pytest.fixture(scope="session")
def sharded(servers: Servers) -> Servers:
    """An instance whose rows are spread over shards."""
    return servers


@pytest.fixture(scope="session")
def front(topology: Topology) -> Proxy:
    """The proxy in front of an instance that has one."""
    return topology.proxies[0]


@pytest.fixture(scope="session")
def splitter(topology: Topology) -> Proxy:
    """The proxy that sends each statement where it belongs."""
    return proxysqls(topology.proxies)[0]


@pytest.fixture(scope="session")
def servers(topology: Topology) -> Iterator[Servers]:
    """Connections to all servers of the instance."""
    with Servers(topology) as servers:
        yield servers


@pytest.fixture
def node(topology: Topology, node_name: str) -> Member:
    """One node of the instance, or one of its proxies where a check concerns them."""
    return next(member for member in topology.members if member.name == node_name)
