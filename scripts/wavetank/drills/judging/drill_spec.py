"""What is declared of a drill, beside what was asked for and what is held: all that its verdict depends on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from wavetank.drills.traffic.load import Load
from wavetank.drills.traffic.promises import Promises, Thresholds

# Of the three files; another number is another format.
VERSION = 1
Kind = Literal["clients", "customers", "conflicts"]
CLIENTS: Kind = "clients"
CUSTOMERS: Kind = "customers"
CONFLICTS: Kind = "conflicts"


@dataclass(frozen=True)
class DrillSpec:
    """One drill.

    Attributes:
        instance: whom it hit.
        kind: what its operations are: those of clients, of a sharded shop's customers, or conflicting ones of sources.
        promises: what is promised of them.
        thresholds: what its user demanded beyond that.
        drill: its name; who runs it knows that.
        via: by which ways the clients came.
        semi_sync: how many replicas' acknowledgements a commit waited for.
        load: what was offered, None where nothing is measured over time.
        storm_s: when the storm began, in seconds of the monotonic clock.
        mended_s: when it was mended.
        transactions: how many each source was to be told, by its name; of conflicts only.
        resolved: whether conflicts were resolved, so that all sources are to hold the same.
        witnessed: what went wrong that no operation shows, a sentence each.
        operations: how many lines `operations.jsonl` has.
        held: how many lines `held.jsonl` has; None where nobody could say what is held.
        version: of the format.
    """

    instance: str
    kind: Kind
    promises: Promises
    thresholds: Thresholds
    drill: str = ""
    via: tuple[str, ...] = ()
    semi_sync: int = 0
    load: Load | None = None
    storm_s: float = 0.0
    mended_s: float = 0.0
    transactions: Mapping[str, int] = field(default_factory=dict)
    resolved: bool = False
    witnessed: tuple[str, ...] = ()
    operations: int = 0
    held: int | None = None
    version: int = VERSION
