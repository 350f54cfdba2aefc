"""A verdict on a log with something planted in it is red, and names it."""

import pytest
from wavetank.drills.traffic.load import Load
from wavetank.drills.traffic.log import READ, WRITE, Operation
from wavetank.drills.traffic.promises import Promises, Thresholds
from wavetank.drills.traffic.verdict import Verdict, failures, judge, stale_reads

STORM_S = 10.0
# Ten writes of one client, one a second: five before the storm, then two seconds of nothing.
TIMES = [5.0, 6.0, 7.0, 8.0, 9.5, 12.5, 13.0, 14.0, 15.0, 16.0]


def write(id_: int, at_s: float, server: str = "", error: str = "", client: int = 1) -> Operation:
    return Operation(WRITE, client, id_, at_s - 0.1, at_s, server or ("db1" if at_s < STORM_S else "db2"), error)


def read(seen: int, at_s: float, client: int = 1, error: str = "") -> Operation:
    return Operation(READ, client, seen, at_s, at_s + 0.01, "db3", error)


# One client, who writes and reads once a second until the sixteenth.
LOAD = Load(5.0, 16.0, 1, 1, 1)
STRICT = Promises()
LOSES = Promises(may_lose=True)
WRITES = [write(number, at_s) for number, at_s in enumerate(TIMES, start=1)]
HELD = list(range(1, 11))


def judged(*more: Operation, held: list[int] | None = HELD, load: Load = LOAD) -> Verdict:
    return judge([*WRITES, *more], held, load, STORM_S, STORM_S + 3)


def complaints(verdict: Verdict, promises: Promises = STRICT) -> list[str]:
    """Return what is wrong with what was written; of reads these logs have few."""
    found = failures(verdict, promises, Thresholds())
    return [each for each in found if not each.startswith("the reads of client")]


def test_a_log_in_which_all_is_well_has_no_failure() -> None:
    verdict = judged(read(5, 10.0), read(10, 16.1))
    assert complaints(verdict) == []
    assert (verdict.acknowledged, verdict.lost, verdict.stale_reads) == (10, (), 0)


def test_the_outage_is_from_the_last_success_before_to_the_first_after() -> None:
    outage = judged().writes
    assert outage
    assert (outage.seconds, outage.began_s) == (3.0, 9.5)


def test_a_gap_that_was_over_before_the_storm_is_none_of_it() -> None:
    log = [write(1, 1.0), write(2, 9.0), write(3, 11.0), write(4, 11.5)]
    outage = judge(log, [1, 2, 3, 4], Load(0.5, 11.5, 1, 1, 1), STORM_S, STORM_S + 1).writes
    assert (outage.seconds, outage.unfinished) == (2.0, False)


def test_the_client_that_waits_longest_is_seen_though_others_go_on() -> None:
    others = [write(20 + at, 5.0 + at / 2, server="db2", client=2) for at in range(24)]
    verdict = judged(*others, held=[*HELD, *(each.id for each in others)], load=Load(5.0, 16.0, 2, 2, 2))
    assert verdict.writes
    assert verdict.worst_client
    assert (verdict.writes.seconds, verdict.worst_client.seconds) == (0.5, 3.0)


def test_a_lost_write_is_named() -> None:
    verdict = judged(held=[number for number in HELD if number != 5])
    assert verdict.lost == (5,)
    assert complaints(verdict) == ["1 write (5) acknowledged and lost"]
    # Asynchronous replication promises nothing: the report has them, and the drill does not fail.
    assert complaints(verdict, LOSES) == []


def test_many_lost_writes_are_counted() -> None:
    verdict = judged(held=[1, 2])
    assert verdict.lost == (3, 4, 5, 6, 7, 8, 9, 10)
    assert complaints(verdict) == ["8 writes (3, 4, 5, 6, 7, ...) acknowledged and lost"]
    assert complaints(judged(held=HELD[2:])) == ["2 writes (1, 2) acknowledged and lost"]


@pytest.mark.parametrize(("most", "red"), [(0, True), (1, True), (2, False), (3, False)])
def test_a_threshold_for_what_is_lost(most: int, red: bool) -> None:  # noqa: FBT001
    found = failures(judged(held=HELD[2:]), Promises(may_lose=True, may_stay_out=True), Thresholds(lost=most))
    assert found == [f"2 writes (1, 2) acknowledged and lost, where at most {most} was demanded"] * red


def test_a_failed_write_is_not_lost_whether_it_is_there_or_not() -> None:
    verdict = judged(write(11, 11.0, error="1290"), write(12, 11.2, error="2013"), held=[*HELD, 12])
    assert (verdict.lost, verdict.uncertain, verdict.unexpected) == ((), 1, ())
    assert verdict.errors == {"write: 1290": 1, "write: 2013": 1}


def test_a_duplicate_is_named() -> None:
    verdict = judged(held=[*HELD, 7])
    assert complaints(verdict, LOSES) == ["1 write (7) there more than once"]


def test_a_row_that_nobody_sent_is_named() -> None:
    assert complaints(judged(held=[*HELD, 99]), LOSES) == ["1 write (99) there that nobody sent"]


def test_a_write_that_the_replaced_server_takes_is_named() -> None:
    verdict = judged(write(11, 13.5, server="db1"), held=[*HELD, 11])
    assert verdict.split_brain_writes == (11,)
    assert verdict.as_dict()["late_takers"] == (11,)
    assert complaints(verdict, LOSES) == ["1 write (11) taken by a server that another one had replaced"]


def test_a_write_under_way_when_the_other_took_over_is_no_second_side() -> None:
    slow = Operation(WRITE, 1, 11, 9.6, 12.6, "db1")
    assert judged(slow, held=[*HELD, 11]).split_brain_writes == ()


@pytest.mark.parametrize(("seen", "stale"), [(5, 0), (4, 1), (0, 1)])
def test_a_read_that_saw_less_than_its_session_wrote_is_stale(seen: int, stale: int) -> None:
    assert judged(read(seen, 10.0)).stale_reads == stale


def test_a_stale_read_is_as_old_as_what_it_should_have_seen() -> None:
    assert judged(read(3, 10.0)).oldest_stale_s == 2.0
    assert judged(read(3, 10.00004)).oldest_stale_s == 2.0
    stale = read(3, 10.0)
    assert [each.read for each in stale_reads([*WRITES, stale], set())] == [stale]


def test_what_is_acknowledged_in_the_very_moment_need_not_be_seen() -> None:
    assert judged(read(4, 9.5)).stale_reads == 0
    # The fourth was elsewhere, and a while ago: this server has forgotten nothing.
    elsewhere = [write(4, 8.0), write(5, 9.5, server="db3"), read(3, 9.5)]
    (stale,) = stale_reads(elsewhere, set())
    assert (stale.behind_s, stale.forgotten) == (1.5, False)


def test_a_read_is_stale_by_the_first_that_was_acknowledged_of_what_it_did_not_see() -> None:
    (stale,) = stale_reads([write(5, 9.0), write(6, 8.0), read(4, 8.5)], set())
    assert stale.behind_s == 0.5


def test_what_others_wrote_and_what_failed_makes_no_read_stale() -> None:
    verdict = judged(write(11, 9.0, client=2), read(5, 10.0), read(0, 11.0, error="2013"), held=[*HELD, 11])
    assert verdict.stale_reads == 0


def test_a_write_acknowledged_while_the_read_was_under_way_need_not_be_seen() -> None:
    assert judged(read(4, 9.45)).stale_reads == 0


def test_no_write_after_the_storm_is_a_failure() -> None:
    verdict = judge(WRITES[:5], HELD[:5], LOAD, STORM_S, STORM_S + 3)
    assert complaints(verdict, LOSES) == [
        "no write was acknowledged after the storm",
        "the writes of client 1 were not served any more when the traffic ended, for 6.500 s at least",
    ]


# --- outages without an end


def refused(id_: int, at_s: float, client: int = 1) -> Operation:
    return write(id_, at_s, error="error 1290", client=client)


def test_writes_that_die_just_after_the_storm_are_an_outage_that_lasts_to_the_end() -> None:
    dead = [refused(100 + number, 10.2 + number / 100) for number in range(500)]
    verdict = judge([*WRITES[:5], write(6, 10.1), *dead], HELD[:6], LOAD, STORM_S, STORM_S + 3)
    assert verdict.writes.unfinished
    assert (verdict.writes.seconds, verdict.writes.began_s) == (5.9, 10.1)
    assert complaints(verdict) == [
        "the writes of client 1 were not served any more when the traffic ended, for 5.900 s at least"
    ]
    assert complaints(verdict, Promises(may_stay_out=True)) == []


@pytest.mark.parametrize("refusals", [0, 1, 50])
def test_a_client_that_never_comes_back_is_seen_though_others_go_on(refusals: int) -> None:
    others = [write(20 + at, 5.0 + at / 2, client=2) for at in range(6)]
    dead = [refused(900 + at, 8.0 + at / 10, client=2) for at in range(refusals)]
    verdict = judged(*others, *dead, held=[*HELD, *range(20, 26)], load=Load(5.0, 16.0, 2, 2, 2))
    assert not verdict.writes.unfinished
    assert verdict.worst_client.unfinished
    assert verdict.worst_client.seconds == 8.5
    assert complaints(verdict) == [
        "the writes of client 2 were not served any more when the traffic ended, for 8.500 s at least"
    ]


def test_a_client_that_never_came_waits_from_the_beginning() -> None:
    verdict = judged(load=Load(5.0, 16.0, 2, 2, 2))
    assert (verdict.worst_client.seconds, verdict.worst_client.began_s) == (11.0, 5.0)
    assert [(each.kind, each.client) for each in verdict.unfinished if each.kind == WRITE] == [(WRITE, 2)]


def test_readers_are_held_to_it_as_well() -> None:
    verdict = judged(*(read(0, at_s) for at_s in (5.5, 9.0, 9.49)))
    assert (verdict.reads.unfinished, verdict.reads.seconds) == (True, 6.5)
    assert verdict.worst_reader == verdict.reads
    assert "the reads of client 1 were not served any more" in failures(verdict, Promises(), Thresholds())[0]


@pytest.mark.parametrize(("end_s", "unfinished"), [(16.9, False), (17.0, False), (17.1, True)])
def test_a_second_without_a_word_is_an_outage(end_s: float, unfinished: bool) -> None:  # noqa: FBT001
    found = [each.kind for each in judged(load=Load(5.0, end_s, 1, 1, 1)).unfinished]
    assert (WRITE in found) == unfinished


def test_one_refusal_as_the_last_word_is_an_outage_however_short() -> None:
    verdict = judged(refused(11, 16.01), load=Load(5.0, 16.005, 1, 1, 1))
    assert [each.kind for each in verdict.unfinished if each.kind == WRITE] == [WRITE]


def test_an_operation_under_way_at_the_end_that_is_acknowledged_is_an_end() -> None:
    verdict = judged(write(11, 17.5), held=[*HELD, 11], load=Load(5.0, 16.0, 1, 1, 1))
    assert not verdict.writes.unfinished
    # It waited for it, and the outage is as long as that.
    assert verdict.writes.seconds == 3.0


def test_a_longer_outage_that_is_over_does_not_hide_one_that_is_not() -> None:
    verdict = judged(refused(11, 16.5), load=Load(5.0, 16.4, 1, 1, 1))
    assert (verdict.writes.seconds, verdict.writes.unfinished) == (3.0, False)
    assert len(complaints(verdict)) == 1


# --- what is not known, and what is demanded


def test_who_does_not_know_what_is_held_says_so_and_counts_nothing_as_lost() -> None:
    verdict = judged(held=None)
    assert (verdict.lost, verdict.held_known) == ((), False)
    assert complaints(verdict) == ["what the source holds is not known: nobody can say what is lost"]


@pytest.mark.parametrize(("most_s", "red"), [(2.999, True), (3.0, False), (0.0, True)])
def test_a_threshold_for_the_outage(most_s: float, red: bool) -> None:  # noqa: FBT001
    found = failures(judged(read(10, 15.9)), Promises(may_stay_out=True), Thresholds(rto_s=most_s))
    assert found == (
        [f"a client was without an acknowledged write for 3.000 s, where at most {most_s:g} s was demanded"]
        if red
        else []
    )


def test_an_outage_without_an_end_is_over_every_threshold() -> None:
    verdict = judged(refused(11, 16.01))
    assert failures(verdict, Promises(may_stay_out=True), Thresholds(rto_s=60.0)) == []
    verdict = judge(WRITES[:6], HELD[:6], LOAD, STORM_S, STORM_S + 3)
    assert len(failures(verdict, Promises(may_stay_out=True), Thresholds(rto_s=60.0))) == 1


# --- reads at the server that acknowledged


def test_a_server_that_does_not_show_what_it_acknowledged_has_forgotten_it() -> None:
    here = Operation(READ, 1, 7, 14.5, 14.51, "db2")
    elsewhere = Operation(READ, 1, 7, 14.5, 14.51, "db3")
    assert (judged(here).forgotten, judged(elsewhere).forgotten) == (1, 0)
    again = Operation(READ, 1, 7, 14.6, 14.61, "db2")
    assert complaints(judged(here, again))[0].startswith("2 reads did not see what the server")
    assert complaints(judged(here)) == ["1 read did not see what the server that answered had acknowledged itself"]
    assert complaints(judged(elsewhere), Promises(own_writes=True)) == [
        "1 read did not see what their client had been told is written, at most 0.500 s old"
    ]


def test_what_is_lost_nobody_can_see() -> None:
    verdict = judged(Operation(READ, 1, 9, 16.2, 16.3, "db2"), held=HELD[:-1])
    assert (verdict.lost, verdict.stale_reads, verdict.forgotten) == ((10,), 0, 0)
