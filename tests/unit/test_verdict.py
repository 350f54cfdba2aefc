"""A verdict on a log with something planted in it is red, and names it."""

import pytest
from wavetank.traffic.log import READ, WRITE, Operation, OperationLog
from wavetank.traffic.verdict import Verdict, failures, judge

STORM_S = 10.0
# Ten writes of one client, one a second: five before the storm, then two seconds of nothing.
TIMES = [5.0, 6.0, 7.0, 8.0, 9.5, 12.5, 13.0, 14.0, 15.0, 16.0]


def write(id_: int, at_s: float, server: str = "", error: str = "", client: int = 1) -> Operation:
    return Operation(WRITE, client, id_, at_s - 0.1, at_s, server or ("db1" if at_s < STORM_S else "db2"), error)


def read(seen: int, at_s: float, client: int = 1, error: str = "") -> Operation:
    return Operation(READ, client, seen, at_s, at_s + 0.01, "db3", error)


WRITES = [write(number, at_s) for number, at_s in enumerate(TIMES, start=1)]
HELD = list(range(1, 11))


def judged(*more: Operation, held: list[int] = HELD) -> Verdict:
    return judge(OperationLog([*WRITES, *more]), held, STORM_S)


def test_a_log_in_which_all_is_well_has_no_failure() -> None:
    verdict = judged(read(5, 10.0), read(10, 17.0))
    assert failures(verdict, may_lose=False) == []
    assert (verdict.acknowledged, verdict.lost, verdict.stale_reads) == (10, (), 0)


def test_the_outage_is_from_the_last_success_before_to_the_first_after() -> None:
    outage = judged().writes
    assert outage
    assert (outage.seconds, outage.began_s) == (3.0, 9.5)


def test_a_gap_that_was_over_before_the_storm_is_none_of_it() -> None:
    log = OperationLog([write(1, 1.0), write(2, 9.0), write(3, 11.0), write(4, 11.5)])
    outage = judge(log, [1, 2, 3, 4], STORM_S).writes
    assert outage
    assert outage.seconds == 2.0


def test_the_client_that_waits_longest_is_seen_though_others_go_on() -> None:
    others = [write(20 + at, 5.0 + at / 2, server="db2", client=2) for at in range(24)]
    verdict = judged(*others, held=[*HELD, *(each.id for each in others)])
    assert verdict.writes
    assert verdict.worst_client
    assert (verdict.writes.seconds, verdict.worst_client.seconds) == (0.5, 3.0)


def test_a_lost_write_is_named() -> None:
    verdict = judged(held=[number for number in HELD if number != 5])
    assert verdict.lost == (5,)
    assert failures(verdict, may_lose=False) == ["1 write (5) acknowledged and lost"]
    # Asynchronous replication promises nothing: the report has them, and the drill does not fail.
    assert failures(verdict, may_lose=True) == []


def test_many_lost_writes_are_counted() -> None:
    verdict = judged(held=[1, 2])
    assert verdict.lost == (3, 4, 5, 6, 7, 8, 9, 10)
    assert failures(verdict, may_lose=False) == ["8 writes (3, 4, 5, 6, 7, ...) acknowledged and lost"]


def test_a_failed_write_is_not_lost_whether_it_is_there_or_not() -> None:
    verdict = judged(write(11, 11.0, error="1290"), write(12, 11.2, error="2013"), held=[*HELD, 12])
    assert (verdict.lost, verdict.uncertain, verdict.unexpected) == ((), 1, ())
    assert verdict.errors == {"write: 1290": 1, "write: 2013": 1}


def test_a_duplicate_is_named() -> None:
    verdict = judged(held=[*HELD, 7])
    assert failures(verdict, may_lose=True) == ["1 write (7) there more than once"]


def test_a_row_that_nobody_sent_is_named() -> None:
    assert failures(judged(held=[*HELD, 99]), may_lose=True) == ["1 write (99) there that nobody sent"]


def test_a_write_that_the_replaced_server_takes_is_named() -> None:
    verdict = judged(write(11, 13.5, server="db1"), held=[*HELD, 11])
    assert verdict.late_takers == (11,)
    assert failures(verdict, may_lose=True) == ["1 write (11) taken by a server that another one had replaced"]


def test_a_write_under_way_when_the_other_took_over_is_no_second_side() -> None:
    slow = Operation(WRITE, 1, 11, 9.6, 12.6, "db1")
    assert judged(slow, held=[*HELD, 11]).late_takers == ()


@pytest.mark.parametrize(("seen", "stale"), [(5, 0), (4, 1), (0, 1)])
def test_a_read_that_saw_less_than_its_session_wrote_is_stale(seen: int, stale: int) -> None:
    assert judged(read(seen, 10.0)).stale_reads == stale


def test_a_stale_read_is_as_old_as_what_it_should_have_seen() -> None:
    assert judged(read(3, 10.0)).oldest_stale_s == 2.0


def test_what_others_wrote_and_what_failed_makes_no_read_stale() -> None:
    verdict = judged(write(11, 9.0, client=2), read(5, 10.0), read(0, 11.0, error="2013"), held=[*HELD, 11])
    assert verdict.stale_reads == 0


def test_a_write_acknowledged_while_the_read_was_under_way_need_not_be_seen() -> None:
    assert judged(read(4, 9.45)).stale_reads == 0


def test_no_write_after_the_storm_is_a_failure() -> None:
    verdict = judge(OperationLog(WRITES[:5]), HELD[:5], STORM_S)
    assert failures(verdict, may_lose=True) == ["no write was acknowledged after the storm"]
