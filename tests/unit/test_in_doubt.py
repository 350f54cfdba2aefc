"""What XA RECOVER lists, and which of it is a finding."""

import time
from types import SimpleNamespace
from typing import Any

import pytest
from wavetank.checks.questions import in_doubt_transactions
from wavetank.checks.questions.in_doubt_transactions import LONGEST_S
from wavetank.sharding import xa

NODE: Any = SimpleNamespace(name="db1")


def row(gtrid: str, qualifier: str, format_id: int = xa.FORMAT_ID) -> dict[str, Any]:
    """Return a row of XA RECOVER CONVERT XID."""
    data = f"0x{(gtrid + qualifier).encode().hex().upper()}"
    return {
        "formatID": format_id, "gtrid_length": len(gtrid), "bqual_length": len(qualifier), "data": data,
    }  # fmt: skip


class Listing:
    """A server that has these branches, and so many transactions that are old."""

    def __init__(self, *rows: dict[str, Any], old: int = 0) -> None:
        self._rows = list(rows)
        self._old = old

    def query(self, statement: str, parameters: object = ()) -> list[dict[str, Any]]:  # noqa: ARG002
        assert statement == xa.RECOVER
        return self._rows

    def value(self, statement: str) -> int:
        assert f"INTERVAL {LONGEST_S} SECOND" in statement
        return self._old


def found(listing: Listing) -> list[str]:
    servers: Any = {"db1": listing}
    seen = list(in_doubt_transactions.examine(NODE, servers))
    for finding in seen:
        assert finding.node == "db1"
        assert str(LONGEST_S) in finding.expected
        assert finding.next_step
    return [finding.found for finding in seen]


def named(age_s: float) -> str:
    return f"wt-{int((time.time() - age_s) * 1000)}-{16 * '0'}"


def test_a_name_is_read_back_and_says_when() -> None:
    gtrid = xa.new_gtrid()
    (branch,) = xa.branches(Listing(row(gtrid, "7")))
    assert branch == xa.Branch(gtrid, 7)
    assert abs(branch.age_s(time.time())) < 60


def test_what_is_young_is_no_finding() -> None:
    assert found(Listing(row(named(1), "1"))) == []


def test_what_is_just_as_old_as_it_may_be_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    begun_s = 1_800_000_000
    gtrid = f"wt-{begun_s * 1000}-{16 * '0'}"
    for age_s, findings in ((LONGEST_S, 0), (LONGEST_S + 0.5, 1)):
        monkeypatch.setattr(in_doubt_transactions, "time", SimpleNamespace(time=lambda age_s=age_s: begun_s + age_s))
        assert len(found(Listing(row(gtrid, "1")))) == findings


def test_what_is_old_is_one() -> None:
    (one,) = found(Listing(row(named(LONGEST_S + 60), "1")))
    assert "whose client is gone" in one


@pytest.mark.parametrize(
    "foreign",
    [row("other", "1", 1), row("other", "x"), row(named(9999), "1", 1), row(named(9999), "x"), row("wt-1-1", "1")],
)
def test_another_programs_branch_is_one_where_a_transaction_is_old(foreign: dict[str, Any]) -> None:
    assert found(Listing(foreign)) == []
    (one,) = found(Listing(foreign, old=1))
    assert "another program" in one
