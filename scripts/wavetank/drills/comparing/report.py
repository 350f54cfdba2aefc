"""A comparison as a table in the terminal, as JSON and as a page."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.table import Table

from wavetank.drills.comparing.figures import Row
from wavetank.drills.comparing.settings import Plan
from wavetank.drills.reporting.page import rendered
from wavetank.drills.reporting.plots import Bars, bars
from wavetank.files import write_if_changed
from wavetank.topology.instance import STATE

PAGE = "compare.html"


def directory_of(plan: Plan, started: datetime) -> Path:
    """Return where a comparison is kept: not with its instances, which are gone afterwards."""
    return STATE / "comparisons" / f"{plan.drill}-{started:%Y%m%dT%H%M%S}"


def as_dict(plan: Plan, rows: Sequence[Row], started: str) -> dict[str, Any]:
    """Return a comparison as JSON takes it."""
    # Readers of earlier comparisons know the acknowledgements by this name.
    planned = {"receipts" if name == "acknowledgements" else name: value for name, value in asdict(plan).items()}
    return {**planned, "started": started, "passed": passed(rows), "settings": [row.as_dict() for row in rows]}


def passed(rows: Sequence[Row]) -> bool:
    """Return whether every run passed."""
    return all(row.passed == len(row.runs) for row in rows)


def write(plan: Plan, rows: Sequence[Row], started: str, directory: Path) -> Path:
    """Write both files into the comparison's directory; return the page."""
    content = as_dict(plan, rows, started)
    write_if_changed(directory / "compare.json", json.dumps(content, indent=2) + "\n")
    write_if_changed(directory / PAGE, page(plan, rows, started))
    return directory / PAGE


def table(plan: Plan, rows: Sequence[Row]) -> Table:
    """Return the comparison for a terminal."""
    shown = Table(
        title=f"{plan.drill}, {plan.runs} run{'s' * (plan.runs > 1)} each, {plan.replicas} replicas",
        title_justify="left",
    )
    for heading in ("replication", "way"):
        shown.add_column(heading, no_wrap=True)
    for heading in ("passed", "writes RTO", "worst", "reads RTO", "worst", "lost", "worst", "writes/s before"):
        shown.add_column(heading, justify="right")
    for row in rows:
        shown.add_row(row.setting.replication, row.setting.via, f"{row.passed} of {len(row.runs)}", *cells(row))
    return shown


def cells(row: Row) -> list[str]:
    """Return a row's figures as people read them."""
    before = "-" if row.before_per_s is None else f"{row.before_per_s:.0f}"
    return [
        *_pair(row.writes_s, "{:.3f} s"), *_pair(row.reads_s, "{:.3f} s"), *_pair(row.lost, "{:g}"), before,
    ]  # fmt: skip


def _pair(pair: tuple[float, float] | None, form: str) -> list[str]:
    return ["-", "-"] if pair is None else ["no end" if math.isinf(value) else form.format(value) for value in pair]


def page(plan: Plan, rows: Sequence[Row], started: str) -> str:
    """Return the page of a comparison."""
    names = [row.setting.name for row in rows]
    writes, reads, lost = ([getattr(row, name) for row in rows] for name in ("writes_s", "reads_s", "lost"))
    plots = {
        "Time without an acknowledged write (RTO)": bars(names, _both(writes), "seconds"),
        "Time without an acknowledged read (RTO)": bars(names, _both(reads), "seconds"),
        "Writes before the storm": bars(
            names, [Bars("median", [row.before_per_s for row in rows], "blue")], "a second"
        ),
    }
    if any(pair and pair[1] for pair in lost):
        plots["Acknowledged writes lost (RPO)"] = bars(names, _both(lost), "writes")
    return rendered(
        "compare.html.j2", plan=plan, rows=rows, started=started, passed=passed(rows), cells=cells, plots=plots
    )


def _both(pairs: Sequence[tuple[float, float] | None]) -> list[Bars]:
    return [
        Bars("median", [pair and pair[0] for pair in pairs], "blue"),
        Bars("worst", [pair and pair[1] for pair in pairs], "orange"),
    ]
