"""A matrix as a table in the terminal, as JSON and as a page."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from wavetank.client_faults.judging.outcomes import OUTCOMES, Colour
from wavetank.client_faults.lab.batches import Cell
from wavetank.client_faults.matrix.catalogue import Subject
from wavetank.client_faults.matrix.plan import Plan
from wavetank.client_faults.matrix.results import Result, Results
from wavetank.client_faults.matrix.timeline import timeline
from wavetank.drills.reporting.page import rendered
from wavetank.files import write_if_changed

PAGE, JSON = "clients.html", "clients.json"
_STYLES = {Colour.RED: "bold red", Colour.AMBER: "yellow", Colour.GREEN: "green", Colour.GREY: "dim"}


def as_dict(plan: Plan, results: Results, about: Mapping[str, str]) -> dict[str, Any]:
    """Return a matrix as JSON takes it; `about` is when, where and by which command it was measured."""
    return {
        **about,
        "runs": plan.runs,
        "cap_s": plan.cap_s,
        "subjects": [
            {
                "key": subject.key, "name": subject.name, "kind": subject.kind, "what": subject.what,
                "versions": subject.versions(), "hardened": subject.hardened,
            }
            for subject in plan.subjects
        ],
        "faults": [{"name": fault.name, "group": fault.group, "what": fault.what} for fault in plan.faults],
        "counts": {colour.value: number for colour, number in results.counts().items()},
        "unstable": [f"{_who(result)}, {result.cell.fault}" for result in results.unstable],
        "cells": [result.as_dict() for result in results.all],
    }  # fmt: skip


def _who(result: Result) -> str:
    return f"{Path(result.cell.subject).stem} {_setting(hardened=result.cell.hardened)}"


def _setting(*, hardened: bool) -> str:
    return "hardened" if hardened else "defaults"


def write(plan: Plan, results: Results, about: Mapping[str, str], directory: Path) -> Path:
    """Write the JSON and the page; return the page."""
    write_if_changed(directory / JSON, json.dumps(as_dict(plan, results, about), indent=2, default=str) + "\n")
    write_if_changed(directory / PAGE, page(plan, results, about))
    return directory / PAGE


def table(plan: Plan, results: Results) -> Table:
    """Return the matrix for a terminal: a line a fault, a letter a cell, defaults before hardened."""
    shown = Table(title=_title(plan), title_justify="left", padding=(0, 0, 0, 1), collapse_padding=True)
    shown.add_column("fault", no_wrap=True)
    for number, _ in enumerate(plan.subjects, 1):
        shown.add_column(str(number), justify="center", no_wrap=True)
    for fault in plan.faults:
        cells = []
        for subject in plan.subjects:
            text = Text()
            for hardened in plan.settings:
                result = _result_of(results, subject, fault.name, hardened=hardened)
                text.append(*(result.outcome.letter, _STYLES[result.outcome.colour]) if result else " ")
            cells.append(text)
        shown.add_row(fault.name, *cells)
    return shown


def _result_of(results: Results, subject: Subject, fault: str, *, hardened: bool) -> Result | None:
    return results.of(Cell(subject.loaded_as, fault, hardened))


def _title(plan: Plan) -> str:
    settings = " and ".join(_setting(hardened=hardened) for hardened in plan.settings)
    return (
        f"{len(plan.subjects)} clients, {len(plan.faults)} faults, {settings}, {plan.runs} run{'s' * (plan.runs > 1)}"
    )


def legend(plan: Plan, results: Results) -> list[str]:
    """Return what columns and letters mean, as far as they occur, and what was not always alike."""
    occurring = {result.outcome for result in results.all}
    columns = [f"{number} {subject.name}" for number, subject in enumerate(plan.subjects, 1)]
    letters = [f"{each.letter} {each.name}: {each.meaning}" for each in OUTCOMES if each in occurring]
    counts = results.counts()
    lines = [*_wrapped(columns), *letters, ", ".join(f"{counts[colour]} {colour.value}" for colour in Colour)]
    if plan.runs > 1:
        measured = [each for each in results.all if each.outcome.colour is not Colour.GREY]
        alike = len(measured) - len(results.unstable)
        lines.append(f"{alike} of {len(measured)} cells ended alike in every run")
        lines += [
            f"  not always alike: {_who(each)}, {each.cell.fault}: {_outcomes(each)}" for each in results.unstable
        ]
    return lines


def _outcomes(result: Result) -> str:
    return ", ".join(verdict.outcome.name for verdict in result.verdicts)


def _wrapped(parts: Sequence[str], width: int = 110) -> list[str]:
    lines = [""]
    for part in parts:
        if len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += ("  " if lines[-1] else "") + part
    return lines


def page(plan: Plan, results: Results, about: Mapping[str, str]) -> str:
    """Return the page of a matrix."""
    return rendered(
        "clients.html.j2", beside=Path(__file__).parent,
        plan=plan, results=results, about=about, result_of=_result_of, outcomes=OUTCOMES, title=_title(plan),
        timeline=timeline, seconds=_seconds, counts=results.counts(), colours=Colour, setting=_setting,
    )  # fmt: skip


def _seconds(values: tuple[float, float, float] | None) -> str:
    if values is None:
        return "-"
    least, median, most = values
    return f"{median:.2f} s" if least == most else f"{median:.2f} s ({least:.2f} to {most:.2f})"
