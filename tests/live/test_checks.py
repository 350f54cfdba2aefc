"""Every check is green on every node it concerns."""

import pytest
from wavetank.checks.asking import ask
from wavetank.servers.node import Servers
from wavetank.topology.model import Node


def test_nothing_is_found(check: str, node: Node, servers: Servers) -> None:
    answer = ask(check, node, servers)
    assert not answer.unanswered
    if answer.not_asked and not answer.findings:
        pytest.skip(f"{check} was not asked of {node.name}: {'; '.join(each.reason for each in answer.not_asked)}")
    assert not answer.findings, "\n".join(str(finding) for finding in answer.findings)
