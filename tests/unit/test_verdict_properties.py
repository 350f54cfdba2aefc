"""The verdict on random histories, against an oracle that is as plain as it is slow."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from wavetank.drills.traffic.load import Load
from wavetank.drills.traffic.log import READ, WRITE, Operation
from wavetank.drills.traffic.outages import SILENCE_S
from wavetank.drills.traffic.promises import Promises, Thresholds
from wavetank.drills.traffic.verdict import Verdict, failures, judge

CLIENTS = 3
BEGAN_S, ENDED_S, PERIOD_S = 0.0, 10.0, 0.3
LOAD = Load(BEGAN_S, ENDED_S, CLIENTS, CLIENTS / PERIOD_S, CLIENTS / PERIOD_S)
SERVERS = ("db1", "db2", "db3")

# Tenths of a second, so that times meet, and binary fractions do not decide.
times = st.integers(0, 110).map(lambda tenths: tenths / 8)
ids = st.integers(1, 40)
operations = st.builds(
    lambda kind, client, id_, sent_s, took_s, server, error: Operation(
        kind, client, id_, sent_s, sent_s + took_s, server, error
    ),
    st.sampled_from([WRITE, READ]), st.integers(1, CLIENTS), ids, times, times.map(lambda at: at / 8),
    st.sampled_from(SERVERS), st.sampled_from(["", "", "", "error 1290"]),
)  # fmt: skip
# Of writes there are no two with the same id.
histories = st.lists(
    operations, max_size=60, unique_by=lambda each: (each.kind, each.id if each.kind == WRITE else each)
)
helds = st.lists(ids, max_size=60)
storms = st.integers(0, 80).map(lambda tenths: tenths / 8)


def acknowledged(history: Sequence[Operation], kind: str, client: int = 0) -> list[Operation]:
    return [each for each in history if each.kind == kind and not each.error and client in (0, each.client)]


def oracle_out(history: Sequence[Operation], kind: str, client: int) -> bool:
    """Say whether a client was out when the traffic ended, by going through all that it heard."""
    mine = sorted((each.done_s, bool(each.error)) for each in history if each.kind == kind and each.client == client)
    good = [at_s for at_s, bad in mine if not bad]
    last_s = good[-1] if good else BEGAN_S
    return any(bad and at_s > last_s for at_s, bad in mine) or ENDED_S - last_s > SILENCE_S


def oracle_outage(history: Sequence[Operation], kind: str, client: int, storm_s: float) -> tuple[float, bool]:
    """Say how long the longest outage was, and whether it had no end: by every two moments with none between them."""
    ends = [BEGAN_S, *(each.done_s for each in acknowledged(history, kind, client))]
    whose = [client] if client else range(1, CLIENTS + 1)
    out = all(oracle_out(history, kind, each) for each in whose)
    refusals = [each.done_s for each in history if each.kind == kind and each.error and each.client in whose]
    close_s = max([ENDED_S, *refusals]) if out else ENDED_S
    found = [
        (round(second - first, 3), False)
        for first in ends
        for second in ends
        if second >= storm_s and first <= second and not any(first < each < second for each in ends)
    ]
    if close_s > max(ends):
        found.append((round(close_s - max(ends), 3), out))
    return max(found, default=(0.0, False))


def oracle_stale(history: Sequence[Operation], lost: set[int], *, same_server: bool) -> list[float]:
    """Say how old what each stale read did not see was."""
    ages = []
    for read in acknowledged(history, READ):
        unseen = [
            write.done_s
            for write in acknowledged(history, WRITE, read.client)
            if write.id > read.id and write.id not in lost and write.done_s < read.sent_s
            and (not same_server or write.server == read.server)
        ]  # fmt: skip
        if unseen:
            ages.append(read.sent_s - min(unseen))
    return ages


def judged(history: Sequence[Operation], held: Sequence[int] | None, storm_s: float) -> Verdict:
    return judge(history, held, LOAD, storm_s, storm_s + 1)


@settings(deadline=None)
@given(histories, helds, storms)
def test_what_is_held_is_counted_as_the_oracle_counts_it(
    history: list[Operation], held: list[int], storm_s: float
) -> None:
    verdict = judged(history, held, storm_s)
    mine = acknowledged(history, WRITE)
    sent = [each.id for each in history if each.kind == WRITE]
    assert list(verdict.lost) == sorted(each.id for each in mine if each.id not in held)
    assert list(verdict.duplicates) == sorted({id_ for id_ in held if held.count(id_) > 1})
    assert list(verdict.unexpected) == sorted({id_ for id_ in held if id_ not in sent})
    assert verdict.uncertain == sum(each.kind == WRITE and bool(each.error) and each.id in held for each in history)
    assert verdict.acknowledged == len(mine)
    assert verdict.acknowledged_after == len([each for each in mine if each.done_s >= storm_s])
    assert sum(verdict.errors.values()) == len([each for each in history if each.error])


@settings(deadline=None)
@given(histories, helds, storms)
def test_reads_are_stale_where_the_oracle_says_so(history: list[Operation], held: list[int], storm_s: float) -> None:
    verdict = judged(history, held, storm_s)
    lost = {each.id for each in acknowledged(history, WRITE)} - set(held)
    ages = oracle_stale(history, lost, same_server=False)
    assert (verdict.stale_reads, verdict.oldest_stale_s) == (len(ages), round(max(ages, default=0.0), 3))
    assert verdict.forgotten == len(oracle_stale(history, lost, same_server=True))


@settings(deadline=None)
@given(histories, storms)
def test_outages_are_as_long_as_the_oracle_says(history: list[Operation], storm_s: float) -> None:
    verdict = judged(history, None, storm_s)
    for kind, together, alone in (
        (WRITE, verdict.writes, verdict.worst_client),
        (READ, verdict.reads, verdict.worst_reader),
    ):
        assert (together.seconds, together.unfinished) == oracle_outage(history, kind, 0, storm_s)
        worst = max(oracle_outage(history, kind, client, storm_s) for client in range(1, CLIENTS + 1))
        assert (alone.seconds, alone.unfinished) == worst
        out = [client for client in range(1, CLIENTS + 1) if oracle_out(history, kind, client)]
        assert [each.client for each in verdict.unfinished if each.kind == kind] == out


@settings(deadline=None)
@given(histories, storms)
def test_no_client_waits_less_than_all_together(history: list[Operation], storm_s: float) -> None:
    verdict = judged(history, None, storm_s)
    assert verdict.worst_client.seconds >= verdict.writes.seconds
    assert verdict.worst_reader.seconds >= verdict.reads.seconds


@settings(deadline=None)
@given(histories, storms)
def test_split_brain_writes_are_those_of_the_oracle(history: list[Operation], storm_s: float) -> None:
    mine = sorted(acknowledged(history, WRITE), key=lambda each: each.done_s)
    order = list(dict.fromkeys(each.server for each in mine))
    late = []
    for each in mine:
        behind = order[order.index(each.server) + 1 :]
        first_s = min((other.done_s for other in mine if behind and other.server == behind[0]), default=None)
        if first_s is not None and each.sent_s > first_s:
            late.append(each.id)
    assert list(judged(history, None, storm_s).split_brain_writes) == sorted(late)


@settings(deadline=None)
@given(histories, helds, storms, st.data())
def test_taking_an_acknowledged_write_out_is_always_seen(
    history: list[Operation], held: list[int], storm_s: float, data: st.DataObject
) -> None:
    mine = [each.id for each in acknowledged(history, WRITE)]
    if not mine:
        return
    gone = data.draw(st.sampled_from(mine))
    without = [id_ for id_ in held if id_ != gone]
    verdict = judged(history, without, storm_s)
    assert gone in verdict.lost
    assert any(each.endswith("acknowledged and lost") for each in failures(verdict, Promises(), Thresholds()))
    demanding = failures(verdict, Promises(may_lose=True), Thresholds(lost=len(verdict.lost) - 1))
    assert any("was demanded" in each for each in demanding)


@settings(deadline=None)
@given(histories, storms)
def test_the_order_of_the_log_decides_nothing(history: list[Operation], storm_s: float) -> None:
    assert judged(history[::-1], None, storm_s) == replace(
        judged(history, None, storm_s), errors=judged(history[::-1], None, storm_s).errors
    )
