"""What a drill recorded, as the figures of its page."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from wavetank.drills.reporting.plots import APART, Band, Line, Mark, over_time
from wavetank.drills.reporting.recorded import Recorded
from wavetank.drills.reporting.series import Points, buckets_of, counted, groups, latencies_ms, rate
from wavetank.drills.traffic.lag import lags
from wavetank.drills.traffic.log import READ, WRITE, Operation

# Colours of the page's style that people tell apart who see fewer of them.
_SERVER_COLOURS = ("blue", "orange", "green", "pink", "sky", "yellow")
_KINDS = ((WRITE, "writes", "blue"), (READ, "reads", "orange"))
MEDIAN, HIGH = 50, 99


@dataclass(frozen=True)
class Figure:
    """A plot with what it says above it, and how it is to be read below it."""

    title: str
    lines: Sequence[Line]
    plot: Markup
    caption: str = ""


class Drawing:
    """The figures of one drill, on one axis of time."""

    def __init__(self, recorded: Recorded) -> None:
        """Count once what several figures show."""
        self._recorded = recorded
        self._buckets = buckets_of(recorded.operations, recorded.storm_s)
        self._range = self._buckets.covered_s

    def figures(self) -> Iterator[Figure]:
        """Yield those that there is something for."""
        yield self._throughput()
        if any(each.error for each in self._recorded.operations):
            yield self._failed()
        yield self._latency()
        if self._recorded.seen:
            yield self._lag()

    def _of(self, kind: str, *, acknowledged: bool) -> list[Operation]:
        return [each for each in self._recorded.operations if each.kind == kind and each.acknowledged is acknowledged]

    def _draw(self, lines: Sequence[Line], unit: str, *, logarithmic: bool = False) -> Markup:
        return over_time(
            lines, unit, x_range=self._range, bands=list(self._bands()), marks=list(self._marks()),
            logarithmic=logarithmic,
        )  # fmt: skip

    def _throughput(self) -> Figure:
        storm_s = self._recorded.storm_s
        lines = [
            Line(title, rate(self._of(kind, acknowledged=True), self._buckets, storm_s), colour, kind == READ)
            for kind, title, colour in _KINDS
        ]
        return Figure(
            "Acknowledged operations",
            lines,
            self._draw(lines, "a second"),
            f"Counted in steps of {self._buckets.width_s:g} s. Grey: from the storm until it was mended. "
            "Red: no write was acknowledged. Numbers are the steps below.",
        )

    def _failed(self) -> Figure:
        storm_s = self._recorded.storm_s
        lines = [
            Line(title, counted(self._of(kind, acknowledged=False), self._buckets, storm_s), colour, kind == READ)
            for kind, title, colour in _KINDS
        ]
        return Figure("Failed operations", lines, self._draw(lines, f"in {self._buckets.width_s:g} s"))

    def _latency(self) -> Figure:
        lines = []
        for kind, title, colour in _KINDS:
            found = latencies_ms(
                self._of(kind, acknowledged=True), self._buckets, self._recorded.storm_s, (MEDIAN, HIGH)
            )
            lines += [
                Line(f"{title}, median", found[MEDIAN], colour),
                Line(f"{title}, p99", found[HIGH], colour, dashed=True),
            ]
        return Figure(
            "Latency of acknowledged operations",
            lines,
            self._draw(lines, "milliseconds", logarithmic=True),
            "From when an operation was due, not from when it was sent. Each step of the scale is ten times "
            "the one before. Where nothing was acknowledged there is no line.",
        )

    def _lag(self) -> Figure:
        found = lags(self._recorded.seen, self._recorded.operations_of(WRITE))
        colours = itertools.cycle(_SERVER_COLOURS)
        lines = [
            Line(
                server, self._with_gaps([(lag.at_s, lag.behind_s) for lag in found[server]]), next(colours), at % 2 == 1
            )
            for at, server in enumerate(sorted(found))
        ]
        return Figure(
            "Lag of each server",
            lines,
            self._draw(lines, "milliseconds"),
            "The age of the oldest acknowledged write that the server did not hold yet, as a reader on it would find. "
            "Where a server did not answer there is no line.",
        )

    def _with_gaps(self, samples: Sequence[tuple[float, float]]) -> Points:
        """Return samples in milliseconds since the storm, with a gap where none came for a while."""
        points: Points = []
        for at_s, behind_s in samples:
            since_s = at_s - self._recorded.storm_s
            if points and since_s - points[-1][0] > _SILENT_S:
                points.append((round(since_s - _SILENT_S / 2, 3), None))
            points.append((round(since_s, 3), round(behind_s * 1000, 1)))
        return points

    def _bands(self) -> Iterator[Band]:
        recorded = self._recorded
        yield Band(0.0, recorded.mended_s - recorded.storm_s, "storm")
        outage = recorded.verdict.writes
        began_s = outage.began_s - recorded.storm_s
        yield Band(began_s, began_s + outage.seconds, "outage")

    def _marks(self) -> Iterator[Mark]:
        """Yield the storm's beginning and the steps, those by one number or range that are too near for two."""
        times_s = [step.at_s for step in self._recorded.steps]
        span_s = self._range[1] - self._range[0]
        near_s = APART * span_s
        if not times_s or times_s[0] > near_s:
            yield Mark(0.0, "storm")
        for group in groups(times_s, near_s):
            first, last = group[0] + 1, group[-1] + 1
            yield Mark(times_s[group[0]], f"{first}" if first == last else f"{first}-{last}")


# Samples come every tenth of a second.
_SILENT_S = 0.5


def drawn_figures(recorded: Recorded | None) -> list[Figure]:
    """Return the figures of what was recorded, none where nothing was."""
    return list(Drawing(recorded).figures()) if recorded and recorded.operations else []
