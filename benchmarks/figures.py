"""What was measured, what it is held against, and whether it passes. Nothing here runs anything."""

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

# The most that topology-up may take, as a multiple of the plain way's time, by number of servers.
RATIO_BOUNDS: Mapping[int, float] = {3: 1.0, 8: 0.8, 16: 0.7}
NO_CHANGE_BOUND_S = 1.5
ASK_BOUND_S = 0.8
NODE_MEMORY_BOUND_MIB = 350.0
# The size at which the figures of a running instance are taken.
RUNNING_SERVERS = 3

_MIB_PER_UNIT = {"B": 1 / 2**20, "KiB": 1 / 2**10, "MiB": 1.0, "GiB": 2.0**10, "TiB": 2.0**20}


@dataclass
class Measured:
    """Raw figures in the order in which they were taken: times in seconds, memory in MiB a node.

    `topology_up` and `plain` are by number of servers; equal places in the two are one pair.
    """

    topology_up: dict[int, list[float]] = field(default_factory=dict)
    plain: dict[int, list[float]] = field(default_factory=dict)
    no_change: list[float] = field(default_factory=list)
    check: list[float] = field(default_factory=list)
    status: list[float] = field(default_factory=list)
    node_memory: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Figure:
    """One line of the result: samples in `unit`, and the bound, if any, for `judged_by` of them."""

    name: str
    unit: str
    samples: tuple[float, ...]
    bound: float | None = None
    judged_by: Literal["median", "max"] = "median"

    @property
    def median(self) -> float:
        """The median of the samples, in `unit`."""
        return statistics.median(self.samples)

    @property
    def good(self) -> bool:
        """Whether the figure is within its bound; one without a bound always is."""
        judged = self.median if self.judged_by == "median" else max(self.samples)
        return self.bound is None or judged <= self.bound

    def as_dict(self) -> dict[str, object]:
        """Return the figure for machines."""
        return {
            "name": self.name,
            "unit": self.unit,
            "min": min(self.samples),
            "median": self.median,
            "max": max(self.samples),
            "bound": self.bound,
            "judged_by": self.judged_by,
            "good": self.good,
        }


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, ...]:
    """Return ours over theirs, pair by pair: what slowed the machine down slowed both sides of a pair.

    Raises:
        ValueError: a side lacks its other.
    """
    return tuple(our / their for our, their in zip(ours, theirs, strict=True))


def figures_of(measured: Measured) -> list[Figure]:
    """Return the lines of the result; what was not measured has none.

    Times and ratios are judged by their median, since a busy moment of the machine is not the subject;
    memory by the fullest node.
    """
    figures = []
    for servers, ours in measured.topology_up.items():
        theirs = measured.plain[servers]
        figures += [
            Figure(f"topology-up, {servers} servers", "s", tuple(ours)),
            Figure(f"the plain way, {servers} servers", "s", tuple(theirs)),
            Figure(f"ratio, {servers} servers", "x", ratios(ours, theirs), RATIO_BOUNDS.get(servers)),
        ]
    running = (
        Figure("no-change topology-up", "s", tuple(measured.no_change), NO_CHANGE_BOUND_S),
        Figure("wavetank check", "s", tuple(measured.check), ASK_BOUND_S),
        Figure("wavetank status", "s", tuple(measured.status), ASK_BOUND_S),
        Figure("idle memory a node", "MiB", tuple(measured.node_memory), NODE_MEMORY_BOUND_MIB, "max"),
    )
    return figures + [figure for figure in running if figure.samples]


def exit_code(figures: Sequence[Figure]) -> int:
    """Return 0 where every figure is within its bound, else 1."""
    return 0 if all(figure.good for figure in figures) else 1


def mib(usage: str) -> float:
    """Return the MiB in what docker stats calls MemUsage, such as `346.8MiB / 512MiB`.

    Raises:
        ValueError: it says something else.
    """
    used = re.match(r"([\d.]+)([KMGT]iB|B) /", usage)
    if not used:
        raise ValueError(f"docker stats reports memory as {usage!r}")
    return float(used[1]) * _MIB_PER_UNIT[used[2]]
