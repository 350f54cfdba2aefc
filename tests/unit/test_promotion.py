"""What the topology is after another server has become the source."""

from collections.abc import Callable

import pytest
from wavetank.change.role_transition import acknowledgements_to_wait_for, replaced_source, with_promoted
from wavetank.errors import UsageError
from wavetank.topology.model import Sizing, Topology
from wavetank.topology.parsing import read_nodes

HOSTS = {
    "db1": {"server_id": 1},
    "db2": {"server_id": 2, "replicates_from": "db1"},
    "db3": {"server_id": 3, "replicates_from": "db1"},
    "db4": {"server_id": 4, "replicates_from": "db3"},
}


@pytest.fixture
def tree() -> Topology:
    """A source, two replicas, and one behind the second."""
    return Topology("tree", "tree", read_nodes(HOSTS, 13310), image="", sizing=Sizing(0, 0), given={"replicas": "2"})


def test_the_promoted_one_heads_what_its_source_headed(tree: Topology) -> None:
    after = with_promoted(tree, "db3")
    assert {node.name: [channel.source for channel in node.channels] for node in after.nodes} == {
        "db1": ["db3"], "db2": ["db3"], "db3": [], "db4": ["db3"],
    }  # fmt: skip
    assert [node.name for node in after.sources] == ["db3"]
    assert after.given == {"replicas": "2", "repointed": {"db1": "db3", "db2": "db3", "db3": ""}}


def test_promoted_again_it_remembers_the_last(tree: Topology) -> None:
    after = with_promoted(with_promoted(tree, "db3"), "db1")
    assert [node.name for node in after.sources] == ["db1"]
    assert after.given["repointed"] == {"db1": "", "db2": "db1", "db3": "db1", "db4": "db1"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("db1", "db1 is the source already"),
        ("db4", "db4 replicates from db3: only a replica right behind the one source can replace it"),
        ("db9", "has no server 'db9'"),
        ("", "say which replica becomes the source"),
    ],
)
def test_who_cannot_take_the_place_is_refused(tree: Topology, name: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        replaced_source(tree, name)


@pytest.mark.parametrize(
    ("asked", "absent", "acknowledgements"),
    [(0, (), 0), (1, (), 1), (2, (), 2), (2, ("db1",), 1), (1, ("db1",), 1), (1, ("db1", "db3"), 0), (2, ("db2",), 2)],
)
def test_a_new_source_waits_for_no_more_acknowledgements_than_it_can_get(
    make_topology: Callable[..., Topology], asked: int, absent: tuple[str, ...], acknowledgements: int
) -> None:
    after = with_promoted(make_topology(semi_sync=asked), "db2")
    assert acknowledgements_to_wait_for(after, "db2", absent) == acknowledgements
