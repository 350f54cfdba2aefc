"""What is made of what a client told and of the rows there are: each outcome, and what must not be taken for it."""

from typing import Any

import pytest
from wavetank.client_faults.judging import outcomes
from wavetank.client_faults.judging.outcomes import OUTCOMES, Outcome
from wavetank.client_faults.judging.verdict import CLAIMS, Told, judge

STRUCK_S, HEALED_S = 10.0, 11.0


def end(what: str, at_s: float, **facts: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"event": "end", "what": what, "at_s": at_s, "result": None, **facts}


def failed(what: str, at_s: float, number: int | None, **facts: Any) -> dict[str, Any]:  # noqa: ANN401
    error = {"class": "library.Error", "number": number, "message": "it failed"}
    found = end(what, at_s, error=error, **facts)
    del found["result"]
    return found


def wrote(at_s: float = 10.2, nonces: tuple[int, ...] = (2,)) -> dict[str, Any]:
    return end("write", at_s, kind="write", nonces=list(nonces))


def read(what: str, at_s: float, nonce: int, result: int | None = None) -> dict[str, Any]:
    return end(what, at_s, kind="read", nonce=nonce, result=nonce if result is None else result)


def gate(name: str, at_s: float) -> dict[str, Any]:
    return {"event": "gate", "name": name, "at_s": at_s}


READY = (read("first read", 9.0, 1), gate("struck", 9.5))
AGAIN = (read("again", 11.5, 3), end("next write", 11.6, kind="write", nonces=[4]), gate("settled", 11.7))
HELD = {2: 1, 4: 1}


def told(*events: dict[str, Any], **facts: Any) -> Told:  # noqa: ANN401
    answered = max((each["at_s"] for each in events), default=STRUCK_S) + 0.1
    whole = (*READY, *events, gate("answered", answered), *AGAIN)
    return Told(
        **{"events": whole, "struck_s": STRUCK_S, "healed_s": HEALED_S, "held": HELD, "connections": {}} | facts
    )


def of(told: Told) -> Outcome:
    return judge(told).outcome


def test_what_is_done_once_is_ok() -> None:
    verdict = judge(told(wrote()))
    assert (verdict.outcome, verdict.findings, verdict.error) == (outcomes.OK, (), None)
    assert (verdict.answered_s, verdict.again_s) == (0.2, 0.5)


@pytest.mark.parametrize(
    ("number", "held", "outcome"),
    [
        (1317, {4: 1}, outcomes.FAILED),
        (1317, {2: 1, 4: 1}, outcomes.FAILED_AND_THERE),
        (1205, {4: 1}, outcomes.FAILED),
        (3032, {4: 1}, outcomes.FAILED),
        (2003, {4: 1}, outcomes.FAILED),
        (2006, {4: 1}, outcomes.UNKNOWN),
        (2013, {4: 1}, outcomes.UNKNOWN),
        (2013, {2: 1, 4: 1}, outcomes.UNKNOWN),
        (1053, {4: 1}, outcomes.UNKNOWN),
        (4031, {4: 1}, outcomes.UNKNOWN),
        (None, {4: 1}, outcomes.UNKNOWN),
        (2013, {2: 2, 4: 1}, outcomes.DOUBLE),
        (1317, {2: 2, 4: 1}, outcomes.DOUBLE),
    ],
)
def test_an_exception_says_that_nothing_was_done_or_says_nothing(
    number: int | None, held: dict[int, int], outcome: Outcome
) -> None:
    assert of(told(failed("write", 10.2, number, kind="write", nonces=[2]), held=held)) is outcome


@pytest.mark.parametrize(
    ("held", "outcome"),
    [
        ({4: 1}, outcomes.LOST),
        ({2: 2, 4: 1}, outcomes.DOUBLE),
        ({2: 1}, outcomes.LOST),
        ({2: 1, 4: 3}, outcomes.DOUBLE),
    ],
)
def test_what_is_acknowledged_is_there_once(held: dict[int, int], outcome: Outcome) -> None:
    assert of(told(wrote(), held=held)) is outcome


@pytest.mark.parametrize(
    ("message", "outcome"),
    [
        ("The Read Operation timed out", outcomes.UNKNOWN),
        ("Query execution was interrupted, maximum statement execution time exceeded", outcomes.FAILED_AND_THERE),
    ],
)
def test_a_number_that_the_connector_uses_for_its_own_timeout_says_nothing(message: str, outcome: Outcome) -> None:
    write = failed("write", 10.2, 3024, kind="write", nonces=[2])
    write["error"]["message"] = message
    assert of(told(write)) is outcome


@pytest.mark.parametrize("held", [{2: 1, 4: 1}, {5: 1, 4: 1}])
def test_of_a_transaction_all_or_nothing_is_there(held: dict[int, int]) -> None:
    assert of(told(failed("transaction", 10.2, 2013, kind="write", nonces=[2, 5]), held=held)) is outcomes.HALF


@pytest.mark.parametrize("what", ["read", "again", "read in a thread"])
def test_an_answer_to_another_question_is_wrong_whenever_it_comes(what: str) -> None:
    assert of(told(wrote(), read(what, 10.3, 7, result=6))) is outcomes.WRONG_ANSWER


def test_a_row_that_was_given_up_must_not_be_there() -> None:
    given_up = {"event": "never acknowledged", "at_s": 10.1, "nonces": [9]}
    assert of(told(wrote(), given_up, held={**HELD, 9: 1})) is outcomes.FAILED_AND_THERE
    assert of(told(wrote(), given_up)) is outcomes.OK


@pytest.mark.parametrize(("code", "outcome"), [(-11, outcomes.CRASH), (1, outcomes.BROKEN), (0, outcomes.OK)])
def test_how_the_process_ended(code: int, outcome: Outcome) -> None:
    assert of(told(wrote(), exit_code=code)) is outcome


def test_who_does_not_answer_hangs_also_where_it_ends_with_the_fault() -> None:
    begun = {"event": "begin", "what": "write", "at_s": 10.0, "kind": "write", "nonces": [2]}
    never = Told((*READY, begun), STRUCK_S, 40.0, {}, exit_code=None)
    assert of(never) is outcomes.HANG
    assert judge(never).answered_s is None
    assert of(told(wrote(at_s=STRUCK_S + 30.0))) is outcomes.HANG
    assert of(told(wrote(at_s=STRUCK_S + 29.9))) is outcomes.OK


def test_a_write_that_never_ended_and_is_there_twice_is_double() -> None:
    begun = {"event": "begin", "what": "write", "at_s": 10.0, "kind": "write", "nonces": [2]}
    assert of(Told((*READY, begun), STRUCK_S, 40.0, {2: 2}, exit_code=None)) is outcomes.DOUBLE


@pytest.mark.parametrize(("pooled", "outcome"), [(True, outcomes.STUCK), (False, outcomes.DEAD)])
def test_who_does_not_come_back(pooled: bool, outcome: Outcome) -> None:  # noqa: FBT001
    never = (failed("again", 11.5, 0, kind="read", nonce=3), gate("settled", 16.0))
    events = (*READY, wrote(), gate("answered", 10.3), *never)
    assert of(Told(events, STRUCK_S, HEALED_S, {2: 1}, pooled=pooled)) is outcome


def test_connections_that_are_left_are_a_leak_and_a_pool_has_as_many_as_it_says() -> None:
    assert of(told(wrote(), connections={"settled": 1, "closed": 1})) is outcomes.LEAK
    assert of(told(wrote(), connections={"settled": 1, "closed": 0})) is outcomes.OK
    held = end("held", 11.65, result=3)
    assert of(told(wrote(), held, connections={"settled": 2, "closed": 0})) is outcomes.MISCOUNT
    assert of(told(wrote(), held, connections={"settled": 3, "closed": 0})) is outcomes.OK


def test_who_must_refuse_and_connects_is_deceived() -> None:
    connected = read("connect", 10.2, 2) | {"kind": "connect"}
    refused = failed("connect", 10.2, 2026, kind="connect", nonce=2)
    assert of(told(connected, must_refuse=True)) is outcomes.DECEIVED
    assert of(told(refused, must_refuse=True)) is outcomes.REFUSED
    assert of(told(connected)) is outcomes.OK


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_that_does_not_hold_is_what_it_is(name: str) -> None:
    claim = {"event": "claim", "name": name, "at_s": 10.1, "says": "what there was"}
    assert of(told(wrote(), {**claim, "holds": False})) is CLAIMS[name]
    assert of(told(wrote(), {**claim, "holds": True})) is outcomes.OK


@pytest.mark.parametrize(
    ("event", "outcome"),
    [("not installed", outcomes.NOT_INSTALLED), ("not applicable", outcomes.NOT_APPLICABLE)],
)
def test_what_was_not_measured_is_nothing_else(event: str, outcome: Outcome) -> None:
    assert of(Told(({"event": event, "at_s": 1.0, "says": "why"},), None, None, {}, exit_code=1)) is outcome


def test_who_does_not_come_as_far_as_the_fault_is_not_ready_and_says_why() -> None:
    verdict = judge(Told((failed("connect", 9.0, 2003, kind="connect"),), None, None, {}))
    assert (verdict.outcome, verdict.findings) == (outcomes.NOT_READY, (("not ready", "it failed"),))


@pytest.mark.parametrize(("code", "outcome"), [(1, outcomes.BROKEN), (-6, outcomes.CRASH)])
def test_who_ends_before_the_fault_has_no_excuse(code: int, outcome: Outcome) -> None:
    opened = ({"event": "opened", "at_s": 1.0},)
    verdict = judge(Told(opened, None, None, {}, exit_code=code, last_words="PoolError: exhausted"))
    assert verdict.outcome is outcome
    assert of(Told((), None, None, {}, exit_code=1, last_words="SSL is required")) is outcomes.NOT_READY
    assert "PoolError: exhausted" in verdict.findings[0][1]


def test_the_worst_names_the_run_and_the_rest_is_said() -> None:
    verdict = judge(told(wrote(), read("read", 10.3, 7, result=6), held={4: 1}))
    assert [name for name, _ in verdict.findings] == ["wrong answer", "lost"]
    assert verdict.outcome is outcomes.WRONG_ANSWER


def test_names_and_letters_of_outcomes_are_their_own() -> None:
    assert len({each.name for each in OUTCOMES}) == len({each.letter for each in OUTCOMES}) == len(OUTCOMES)


def test_what_hangs_once_the_fault_is_over_hangs_too() -> None:
    begun = {"event": "begin", "what": "next write", "at_s": 11.6, "kind": "write", "nonces": [4]}
    events = (*READY, wrote(), gate("answered", 10.3), read("again", 11.5, 3), begun)
    assert of(Told(events, STRUCK_S, HEALED_S, {2: 1}, exit_code=None)) is outcomes.HANG
