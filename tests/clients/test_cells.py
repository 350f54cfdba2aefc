"""A dozen cells of the matrix, on real servers: what is known of these libraries is what comes out."""

import pytest
from clients_of import Measure

pytestmark = [pytest.mark.group("clients"), pytest.mark.disturbs]


@pytest.mark.parametrize(
    ("fault", "subject", "defaults", "hardened"),
    [
        ("killed-idle", "pymysql", "dead", "ok"),
        ("query-killed", "connector_pure", "failed", "failed"),
        ("frozen-commit", "pymysql", "hang", "unknown"),
        ("late-answer", "connector_pure", "ok", "ok"),
        ("commit-answer-dropped", "pymysql", "hang", "unknown"),
        ("deadlock", "pymysql", "failed", "ok"),
        ("lock-wait", "pymysql", "failed, there", "failed"),
        ("switchover", "sqlalchemy_pymysql", "failed", "ok"),
        ("session-variable", "sqlalchemy_pymysql", "left over", "ok"),
        ("reset-in-flight", "peewee_reconnect", "double", "unknown"),
        ("wrong-ca", "connector_pure", "deceived", "refused"),
        ("router-killed", "wavetank_client", "unknown", "unknown"),
    ],
)
def test_a_cell(fault: str, subject: str, defaults: str, hardened: str, measure: Measure) -> None:
    found = measure(fault, [subject])
    said = {key: (verdict.outcome.name, verdict.findings) for key, verdict in found.items()}
    assert (said[subject, False][0], said[subject, True][0]) == (defaults, hardened), said


def test_what_has_not_what_a_fault_needs_says_so(measure: Measure) -> None:
    verdict = measure("exhausted", ["pymysql"], [False])["pymysql", False]
    assert (verdict.outcome.name, verdict.findings) == ("n/a", (("n/a", "it has no borrow, give_back, limit"),))
