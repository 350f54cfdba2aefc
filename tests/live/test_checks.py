"""Every check is green on every node it concerns."""

import pytest
from wavetank.checks import all_checks, ask
from wavetank.node import Servers
from wavetank.topology import Node, Topology


@pytest.mark.parametrize("check", all_checks())
def test_nothing_is_found(check: str, node: Node, topology: Topology, servers: Servers) -> None:
    if node not in all_checks()[check].concerns(topology):
        return  # the question is not about this node
    answer = ask(check, node, servers)
    assert not answer.unanswered
    assert not answer.findings, "\n".join(str(finding) for finding in answer.findings)
