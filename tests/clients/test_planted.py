"""Bad clients, planted for each verdict: on real servers it is what it should be, or the matrix proves nothing."""

from pathlib import Path

import pytest
from clients_of import Measure

pytestmark = [pytest.mark.group("clients"), pytest.mark.disturbs]
PLANTED = Path(__file__).parent / "planted"


def planted(name: str) -> str:
    return str(PLANTED / f"{name}.py")


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (
            "threads-in-turn",
            {
                "loses": "lost",
                "doubles": "double",
                "answers_late": "wrong answer",
                "hangs": "hang",
                "leaks": "leak",
                "crashes": "crash",
                "refuses_and_writes": "failed, there",
            },
        ),
        ("killed-in-transaction", {"halves": "half"}),
        ("killed-idle", {"never_comes_back": "stuck"}),
        ("session-variable", {"shares": "left over", "breaks": "broken"}),
        ("used-after-return", {"shares": "shared"}),
        ("returned-twice", {"shares": "shared"}),
    ],
)
def test_a_bad_client_is_seen(fault: str, expected: dict[str, str], measure: Measure) -> None:
    found = measure(fault, [planted(name) for name in expected], [False], cap_s=8.0)
    assert {name: found[name, False].outcome.name for name in expected} == expected
    assert all(found[name, False].red for name in expected)


def test_a_pool_that_miscounts_is_seen(measure: Measure) -> None:
    verdict = measure("stale-snapshot", [planted("shares")], [False])["shares", False]
    assert "miscount" in dict(verdict.findings)


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [("wrong-ca", "deceived"), ("wrong-name", "deceived"), ("no-tls", "deceived"), ("stale-snapshot", "stale"),
     ("own-write", "stale")],
)  # fmt: skip
def test_a_library_s_defaults_that_do_this_are_seen(fault: str, outcome: str, measure: Measure) -> None:
    assert measure(fault, ["pymysql"], [False])["pymysql", False].outcome.name == outcome
