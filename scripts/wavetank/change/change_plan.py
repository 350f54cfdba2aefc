"""What a change of the source, or a move of a replica, would do: what --dry-run prints."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from wavetank.servers.gtid import count_transactions


@dataclass(frozen=True)
class Candidate:
    """A server that could become the source, and what its promotion would mean; all sets are GTID sets.

    Attributes:
        name: the server.
        unfit: why it must not, '' where it may.
        executed: what it has executed.
        unapplied: what it has received beside that.
        errant: what it has and its source never sent.
        fetches: what it would get from whom before it is promoted.
        given_up: what would be lost with it.
    """

    name: str
    unfit: str
    executed: str
    unapplied: str
    errant: str
    fetches: tuple[tuple[str, str], ...]
    given_up: str

    @property
    def line(self) -> str:
        """What a person reads of it."""
        told = [
            f"{count_transactions(self.executed)} executed, {count_transactions(self.unapplied)} more received",
            *([self.unfit] if self.unfit else []),
            *([f"errant {self.errant}"] if self.errant else []),
            *(f"would fetch {gtids} from {donor}" for donor, gtids in self.fetches),
            f"would give up {self.given_up}" if self.given_up else "would give up nothing",
        ]
        return f"  {self.name:<12} {'; '.join(told)}"


@dataclass(frozen=True)
class Plan:
    """What would be done, or why it would be refused.

    Attributes:
        old: the source that would be replaced, '' where that is not clear.
        new: who would take its place, '' where nobody would.
        why: the reason for it.
        refused: why it would be refused, '' where it would go through.
        candidates: what each candidate has, where there is a choice.
        steps: what would be done, a sentence each.
        lost: what would be left behind or lost: by the server that has it, a GTID set.
        unknown: what nobody can say as yet, '' for nothing.
    """

    old: str = ""
    new: str = ""
    why: str = ""
    refused: str = ""
    candidates: tuple[Candidate, ...] = ()
    steps: tuple[str, ...] = ()
    lost: tuple[tuple[str, str], ...] = ()
    unknown: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        candidates = [asdict(each) | {"fetches": dict(each.fetches)} for each in self.candidates]
        return asdict(self) | {"candidates": candidates, "lost": dict(self.lost)}

    def lines(self) -> Iterator[str]:
        """Yield it as a person reads it, without the refusal."""
        yield from (each.line for each in self.candidates)
        if self.why:
            yield self.why
        if self.refused:
            return
        yield from self.steps
        yield from (f"{name} alone would keep {gtids}" for name, gtids in self.lost)
        if not self.lost:
            yield "no transaction that can be had would be lost"
        if self.unknown:
            yield self.unknown
        yield "nothing has been changed"
