"""The observer of a resharding: what it is told while the resharding runs."""

from typing import Protocol


class Observer(Protocol):
    """Shows or logs a resharding; which phase it is in, and how far."""

    def phase(self, name: str) -> None:
        """Show that a phase begins."""

    def rows(self, done: int, total: int) -> None:
        """Show how many rows of the phase are done, of about how many."""

    def say(self, line: str) -> None:
        """Show a line that says what happened."""


class NullObserver:
    """Shows nothing."""

    def phase(self, name: str) -> None:
        """Show nothing."""

    def rows(self, done: int, total: int) -> None:
        """Show nothing."""

    def say(self, line: str) -> None:
        """Show nothing."""
