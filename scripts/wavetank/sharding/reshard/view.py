"""A resharding as people watch it: a bar on a terminal, plain lines in a log."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from wavetank.sharding.reshard.ledger import PHASES
from wavetank.sharding.reshard.observer import NullObserver, Observer

# A log has a line of progress so often, in seconds.
LINE_S = 5.0


class Lines:
    """A line for each phase and every few seconds."""

    def __init__(self, every_s: float = LINE_S) -> None:
        """Begin with nothing said."""
        self._every_s = every_s
        self._name = ""
        self._began = self._said = time.monotonic()
        self._first = 0

    def phase(self, name: str) -> None:
        """Say that a phase begins; what lies between phases goes without saying."""
        if name in PHASES:
            self._name, self._first = name, -1
            self._began = self._said = time.monotonic()
            self.say(f"{name} ...")

    def rows(self, done: int, total: int) -> None:
        """Say how far it is, if that was not said a moment ago."""
        if self._first < 0:
            self._first = done
        now = time.monotonic()
        if now - self._said >= self._every_s:
            self._said = now
            self.say(progress_line(self._name, done, total, (done - self._first) / (now - self._began)))

    @staticmethod
    def say(line: str) -> None:
        """Say something at once, also into a log."""
        Console(highlight=False, soft_wrap=True).print(f"  {line}", markup=False)


def progress_line(name: str, done: int, total: int, per_s: float) -> str:
    """Return how far a phase is: rows, rows a second, and how long it will take."""
    left = f", {max(0, total - done) / per_s:,.0f} s left" if per_s else ""
    return f"{name}: {done:,} of about {total:,} rows, {per_s:,.0f} a second{left}"


class Bar:
    """A bar for each phase that has rows."""

    def __init__(self, bar: Progress) -> None:
        """Draw on `bar`."""
        self._bar = bar
        self._task: Any = None

    def phase(self, name: str) -> None:
        """Begin another bar."""
        if name in PHASES:
            if self._task is not None:
                self._bar.update(self._task, visible=False)
            self._task = self._bar.add_task(name, total=None, rate="")
            self.say(f"{name} ...")

    def rows(self, done: int, total: int) -> None:
        """Draw the bar longer."""
        if self._task is not None:
            speed = self._bar.tasks[self._task].speed
            self._bar.update(self._task, completed=done, total=total, rate=f"{speed:,.0f} a second" if speed else "")

    def say(self, line: str) -> None:
        """Say something above the bar."""
        self._bar.console.print(f"  {line}", highlight=False)


@contextlib.contextmanager
def observed(*, silent: bool = False) -> Iterator[Observer]:
    """Give the observer: none where it is `silent`, a bar on a terminal, else lines."""
    console = Console(stderr=True)
    if silent:
        yield NullObserver()
    elif console.is_terminal:
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )  # fmt: skip
        with Progress(*columns, console=console, transient=True) as bar:
            yield Bar(bar)
    else:
        yield Lines()
