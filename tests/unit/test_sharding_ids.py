"""Ids: never the same one twice, and ascending, whatever clocks, threads and processes do."""

import contextlib
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wavetank.sharding.errors import ShardingError, ShardUnavailableError
from wavetank.sharding.ids import (
    EPOCH,
    IDS_A_MS,
    LAST_MS,
    SPAN_MS,
    WORKERS,
    IdMaker,
    Span,
    parts_of,
    reserve_span,
    span_of,
    witnesses_of,
)


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


# --- servers that lose what they had not replicated


class LosingRecord:
    """A shard's source, whose replica has all but the newest: what each worker was given, in order, to be lost."""

    def __init__(self) -> None:
        self.log: list[tuple[int, int]] = []
        self.silent = False

    def used(self, worker: int) -> int:
        return max((until for each, until in self.log if each == worker), default=0)

    def lose(self, count: int) -> None:
        del self.log[len(self.log) - count :]

    def hand_out(self, first: int, workers: int) -> Span:
        worker = min(range(workers), key=lambda each: (self.used(each), each))
        end = max(self.used(worker), first) + SPAN_MS
        self.log.append((worker, end))
        return span_of(end * WORKERS + worker)

    def enter(self, span: Span) -> int | None:
        """Be the witness: one statement, carried out or not."""
        if self.silent:
            return None
        if (used := self.used(span.worker)) > span.first:
            return used
        self.log.append((span.worker, span.end))
        return 0


class LosingShards:
    """The catalogue's shard and its witnesses, and the spans that makers hold, as long as they like."""

    def __init__(self, shards: int) -> None:
        self.catalogue = LosingRecord()
        self.witnesses = {number: LosingRecord() for number in witnesses_of(list(range(1, shards + 1)))}
        self.given: list[Span] = []
        self._lost_by: dict[tuple[int, int], int] = {}

    def reserve(self, first: int) -> None:
        with contextlib.suppress(ShardUnavailableError):
            self.given.append(
                reserve_span(
                    first, lambda at: self.catalogue.hand_out(at, 4), [each.enter for each in self.witnesses.values()]
                )
            )

    def lose(self, shard: int, count: int) -> None:
        """Let one shard's failover lose its newest transactions, but nothing that another has lost as well."""
        record = self.catalogue if shard == 1 else self.witnesses.get(shard)
        newest = record.log[-count:] if record and count else []
        if record and all(self._lost_by.setdefault(each, shard) == shard for each in newest):
            record.lose(len(newest))


# The shard, and what becomes of it: it gives a span to a clock of so many ms, loses so much, is silent, answers again.
LOSSES = st.lists(
    st.one_of(
        st.tuples(st.just("reserve"), st.just(1), st.integers(0, 2 * SPAN_MS)),
        st.tuples(st.just("lose"), st.integers(1, 4), st.integers(0, 6)),
        st.tuples(st.sampled_from(["silent", "back"]), st.integers(2, 4), st.just(0)),
    ),
    max_size=40,
)


def overlap(spans: list[Span]) -> list[tuple[Span, Span]]:
    return [
        (one, other)
        for one, other in itertools.combinations(spans, 2)
        if one.worker == other.worker and one.first < other.end and other.first < one.end
    ]


@given(st.sampled_from([2, 4, 6]), LOSSES)
def test_no_span_is_given_twice_whatever_one_shard_loses(shards: int, actions: list[tuple[str, int, int]]) -> None:
    it = LosingShards(shards)
    for what, shard, much in actions:
        if what == "reserve":
            it.reserve(much)
        elif what == "lose":
            it.lose(shard, much)
        elif shard in it.witnesses:
            it.witnesses[shard].silent = what == "silent"
    assert overlap(it.given) == []


def test_a_reservation_that_a_failover_lost_is_not_given_again() -> None:
    it = LosingShards(2)
    it.reserve(1_000)
    it.catalogue.lose(1)
    it.reserve(1_000)
    assert len(it.given) == 2
    assert overlap(it.given) == []


def test_a_maker_that_waited_before_it_asked_the_witness_is_refused_there() -> None:
    it = LosingShards(2)
    late = it.catalogue.hand_out(1_000, 4)
    it.catalogue.lose(1)
    it.reserve(1_000)
    assert it.witnesses[2].enter(late) == late.end


@pytest.mark.parametrize(("silent", "shards"), [([2], 2), ([2], 3), ([2, 3], 4), ([3, 4], 9)])
def test_no_span_is_given_where_too_few_shards_bear_witness(silent: list[int], shards: int) -> None:
    it = LosingShards(shards)
    for number in silent:
        it.witnesses[number].silent = True
    witnesses = [each.enter for each in it.witnesses.values()]
    with pytest.raises(ShardUnavailableError, match="no ids"):
        reserve_span(0, lambda first: it.catalogue.hand_out(first, 4), witnesses)


@pytest.mark.parametrize(
    ("shards", "witnesses"),
    [([1], []), ([1, 2], [2]), ([3, 2, 1], [2]), ([1, 2, 3, 4], [2, 3, 4]), ([*range(1, 9)], [2, 3, 4])],
)
def test_witnesses_are_one_or_three(shards: list[int], witnesses: list[int]) -> None:
    assert witnesses_of(shards) == witnesses


def test_with_one_silent_witness_of_three_ids_go_on() -> None:
    it = LosingShards(4)
    it.witnesses[3].silent = True
    it.reserve(5)
    assert len(it.given) == 1


def test_a_catalogue_that_lost_everything_ends_somewhere_above() -> None:
    it = LosingShards(4)
    for _ in range(30):
        it.reserve(1_000)
    it.catalogue.lose(30)
    it.reserve(1_000)
    assert overlap(it.given) == []
    assert len(it.given) == 31
    # What a witness said was skipped at once: once for each worker, at the most.
    assert len(it.catalogue.log) <= 4 + 1


def test_one_witness_that_knows_is_enough_to_refuse() -> None:
    it = LosingShards(4)
    it.witnesses[2].silent = True
    it.reserve(1_000)
    it.witnesses[2].silent, it.witnesses[3].silent = False, True
    it.catalogue.lose(1)
    it.reserve(1_000)
    assert overlap(it.given) == []
    assert len(it.given) == 2
