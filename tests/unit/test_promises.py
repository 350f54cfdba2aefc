"""What a drill promises, what of it holds for an instance, and what its user demands."""

import pytest
from wavetank.drills.traffic.promises import Promises, Thresholds, read_thresholds
from wavetank.errors import UsageError


@pytest.mark.parametrize("own_writes", [False, True])
@pytest.mark.parametrize("stay_out", [False, True])
@pytest.mark.parametrize(("lose", "semi_sync", "may"), [(0, 0, 0), (0, 1, 0), (1, 0, 1), (1, 1, 0), (1, 2, 0)])
def test_a_write_that_waits_for_a_replica_is_not_lost_and_the_rest_is_as_declared(
    lose: int, semi_sync: int, may: int, *, stay_out: bool, own_writes: bool
) -> None:
    declared = Promises(bool(lose), stay_out)
    assert declared.in_force(semi_sync, own_writes=own_writes) == Promises(bool(may), stay_out, own_writes)


@pytest.mark.parametrize(
    ("promises", "losses", "outages", "reads"),
    [
        (Promises(), "no acknowledged", "every outage ends", "another one may be behind"),
        (Promises(may_lose=True), "may be lost", "every outage ends", "another one may be behind"),
        (Promises(may_stay_out=True), "no acknowledged", "may last to the end", "another one may be behind"),
        (Promises(own_writes=True), "no acknowledged", "every outage ends", "sees its client's"),
    ],
)
def test_each_promise_is_a_phrase(promises: Promises, losses: str, outages: str, reads: str) -> None:
    said = list(promises.lines())
    assert len(said) == 3
    assert all(part in line for part, line in zip((losses, outages, reads), said, strict=True))


@pytest.mark.parametrize(
    ("max_rto", "max_lost", "demanded"),
    [
        ("", "", Thresholds()),
        ("5", "", Thresholds(rto_s=5.0)),
        ("0.5", "7", Thresholds(0.5, 7)),
        # None at all is a demand, too.
        ("0", "0", Thresholds(0.0, 0)),
        ("", "12", Thresholds(lost=12)),
    ],
)
def test_what_is_demanded(max_rto: str, max_lost: str, demanded: Thresholds) -> None:
    assert read_thresholds(max_rto, max_lost) == demanded


@pytest.mark.parametrize("max_rto", ["soon", "-1", "-0.1", "inf", "-inf", "nan", "5s"])
def test_no_time_from_0_on_is_refused(max_rto: str) -> None:
    with pytest.raises(UsageError, match=f"^max_rto={max_rto} is not"):
        read_thresholds(max_rto, "")


@pytest.mark.parametrize("max_lost", ["few", "-1", "1.5", "²", "٣"])
def test_no_count_from_0_on_is_refused(max_lost: str) -> None:
    with pytest.raises(UsageError, match=f"^max_lost={max_lost} is not"):
        read_thresholds("", max_lost)
