"""Every wait has a bound, and says what it waited for and what it saw last."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from wavetank.errors import UsageError
from wavetank.waiting import wait_until


def refused(look: Callable[[], Any], **rest: Any) -> str:  # noqa: ANN401
    with pytest.raises(UsageError) as refusal:
        wait_until("the tide", look, timeout_s=0.02, interval_s=0.005, **rest)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def test_what_is_good_at_once_is_returned_at_once() -> None:
    started = time.monotonic()
    assert wait_until("the tide", lambda: "high", timeout_s=60, interval_s=30) == "high"
    assert time.monotonic() - started < 5


def test_what_becomes_good_is_returned() -> None:
    started = time.monotonic()
    seen = iter([None, 0, "", "high", "higher"])
    assert wait_until("the tide", lambda: next(seen), timeout_s=60, interval_s=0.001) == "high"
    assert time.monotonic() - started < 2


def test_who_waits_says_what_is_good() -> None:
    seen = iter(range(10))
    assert wait_until("the tide", lambda: next(seen), timeout_s=60, interval_s=0.001, good=lambda m: m > 3) == 4


def test_what_is_good_may_be_nothing() -> None:
    assert wait_until("the ebb", list, timeout_s=60, interval_s=0.001, good=lambda boats: not boats) == []


def test_a_wait_has_a_bound() -> None:
    started = time.monotonic()
    with pytest.raises(UsageError):
        wait_until("the tide", lambda: False, timeout_s=0.05, interval_s=0.01)
    assert 0.05 <= time.monotonic() - started < 2


def test_a_wait_in_vain_says_for_what_and_how_long() -> None:
    assert refused(lambda: False) == "waited 0.02 s for the tide"
    assert refused(lambda: None) == "waited 0.02 s for the tide"


@pytest.mark.parametrize("last", ["low", 3, 0, ["db1"]])
def test_a_wait_in_vain_says_what_was_seen_last(last: object) -> None:
    assert refused(lambda: last, good=lambda _: False) == f"waited 0.02 s for the tide; last seen: {last}"


def test_a_wait_in_vain_says_where_to_look() -> None:
    assert refused(lambda: False, hint="docker logs moon") == "waited 0.02 s for the tide; docker logs moon"
    assert refused(lambda: "low", good=lambda _: False, hint="docker logs moon") == (
        "waited 0.02 s for the tide; last seen: low; docker logs moon"
    )


def test_an_error_ends_the_wait_as_itself() -> None:
    looks = []

    def look() -> None:
        looks.append("again")
        raise KeyError("moon")

    with pytest.raises(KeyError, match="moon"):
        wait_until("the tide", look, timeout_s=0.02, interval_s=0.001)
    assert len(looks) == 1
