"""The outcome of one run of a cell, and everything that is wrong in it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from wavetank.client_faults.judging import outcomes
from wavetank.client_faults.judging.errors import says_not_done
from wavetank.client_faults.judging.outcomes import OUTCOMES, Colour, Outcome

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Told:
    """What is known of one run.

    Attributes:
        events: what the client told, times in seconds of one clock.
        struck_s: when the fault was there, None where the client did not come as far; `healed_s` when it was over.
        held: rows of each nonce.
        connections: how many the client had when it had settled, and when it had given all up.
        exit_code: of its process, None where it had to be ended.
        last_words: what it wrote beside what it told.
        pooled: whether the library has a pool, which must come back by itself.
        must_refuse: whether a client that connects is deceived.
        cap_s: how long an answer was waited for.
    """

    events: Sequence[Event]
    struck_s: float | None
    healed_s: float | None
    held: Mapping[int, int]
    connections: Mapping[str, int] = field(default_factory=dict)
    exit_code: int | None = 0
    last_words: str = ""
    pooled: bool = False
    must_refuse: bool = False
    cap_s: float = 30.0


@dataclass(frozen=True)
class Verdict:
    """What a run is called, and why.

    Attributes:
        outcome: the worst that is true of it.
        findings: a sentence for each thing that is so, by the outcome's name.
        error: the first exception after the fault, None where there was none.
        answered_s: from the fault to the first answer or exception, in seconds; None where there was none.
        again_s: from the end of the fault to the next answer, in seconds; None where there was none.
    """

    outcome: Outcome
    findings: tuple[tuple[str, str], ...]
    error: Mapping[str, Any] | None
    answered_s: float | None
    again_s: float | None

    @property
    def red(self) -> bool:
        """Whether something is wrong."""
        return self.outcome.colour is Colour.RED


# What it is when a claim of a scenario does not hold, by the claim's name.
CLAIMS = {
    "fresh": outcomes.STALE, "own write": outcomes.STALE, "own answers": outcomes.WRONG_ANSWER,
    "complete": outcomes.WRONG_ANSWER, "clean": outcomes.LEFT_OVER, "lent once": outcomes.SHARED,
    "not shared": outcomes.SHARED, "bounded": outcomes.UNBOUNDED, "woken": outcomes.STUCK, "not lost": outcomes.STUCK,
    "all end": outcomes.HANG, "child ends": outcomes.HANG,
}  # fmt: skip


def judge(told: Told) -> Verdict:
    """Return the verdict on one run."""
    reader = _Judge(told)
    found = list(reader.findings())
    order = {outcome.name: at for at, outcome in enumerate(OUTCOMES)}
    worst = min(found, key=lambda finding: order[finding[0].name])[0] if found else outcomes.OK
    return Verdict(
        worst, tuple((outcome.name, says) for outcome, says in found), reader.error, reader.answered_s, reader.again_s
    )


class _Judge:
    """Reads what a client told."""

    def __init__(self, told: Told) -> None:
        self.told = told
        self.ends = [each for each in told.events if each["event"] == "end"]

    def _all(self, event: str) -> list[Event]:
        return [each for each in self.told.events if each["event"] == event]

    @cached_property
    def _after(self) -> list[Event]:
        """What ended from the fault on, and before the client was told that it is over."""
        if self.told.struck_s is None:
            return []
        answered = next((each["at_s"] for each in self._all("gate") if each["name"] == "answered"), float("inf"))
        return [each for each in self.ends if self.told.struck_s <= each["at_s"] <= answered]

    @property
    def error(self) -> Event | None:
        """The first exception after the fault."""
        return next((each["error"] for each in self._after if "error" in each), None)

    @property
    def answered_s(self) -> float | None:
        """From the fault to the first answer or exception."""
        first = self._after[0]["at_s"] if self._after else None
        return None if first is None or self.told.struck_s is None else round(first - self.told.struck_s, 3)

    @property
    def again_s(self) -> float | None:
        """From the end of the fault to the next answer."""
        again = next((each for each in self.ends if each["what"] == "again" and "error" not in each), None)
        return None if again is None or self.told.healed_s is None else round(again["at_s"] - self.told.healed_s, 3)

    def findings(self) -> Iterator[tuple[Outcome, str]]:
        """Yield everything that is so."""
        if skipped := self._skipped():
            yield skipped
            return
        # Who could not connect before there was any fault has not been measured; who could has no excuse.
        if self.told.struck_s is None and self.told.exit_code and (self.told.exit_code < 0 or self._all("opened")):
            yield from self._process()
            return
        if self.told.struck_s is None:
            last = next((each["error"]["message"] for each in reversed(self.ends) if "error" in each), "")
            yield outcomes.NOT_READY, last or self.told.last_words or "it said nothing"
            return
        yield from self._process()
        yield from self._answers()
        yield from self._rows()
        yield from self._trust()
        yield from self._claims()
        yield from self._connections()
        yield from self._end()

    def _skipped(self) -> tuple[Outcome, str] | None:
        for event, outcome in (("not installed", outcomes.NOT_INSTALLED), ("not applicable", outcomes.NOT_APPLICABLE)):
            if found := self._all(event):
                return outcome, found[0]["says"]
        return None

    def _process(self) -> Iterator[tuple[Outcome, str]]:
        code = self.told.exit_code
        if code is not None and code < 0:
            yield outcomes.CRASH, f"signal {-code}: {self.told.last_words}"
        elif code:
            yield outcomes.BROKEN, f"an exception where none is expected: {self.told.last_words}"

    def _answers(self) -> Iterator[tuple[Outcome, str]]:
        for each in self.ends:
            asked = each.get("kind") in ("read", "connect") and "nonce" in each
            if asked and "error" not in each and each["result"] != each["nonce"]:
                yield outcomes.WRONG_ANSWER, f"{each['what']}: asked for {each['nonce']}, got {each['result']}"

    def _rows(self) -> Iterator[tuple[Outcome, str]]:
        held = self.told.held
        for each in self.ends:
            if each.get("kind") == "write":
                yield from self._write(each, [held.get(nonce, 0) for nonce in each["nonces"]])
        given_up = [nonce for event in self._all("never acknowledged") for nonce in event["nonces"]]
        if there := [nonce for nonce in given_up if held.get(nonce)]:
            yield outcomes.FAILED_AND_THERE, f"given up and there: {len(there)} rows"
        open_ones = {nonce for each in self._all("begin") if each.get("kind") == "write" for nonce in each["nonces"]}
        ended = {nonce for each in self.ends if each.get("kind") == "write" for nonce in each["nonces"]}
        for nonce in sorted(open_ones - ended):
            if held.get(nonce, 0) > 1:
                yield outcomes.DOUBLE, f"{held[nonce]} rows of a write that has not ended"

    def _write(self, write: Event, counts: Sequence[int]) -> Iterator[tuple[Outcome, str]]:
        """Yield what is so of a write that has ended, by how many rows there are of each of its nonces."""
        what, there = write["what"], any(counts)
        if any(count > 1 for count in counts):
            yield outcomes.DOUBLE, f"{what}: {counts} rows"
        if there and not all(counts):
            yield outcomes.HALF, f"{what}: {counts} rows of one transaction"
        if "error" not in write and not all(counts):
            yield outcomes.LOST, f"{what}: acknowledged, {counts} rows"
        if "error" in write:
            message = write["error"]["message"]
            if not says_not_done(write["error"]):
                yield outcomes.UNKNOWN, f"{what}: {message}; it {'was' if there else 'was not'} done"
            elif there:
                yield outcomes.FAILED_AND_THERE, f"{what}: {message}, {counts} rows"

    def _trust(self) -> Iterator[tuple[Outcome, str]]:
        if not self.told.must_refuse:
            return
        for each in self._after:
            if each.get("kind") == "connect":
                if "error" in each:
                    yield outcomes.REFUSED, each["error"]["message"]
                else:
                    yield outcomes.DECEIVED, "it connected"

    def _claims(self) -> Iterator[tuple[Outcome, str]]:
        for each in self._all("claim"):
            if not each["holds"]:
                yield CLAIMS[each["name"]], each["says"]

    def _connections(self) -> Iterator[tuple[Outcome, str]]:
        if left := self.told.connections.get("closed"):
            yield outcomes.LEAK, f"{left} connections are left when all is closed"
        said = next((each["result"] for each in self.ends if each["what"] == "held" and "error" not in each), None)
        there = self.told.connections.get("settled")
        if said is not None and there is not None and said != there:
            yield outcomes.MISCOUNT, f"the pool says that it has {said} connections, the server that it has {there}"

    def _never_ended(self) -> str:
        begun = Counter(each["what"] for each in self._all("begin"))
        never = begun - Counter(each["what"] for each in self.ends)
        return next(iter(never), "")

    def _end(self) -> Iterator[tuple[Outcome, str]]:
        answered = any(each["name"] == "answered" for each in self._all("gate"))
        late = answered and self.answered_s is not None and self.answered_s >= self.told.cap_s
        if self.told.exit_code:
            return
        if not answered or late:
            how = "it ended when the fault did" if late else "it did not end when the fault did"
            yield outcomes.HANG, f"no answer as long as the fault lasted; {how}"
        elif self.told.exit_code is None and (open_one := self._never_ended()):
            yield outcomes.HANG, f"{open_one}: no answer, although the fault is over"
        if not answered:
            return
        if self.again_s is None:
            error = next((each["error"]["message"] for each in reversed(self.ends) if "error" in each), "no answer")
            if self.told.must_refuse:
                return
            yield outcomes.STUCK if self.told.pooled else outcomes.DEAD, f"not usable afterwards: {error}"
        if self.error and not self.told.must_refuse:
            yield outcomes.FAILED, f"{self.error['class']} {self.error['number'] or ''}: {self.error['message']}"
