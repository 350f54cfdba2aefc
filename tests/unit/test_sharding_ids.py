"""Ids: never the same one twice, and ascending, whatever clocks, threads and processes do."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wavetank.sharding.errors import ShardingError
from wavetank.sharding.ids import EPOCH, IDS_A_MS, LAST_MS, SPAN_MS, WORKERS, IdMaker, Span, parts_of, span_of


class Record:
    """What the catalogue's table does: hands out spans, the worker first that was given none for longest."""

    def __init__(self, workers: int = 4) -> None:
        self._used = dict.fromkeys(range(workers), 0)
        self._lock = threading.Lock()
        self.given: list[Span] = []

    def reserve(self, first: int) -> Span:
        with self._lock:
            worker = min(self._used, key=lambda each: (self._used[each], each))
            end = max(self._used[worker], first) + SPAN_MS
            self._used[worker] = end
            self.given.append(span_of(end * WORKERS + worker))
            return self.given[-1]


class Clock:
    """A clock that is set by hand, in ms."""

    def __init__(self, now: int = 1_000_000) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


# What happens to one of two makers: it makes so many ids, its clock goes so far, or it ends and another one begins.
ACTIONS = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.one_of(
            st.tuples(st.just("make"), st.integers(1, 50)),
            st.tuples(st.just("clock"), st.integers(-10 * SPAN_MS, 10 * SPAN_MS)),
            st.tuples(st.just("restart"), st.just(0)),
        ),
    ),
    max_size=60,
)


@given(ACTIONS)
def test_no_id_comes_twice_and_those_of_a_maker_ascend(actions: list[tuple[int, tuple[str, int]]]) -> None:
    record = Record()
    clocks = Clock(20 * SPAN_MS), Clock(20 * SPAN_MS)
    makers = [IdMaker(record.reserve, clock) for clock in clocks]
    last = [0, 0]
    seen: set[int] = set()
    for which, (what, much) in actions:
        if what == "clock":
            clocks[which].now = max(0, clocks[which].now + much)
        elif what == "restart":
            makers[which], last[which] = IdMaker(record.reserve, clocks[which]), 0
        for _ in range(much if what == "make" else 0):
            made = makers[which].new_id()
            assert made not in seen
            assert made > last[which]
            seen.add(made)
            last[which] = made


def test_threads_get_ids_of_their_own() -> None:
    maker = IdMaker(Record().reserve)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: [maker.new_id() for _ in range(2000)], range(8)))
    assert len({each for ids in made for each in ids}) == 16_000
    assert all(ids == sorted(ids) for ids in made)


def test_a_ms_that_is_full_gives_way_to_the_next() -> None:
    clock = Clock()
    maker = IdMaker(Record().reserve, clock)
    made = [parts_of(maker.new_id()) for _ in range(IDS_A_MS + 1)]
    assert {each.at for each in made[:-1]} == {EPOCH + timedelta(milliseconds=clock.now)}
    assert made[-1].at == EPOCH + timedelta(milliseconds=clock.now + 1)
    assert [each.sequence for each in made] == [*range(IDS_A_MS), 0]


def test_no_id_lies_outside_of_what_was_handed_out() -> None:
    record, clock = Record(workers=1), Clock()
    maker = IdMaker(record.reserve, clock)
    for _ in range(5):
        clock.now += SPAN_MS // 2
        made = parts_of(maker.new_id())
        span = record.given[-1]
        assert span.first <= (made.at - EPOCH) / timedelta(milliseconds=1) < span.end
        assert made.worker == span.worker


def test_an_id_fits_a_signed_column_until_the_time_is_used_up() -> None:
    record = Record(workers=1)
    assert IdMaker(record.reserve, Clock(LAST_MS - SPAN_MS)).new_id() < 2**63
    with pytest.raises(ShardingError, match="no ids after 2095"):
        IdMaker(record.reserve, Clock(LAST_MS - SPAN_MS)).new_id()


def test_an_id_says_when_it_was_made() -> None:
    made = parts_of(IdMaker(Record().reserve).new_id())
    assert abs(made.at - datetime.now(UTC)) < timedelta(minutes=2)
