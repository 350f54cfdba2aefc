"""One picture of a drill: the topology with the source before and after, the steps, and the plot of its clients.

It is a file of its own, as an SVG, for pages that cannot hold a drill's own report.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from wavetank.change.timeline import Step
from wavetank.drills.judging.drill_spec import CLIENTS
from wavetank.drills.judging.history import DrillHistory, read_history
from wavetank.drills.judging.judges import judge
from wavetank.drills.reporting.drawn import Drawing
from wavetank.drills.reporting.page import rendered
from wavetank.drills.reporting.plots import HEIGHT, WIDTH
from wavetank.drills.reporting.recorded import Recorded
from wavetank.drills.traffic.log import WRITE, Operation
from wavetank.errors import UsageError
from wavetank.topology.model import Node, Topology

# Of a box and of what is between boxes, in pixels of a picture that is as wide as a plot.
BOX_WIDTH, BOX_HEIGHT = 150, 40
COLUMN, ROW = 190, 54
# Of a step's line.
LINE = 19
# What a report's file says of a step: when, and what was done.
_STEP = re.compile(r"\s*([\d.]+) s\s+(.*)")


@dataclass(frozen=True)
class Box:
    """A box of the topology: what it is called, what is said under its name, and where its upper left corner is."""

    name: str
    words: str
    kind: str
    x: float
    y: float


@dataclass(frozen=True)
class Drill:
    """What a report's directory says of a drill with clients."""

    history: DrillHistory
    recorded: Recorded
    started: str

    @property
    def source_before(self) -> str:
        """Who acknowledged most writes before the storm."""
        return self._most_acknowledging(before=True)

    @property
    def source_after(self) -> str:
        """Who acknowledged most writes from the moment on that it was mended."""
        return self._most_acknowledging(before=False)

    def _most_acknowledging(self, *, before: bool) -> str:
        writes = [each for each in self.recorded.operations_of(WRITE) if each.acknowledged]
        recorded = self.recorded
        counted = Counter(
            each.server
            for each in writes
            if (each.done_s < recorded.storm_s if before else each.sent_s > recorded.mended_s)
        )
        return counted.most_common(1)[0][0] if counted else ""


def read_drill(directory: Path) -> Drill:
    """Return what was kept of a drill.

    Raises:
        UsageError: it is no drill's report, or one without clients who write and read.
    """
    history = read_history(directory)
    if history.declared.kind != CLIENTS:
        raise UsageError(
            f"{history.declared.drill} has no clients who write and read all the time: there is no plot of it"
        )
    try:
        report = json.loads((directory / "report.json").read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"{directory} has no report.json that can be read: {error}") from None
    recorded = Recorded(
        history.operations_of(Operation),
        (),
        history.declared.storm_s,
        history.declared.mended_s,
        tuple(_steps(report["facts"].get("steps", ()))),
        judge(history).verdict,
        history.declared.promises,
    )
    return Drill(history, recorded, report["started"])


def _steps(lines: Sequence[str]) -> Iterator[Step]:
    for line in lines:
        if found := _STEP.fullmatch(line):
            yield Step(found[2], float(found[1]))


def server_names(directory: Path) -> set[str]:
    """Return whose logs lie beside a report: the servers and proxies that the instance had."""
    return {file.stem for file in directory.glob("*.log")}


def drill_picture(drill: Drill, topology: Topology) -> str:
    """Return the picture of a drill that hit such a topology, as the text of an SVG file."""
    figure = next(Drawing(drill.recorded).figures())
    boxes = list(_boxes(drill, topology))
    drawn = {box.name: box for box in boxes}
    steps = [(number, step) for number, step in enumerate(drill.recorded.steps, start=1)]
    top = 64 + max(max(box.y for box in boxes) + BOX_HEIGHT, LINE * len(steps))
    plot = str(figure.plot).replace("<svg ", f'<svg width="{WIDTH}" height="{HEIGHT}" ', 1)
    return rendered(
        "picture.svg.j2",
        drill=drill,
        declared=drill.history.declared,
        verdict=drill.recorded.verdict,
        topology=topology,
        boxes=boxes,
        arrows=[(drawn[a], drawn[b]) for a, b in _arrows(drill, topology)],
        steps=steps,
        steps_x=max(box.x for box in boxes) + BOX_WIDTH + 40,
        lines=figure.lines,
        plot=Markup(plot),  # noqa: S704 - of numbers and our own names, as in a report's page
        box=(BOX_WIDTH, BOX_HEIGHT),
        line=LINE,
        plot_top=top + 40,
        size=(WIDTH, top + 40 + HEIGHT + 8),
    )


CLIENT_BOX = "clients"


def _fronts(drill: Drill, topology: Topology) -> list[str]:
    """Return the proxies that the clients came through."""
    return [proxy.name for proxy in topology.proxies if proxy.kind in drill.history.declared.via]


def _boxes(drill: Drill, topology: Topology) -> Iterator[Box]:
    fronts = _fronts(drill, topology)
    placed = dict(_placed(topology))
    height = max(y for _, y in placed.values())
    first = 2 if fronts else 1
    ways = " and ".join("wavetank.routing" if way == "routing" else way for way in drill.history.declared.via)
    yield Box(CLIENT_BOX, ways, "client", 0, height / 2)
    for number, name in enumerate(fronts):
        yield Box(name, "proxy", "proxy", COLUMN, height / 2 + (number - (len(fronts) - 1) / 2) * ROW)
    for node in topology.nodes:
        depth, y = placed[node.name]
        words, kind = _role(_seen_as(node.name, drill, topology), drill)
        yield Box(_seen_as(node.name, drill, topology), words, kind, (first + depth) * COLUMN, y)


def _role(name: str, drill: Drill) -> tuple[str, str]:
    """Return what is said of a server, and the class that draws it."""
    before, after = drill.source_before, drill.source_after
    if name == before:
        return ("source", "source") if name == after else ("source until the storm", "lost")
    return ("the source after it", "promoted") if name == after else ("replica", "replica")


def _seen_as(name: str, drill: Drill, topology: Topology) -> str:
    """Return who was in this server's place when the storm began: an earlier change of source has exchanged two."""
    declared, real = topology.sources[0].name, drill.source_before
    exchanged = {declared: real, real: declared} if real else {}
    return exchanged.get(name, name)


def _placed(topology: Topology) -> Iterator[tuple[str, tuple[int, float]]]:
    """Yield for each server its column and its height: a source in the middle of its replicas."""
    row = 0.0

    def place(node: Node, depth: int, seen: set[str]) -> Iterator[tuple[str, tuple[int, float]]]:
        nonlocal row
        seen.add(node.name)
        replicas = [replica for replica in topology.replicas_of(node) if replica.name not in seen]
        first = row
        for replica in replicas:
            yield from place(replica, depth + 1, seen)
        if not replicas:
            row += ROW
        yield node.name, (depth, (first + row - ROW) / 2)

    seen: set[str] = set()
    for node in (*topology.sources, *topology.nodes):
        if node.name not in seen:
            yield from place(node, 0, seen)


def _arrows(drill: Drill, topology: Topology) -> Iterator[tuple[str, str]]:
    """Yield who sends to whom: clients statements, sources their binary logs."""
    fronts = _fronts(drill, topology)
    for front in fronts:
        yield CLIENT_BOX, front
    for source in topology.sources:
        for before in fronts or [CLIENT_BOX]:
            yield before, _seen_as(source.name, drill, topology)
    for node in topology.nodes:
        for channel in node.channels:
            yield _seen_as(channel.source, drill, topology), _seen_as(node.name, drill, topology)
