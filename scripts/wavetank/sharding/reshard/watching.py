"""Who is told what a resharding does, while it does it."""

from typing import Protocol


class Watch(Protocol):
    """Who is told what a resharding does."""

    def phase(self, name: str) -> None:
        """Be told that a phase begins."""

    def rows(self, done: int, total: int) -> None:
        """Be told how many rows of the phase are done, of about how many."""

    def say(self, line: str) -> None:
        """Be told what happened."""


class Silent:
    """Nobody."""

    def phase(self, name: str) -> None:
        """Be told that a phase begins."""

    def rows(self, done: int, total: int) -> None:
        """Be told how many rows are done."""

    def say(self, line: str) -> None:
        """Be told what happened."""
