"""Latencies count from when an operation was due, and a stall counts for all that were due in it."""

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wavetank.drills.traffic.latency import AFTER, BEFORE, DURING, Answered, Spans, latencies, refusals, waited
from wavetank.drills.traffic.load import ticks

PERIOD_S = 0.02
FAST = [Answered(number * PERIOD_S, number * PERIOD_S + 0.002) for number in range(100)]
# One of them takes nearly a second. In it 48 others were due; the one after these was sent at its end.
STALLED = Answered(2.0, 2.995)
LATER = [Answered(2.98 + number * PERIOD_S, 2.98 + number * PERIOD_S + 0.017) for number in range(100)]


def test_a_stall_counts_for_all_that_were_due_in_it() -> None:
    found = latencies([*FAST, STALLED, *LATER], PERIOD_S, Spans(100.0, 200.0))[BEFORE]
    assert found
    assert found.count == 249
    # By when they were sent it was one slow operation of 201, and the 99th percentile was 2 ms.
    assert found.p99 == pytest.approx(955, abs=21)
    assert (found.p50, found.max) == (pytest.approx(17, abs=0.02), 995.0)


def test_what_was_missed_waited_to_the_end_of_what_held_it_up() -> None:
    slow = Answered(1.0, 1.05)
    assert [(round(each.due_s, 3), each.done_s) for each in waited(slow, PERIOD_S)] == [(1.0, 1.05), (1.02, 1.05)]
    # The next one was due within a period of the end: it was sent, and counts for itself.
    assert list(waited(Answered(1.0, 1.039), PERIOD_S)) == [Answered(1.0, 1.039)]


def test_each_is_of_the_time_in_which_it_was_due() -> None:
    found = latencies([*FAST, STALLED, *LATER], PERIOD_S, Spans(2.49, 2.97))
    assert [found[span].count for span in (BEFORE, DURING, AFTER)] == [125, 24, 100]  # type: ignore[union-attr]
    assert latencies([], PERIOD_S, Spans(2.5, 3.0)) == {BEFORE: None, DURING: None, AFTER: None}


def test_who_was_held_up_by_a_refusal_was_not_served_either() -> None:
    # Two seconds until the client was told, in which 98 others were due; then one that fails at once.
    refused = [Answered(1.0, 2.99), Answered(2.98, 2.995)]
    assert refusals(refused, PERIOD_S, Spans(2.0, 2.5)) == {BEFORE: 50, DURING: 25, AFTER: 25}


@settings(deadline=None)
@given(st.lists(st.floats(0.0001, 3.0), min_size=1, max_size=200))
def test_percentiles_are_those_of_the_sorted_waits(took_s: list[float]) -> None:
    operations = [Answered(number * 10.0, number * 10.0 + each) for number, each in enumerate(took_s)]
    all_ms = sorted((each.done_s - each.due_s) * 1000 for each in operations)
    found = latencies(operations, 5.0, Spans(1e9, 1e9))[BEFORE]
    assert found
    for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99_9", 0.999)):
        # The histogram takes the nearest rank.
        rank = max(1, int(share * len(all_ms) + 0.5))
        assert getattr(found, name) == pytest.approx(all_ms[rank - 1], rel=0.002, abs=0.002)
    assert found.max == pytest.approx(all_ms[-1], abs=0.001)


# --- when it is due


def test_who_is_held_up_does_the_latest_that_is_due_and_no_burst() -> None:
    over = threading.Event()
    due, said = [], []
    for due_s in ticks(50, over):
        due.append(due_s)
        said.append(time.monotonic())
        if len(due) == 2:
            over.wait(0.11)
        if len(due) == 8:
            over.set()
    steps = [round((later - due[0]) / PERIOD_S, 3) for later in due]
    # All on one grid; some were missed, and none of them was made up for.
    assert all(abs(step - round(step)) < 1e-6 for step in steps)
    assert steps == sorted(set(steps))
    assert steps[2] - steps[1] >= 5
    assert all(at_s - due_s >= 0 for at_s, due_s in zip(said, due, strict=True))


def test_it_is_over_as_soon_as_it_is() -> None:
    over = threading.Event()
    over.set()
    assert list(ticks(50, over)) == []
