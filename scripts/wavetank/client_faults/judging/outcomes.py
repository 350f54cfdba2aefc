"""Outcomes, from the worst to the best: the first that is true of a run is what it is called."""

from dataclasses import dataclass
from enum import Enum


class Colour(Enum):
    """What a person has to make of an outcome."""

    RED = "red"  # data, answers or connections are wrong or gone, or it never ends
    AMBER = "amber"  # the application has to deal with it
    GREEN = "green"
    GREY = "grey"  # nothing was measured


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its name, its letter in a table, its colour, and what it means."""

    name: str
    letter: str
    colour: Colour
    meaning: str

    def __str__(self) -> str:
        """Return its name."""
        return self.name


CRASH = Outcome("crash", "X", Colour.RED, "The process was ended by a signal.")
WRONG_ANSWER = Outcome("wrong answer", "W", Colour.RED, "A read returned what another one had asked for.")
DOUBLE = Outcome("double", "2", Colour.RED, "A row that was written once is there twice.")
LOST = Outcome("lost", "L", Colour.RED, "A write was acknowledged, and its row is not there.")
HALF = Outcome("half", "½", Colour.RED, "Of two rows of one transaction one is there.")
FAILED_AND_THERE = Outcome("failed, there", "F", Colour.RED, "It was refused or given up, and its row is there.")
DECEIVED = Outcome(
    "deceived", "D", Colour.RED, "It went on with a server that is not who it should be, or in plaintext."
)
STALE = Outcome("stale", "t", Colour.RED, "A row that was committed before is not seen.")
LEFT_OVER = Outcome("left over", "o", Colour.RED, "What one borrower left on a connection reaches the next one.")
SHARED = Outcome("shared", "S", Colour.RED, "Two borrowers have one connection.")
UNBOUNDED = Outcome("unbounded", "u", Colour.AMBER, "It opens as many connections as are asked for.")
BROKEN = Outcome("broken", "b", Colour.RED, "An exception, or an end, where the library should have gone on.")
LEAK = Outcome("leak", "l", Colour.RED, "Connections stay at the server when the client has given everything up.")
HANG = Outcome("hang", "H", Colour.RED, "No answer and no exception as long as it was waited for.")
STUCK = Outcome("stuck", "s", Colour.RED, "The fault is over, and the pool does not come back.")
MISCOUNT = Outcome("miscount", "m", Colour.RED, "The pool has fewer or more connections than it says.")
DEAD = Outcome("dead", "d", Colour.AMBER, "The fault is over, and the connection stays unusable: connect anew.")
UNKNOWN = Outcome("unknown", "?", Colour.AMBER, "An exception that does not say whether the write was done.")
FAILED = Outcome("failed", "f", Colour.GREEN, "An exception that says what was not done; the next statement works.")
REFUSED = Outcome("refused", "r", Colour.GREEN, "It did not go on with a server that is not who it should be.")
OK = Outcome("ok", "·", Colour.GREEN, "It was done, once.")
NOT_READY = Outcome("not ready", "!", Colour.GREY, "It did not come as far as the fault.")
NOT_APPLICABLE = Outcome("n/a", " ", Colour.GREY, "It has nothing that this fault could hit.")
NOT_INSTALLED = Outcome("not installed", "-", Colour.GREY, "The library could not be installed here.")
OUTCOMES = (
    CRASH, WRONG_ANSWER, DOUBLE, LOST, HALF, FAILED_AND_THERE, DECEIVED, STALE, SHARED,
    LEFT_OVER, BROKEN, LEAK, HANG, STUCK, MISCOUNT, UNBOUNDED, DEAD, UNKNOWN, FAILED, REFUSED, OK, NOT_READY,
    NOT_APPLICABLE, NOT_INSTALLED,
)  # fmt: skip


def outcome_named(name: str) -> Outcome:
    """Return the outcome of that name, which there must be."""
    return next(outcome for outcome in OUTCOMES if outcome.name == name)
