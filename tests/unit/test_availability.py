"""How clients were served, of one small history that can be added up by hand."""

from wavetank.drills.traffic.availability import (
    Availability,
    OngoingOutage,
    availability_failures,
    availability_of,
    ongoing_outages,
)
from wavetank.drills.traffic.load import Load
from wavetank.drills.traffic.log import READ, WRITE, Operation
from wavetank.drills.traffic.outages import Outage, Series, gaps, longest
from wavetank.drills.traffic.promises import Promises, Thresholds
from wavetank.drills.traffic.verdict import EXAMPLES, _count

# Two clients from second 10 to second 20; the storm begins at 14 and is mended at 16.
LOAD = Load(10.0, 20.0, 2, 2.0, 2.0)
STORM_S, MENDED_S = 14.0, 16.0


def write(client: int, done_s: float, error: str = "", took_s: float = 0.1) -> Operation:
    return Operation(WRITE, client, int(done_s * 10) + client, done_s - took_s, done_s, "db1", error)


def read(client: int, done_s: float, error: str = "") -> Operation:
    return Operation(READ, client, 1, done_s - 0.01, done_s, "db2", error)


# Client 1 is refused while the storm lasts; client 2 never comes back.
HISTORY = [
    *(write(1, at) for at in (10.5, 11.5, 12.5, 13.5)),
    write(1, 14.5, "1290"), write(1, 15.5, "1290"),
    *(write(1, at) for at in (16.5, 17.5, 18.5, 19.5)),
    *(write(2, at) for at in (11.0, 12.0, 13.0)), write(2, 15.0, "2013"), write(2, 19.0, "2013"),
    *(read(client, 10.5 + at) for at in range(10) for client in (1, 2)),
]  # fmt: skip


def judged(*more: Operation) -> Availability:
    return availability_of([*HISTORY, *more], LOAD, STORM_S, MENDED_S)


def test_all_together_wait_as_long_as_nobody_is_served() -> None:
    found = judged()
    # From 13.5 to 16.5, although client 2 is out: others are served.
    assert found.writes == Outage(3.0, 13.5)
    assert found.reads == Outage(1.0, found.reads.began_s)
    assert (found.acknowledged, found.acknowledged_after) == (11, 4)


def test_the_client_that_never_comes_back_is_out_to_the_end() -> None:
    found = judged()
    assert found.worst_client == Outage(7.0, 13.0, unfinished=True)
    assert found.unfinished == (OngoingOutage(WRITE, 2, 7.0),)
    assert ongoing_outages(HISTORY, LOAD) == [OngoingOutage(WRITE, 2, 7.0)]


def test_a_client_of_whom_nothing_is_known_was_never_served() -> None:
    only_one = [each for each in HISTORY if each.client == 1]
    assert availability_of(only_one, LOAD, STORM_S, MENDED_S).unfinished == (
        OngoingOutage(WRITE, 2, 10.0),
        OngoingOutage(READ, 2, 10.0),
    )


def test_a_reader_that_is_out_is_told_apart_from_writers() -> None:
    found = availability_of(
        [each for each in HISTORY if each.kind == WRITE or each.client == 1], LOAD, STORM_S, MENDED_S
    )
    assert found.worst_reader == Outage(10.0, 10.0, unfinished=True)
    assert OngoingOutage(READ, 2, 10.0) in found.unfinished


def test_before_the_storm_only_what_was_acknowledged_counts() -> None:
    # Seven writes and eight reads in four seconds; what comes at the storm's beginning is not before it.
    assert judged().before == {"writes_per_s": 1.8, "reads_per_s": 2.0}
    assert judged(write(1, 12.2, "1290"), write(1, STORM_S)).before == {"writes_per_s": 1.8, "reads_per_s": 2.0}


def test_a_rate_is_of_the_time_before_the_storm_however_short() -> None:
    early = [write(1, 10.25), read(1, 10.25), read(2, 10.3), read(1, 12.5)]
    assert availability_of(early, LOAD, 10.5, 11.0).before == {"writes_per_s": 2.0, "reads_per_s": 4.0}
    assert availability_of(early, LOAD, 17.0, 18.0).before == {"writes_per_s": 0.1, "reads_per_s": 0.4}


def test_an_outage_is_known_to_the_millisecond() -> None:
    back = availability_of([write(1, 13.00004)], Load(10.0, 20.0, 1, 1.0, 1.0), STORM_S, MENDED_S)
    assert back.unfinished[0] == OngoingOutage(WRITE, 1, 7.0)


def test_how_quick_it_was_and_what_was_not_served_is_counted_by_kind_and_time() -> None:
    """A client writes once a second and reads twice: what was due while another one was under way waited for it."""
    load = Load(10.0, 20.0, 2, 2.0, 4.0)
    slow_write = Operation(WRITE, 1, 900, 12.0, 14.5, "db1")
    slow_read = Operation(READ, 1, 1, 17.0, 18.2, "db2")
    refused_write = Operation(WRITE, 2, 901, 14.0, 16.5, "db1", "2013")
    refused_read = Operation(READ, 2, 1, 16.0, 17.2, "db2", "2013")
    found = availability_of([slow_write, slow_read, refused_write, refused_read], load, STORM_S, MENDED_S)
    served = {
        kind: {span: latency and (latency.count, latency.max) for span, latency in spans.items()}
        for kind, spans in found.latency_ms.items()
    }
    assert served == {
        WRITE: {"before": (2, 2500.0), "during": None, "after": None},
        READ: {"before": None, "during": None, "after": (2, 1200.0)},
    }
    assert found.not_served == {
        WRITE: {"before": 0, "during": 2, "after": 0},
        READ: {"before": 0, "during": 0, "after": 2},
    }


def test_errors_are_counted_by_kind_and_reason() -> None:
    found = judged(read(1, 15.0, "2013"))
    assert found.errors == {"write: 1290": 2, "write: 2013": 2, "read: 2013": 1}


def test_a_write_that_is_acknowledged_as_the_storm_begins_is_after_it() -> None:
    assert judged(write(1, STORM_S)).acknowledged_after == 5


def test_without_any_time_after_the_storm_nobody_waited() -> None:
    ended = Load(0.0, 5.0, 1, 1.0, 1.0)
    assert longest(Series([5.0], []), ended, 9.0, unfinished=False) == Outage(0.0, 5.0)
    assert list(gaps(Series([5.0], []), ended, 9.0, unfinished=False)) == []


# --- what is said of it


def said(found: Availability, *, may_stay_out: bool = False, rto_s: float | None = None) -> list[str]:
    return list(availability_failures(found, Promises(may_stay_out=may_stay_out), Thresholds(rto_s=rto_s)))


def test_who_was_not_served_any_more_is_named() -> None:
    assert said(judged()) == [
        "the writes of client 2 were not served any more when the traffic ended, for 7.000 s at least"
    ]
    assert said(judged(), may_stay_out=True) == []
    both = [each for each in HISTORY if each.done_s < STORM_S or each.error]
    assert said(availability_of(both, LOAD, STORM_S, MENDED_S)) == [
        "no write was acknowledged after the storm",
        "the writes of clients 1, 2 were not served any more when the traffic ended, for 7.000 s at least",
        "the reads of clients 1, 2 were not served any more when the traffic ended, for 6.500 s at least",
    ]


def test_a_demand_is_broken_by_more_and_by_what_has_not_ended() -> None:
    back = [*HISTORY, write(2, 19.6), write(2, 20.0)]
    found = availability_of(back, LOAD, STORM_S, MENDED_S)
    assert found.worst_client == Outage(6.6, 13.0)
    assert said(found, rto_s=6.6) == []
    assert said(found, rto_s=6.5) == [
        "a client was without an acknowledged write for 6.600 s, where at most 6.5 s was demanded"
    ]
    (late,) = said(judged(), may_stay_out=True, rto_s=60)
    assert late == "a client was without an acknowledged write for at least 7.000 s, where at most 60 s was demanded"


def test_ids_are_named_up_to_a_few() -> None:
    assert _count([7]) == "1 write (7)"
    assert _count(range(1, EXAMPLES + 1)) == "5 writes (1, 2, 3, 4, 5)"
    assert _count(range(1, EXAMPLES + 2)) == "6 writes (1, 2, 3, 4, 5, ...)"
