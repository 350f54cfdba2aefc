"""What a line of `operations.jsonl` or `held.jsonl` is; each is known by its fields."""

from dataclasses import dataclass

from wavetank.conflicts.workload import Planned
from wavetank.drills.judging.drill_spec import CLIENTS, CONFLICTS, CUSTOMERS
from wavetank.drills.traffic.log import Operation
from wavetank.drills.traffic.shop_log import Counted, Held, Read, Write


@dataclass(frozen=True)
class Row:
    """A write as a source holds it."""

    source: str
    id: int


@dataclass(frozen=True)
class Told:
    """A transaction that a source was told: its number, from 1, and why it failed, '' where it did not."""

    server: str
    number: int
    error: str = ""


@dataclass(frozen=True)
class Harmless:
    """What concerns no other source: the label that the row of a code shall have in the end, None for no such row."""

    code: str
    label: str | None


@dataclass(frozen=True)
class Labelled:
    """A row as a source holds it in the end."""

    server: str
    code: str
    label: str | None


# Planned is a conflict that was planned among the operations, and one that was found among what is held.
OPERATIONS: dict[str, tuple[type, ...]] = {
    CLIENTS: (Operation,),
    CUSTOMERS: (Write, Read),
    CONFLICTS: (Told, Planned, Harmless),
}
HELD: dict[str, tuple[type, ...]] = {
    CLIENTS: (Row,),
    CUSTOMERS: (Held, Counted),
    CONFLICTS: (Planned, Labelled),
}
