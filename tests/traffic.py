"""Statements without a pause through a proxy, and what became of each."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

from wavetank.checks.questions.read_spread import WHO
from wavetank.errors import UnreachableError
from wavetank.servers.node import Server, StatementError, query_on
from wavetank.waiting import wait_until

PAUSE_S = 0.005
QUIET_S = 2.0
# Reads who answers; names no variable, so that the session stays with nobody.
READ = WHO


@dataclass(frozen=True)
class Sample:
    """One statement: when it was said and when it ended, in seconds of one clock, and what came of it."""

    said: float
    ended: float
    answer: str = ""
    error: str = ""


class Traffic:
    """One session that says what `statement` returns, over and over, while the context lasts."""

    def __init__(self, server: Server, statement: Callable[[int], str] = lambda _: READ) -> None:
        self.samples: list[Sample] = []
        self._server, self._statement = server, statement
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            with (
                contextlib.suppress(UnreachableError),
                contextlib.closing(self._server.connect("app_rw")) as connection,
            ):
                while not self._stop.wait(PAUSE_S):
                    said = time.monotonic()
                    try:
                        rows = query_on(connection, self._statement(len(self.samples)), node=self._server.name)
                    except (UnreachableError, StatementError) as error:
                        self.samples.append(Sample(said, time.monotonic(), error=str(error)))
                        break
                    answer = str(next(iter(rows[0].values()))) if rows else ""
                    self.samples.append(Sample(said, time.monotonic(), answer))
            self._stop.wait(PAUSE_S)

    def wait_for_first(self, moment: float, answer: str, timeout_s: float) -> float:
        """Wait until somebody answers; return how long after the moment that was."""
        found = wait_until(
            "an answer", lambda: self.first(moment, answer), good=lambda at: at is not None, timeout_s=timeout_s
        )
        assert found is not None
        return found

    def wait_for_quiet(self, moment: float, answer: str, timeout_s: float) -> float:
        """Wait until nobody fails or answers so any more; return how long after the moment the last one did."""
        wait_until(
            "the last of it",
            lambda: time.monotonic() - moment - self.last(moment, answer),
            good=lambda quiet: quiet > QUIET_S,
            timeout_s=timeout_s + QUIET_S,
        )
        return self.last(moment, answer)

    def since(self, moment: float) -> Iterator[Sample]:
        """Yield what ended after a moment."""
        return (sample for sample in list(self.samples) if sample.ended > moment)

    def errors(self, moment: float) -> list[str]:
        """Return why statements failed that ended after a moment."""
        return [sample.error for sample in self.since(moment) if sample.error]

    def last(self, moment: float, answer: str) -> float:
        """Return how long after a moment somebody answered, or failed, for the last time; 0 for never."""
        ends = [sample.ended - moment for sample in self.since(moment) if sample.error or sample.answer == answer]
        return max(ends, default=0.0)

    def first(self, moment: float, answer: str) -> float | None:
        """Return how long after a moment somebody answered for the first time; None for not yet."""
        return next((sample.ended - moment for sample in self.since(moment) if sample.answer == answer), None)

    def longest(self, moment: float) -> float:
        """Return how long the slowest statement took that ended after a moment."""
        return max((sample.ended - sample.said for sample in self.since(moment)), default=0.0)


def say(what: str, **figures: float) -> None:
    """Tell what was measured: `pytest -rP` shows it."""
    sys.stdout.write(f"{what}: {', '.join(f'{name} {value:.2f}' for name, value in figures.items())}\n")
