"""The published matrix: pages of docs/clients, written from a matrix's JSON and from nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from wavetank.client_faults.judging.outcomes import OUTCOMES, Colour, outcome_named
from wavetank.files import write_if_changed

Read = Mapping[str, Any]
_SETTINGS = ((False, "defaults"), (True, "hardened"))


def publish(read: Read, directory: Path) -> list[Path]:
    """Write the pages of a matrix into a directory of docs; return those that are there now."""
    read = {**read, "by_key": {(cell["subject"], cell["fault"], cell["hardened"]): cell for cell in read["cells"]}}
    pages = {
        directory / "matrix.md": _matrix(read),
        directory / "settings.md": _settings(read),
        **{directory / "faults" / f"{fault['name']}.md": _fault(read, fault) for fault in read["faults"]},
    }
    for path, lines in pages.items():
        write_if_changed(path, "\n".join(lines) + "\n")
    return list(pages)


def _about(read: Read) -> str:
    runs = "one run" if read["runs"] == 1 else f"{read['runs']} runs"
    there, all_ = len(read["cells"]), len(read["subjects"]) * len(read["faults"]) * len(_SETTINGS)
    part = "" if there >= all_ else f" Only {there} of {all_} cells were measured: the others are blank."
    return (
        f"Measured on {read['started'][:10]} by `{read['command']}`: {runs} of each cell, MySQL {read['server']}, "
        f"Python {read['python']}. An answer was waited for {read['cap_s']:g} s.{part}"
    )


def _matrix(read: Read) -> Iterator[str]:
    yield "# The matrix"
    yield ""
    yield _about(read)
    yield ""
    yield "Two letters a cell: with the library's defaults, and hardened by [these settings](settings.md). Bold is red."
    yield ""
    occurring = {cell["outcome"] for cell in read["cells"]}
    yield "| | outcome | what it means |"
    yield "| --- | --- | --- |"
    yield from (
        f"| {_letter(each.name)} | {each.name} | {each.meaning} |" for each in OUTCOMES if each.name in occurring
    )
    yield ""
    yield from (f"{number}. {subject['name']}" for number, subject in enumerate(read["subjects"], 1))
    for group in dict.fromkeys(fault["group"] for fault in read["faults"]):
        yield ""
        yield f"## {group.capitalize() if group != 'tls' else 'TLS'}"
        yield ""
        yield "| fault | " + " | ".join(str(number) for number, _ in enumerate(read["subjects"], 1)) + " |"
        yield "| --- |" + " --- |" * len(read["subjects"])
        for fault in read["faults"]:
            if fault["group"] == group:
                pairs = (_pair(read, subject["key"], fault["name"]) for subject in read["subjects"])
                yield f"| [{fault['name']}](faults/{fault['name']}.md) | " + " | ".join(pairs) + " |"
    yield ""
    yield from _repeatability(read)


def _repeatability(read: Read) -> Iterator[str]:
    measured = [cell for cell in read["cells"] if cell["colour"] != Colour.GREY.value]
    unlike = [cell for cell in measured if not cell["stable"]]
    share = 100 * (len(measured) - len(unlike)) / max(1, len(measured))
    yield "## Cells that did not always end alike"
    yield ""
    if read["runs"] == 1:
        yield "Each was run once: nothing is known of that."
        return
    yield f"{len(measured) - len(unlike)} of {len(measured)} measured cells ({share:.1f} %) ended alike in every run."
    yield ""
    for cell in unlike:
        setting = dict(_SETTINGS)[cell["hardened"]]
        yield f"- {_name(read, cell['subject'])}, {setting}, {cell['fault']}: {', '.join(cell['outcomes'])}"


def _letter(name: str) -> str:
    outcome = outcome_named(name)
    letter = outcome.letter.strip() or "/"
    return f"**{letter}**" if outcome.colour is Colour.RED else letter


def _pair(read: Read, subject: str, fault: str) -> str:
    cells = [_cell(read, subject, fault, hardened=hardened) for hardened, _ in _SETTINGS]
    return " ".join(_letter(cell["outcome"]) for cell in cells if cell)


def _cell(read: Read, subject: str, fault: str, *, hardened: bool) -> Read | None:
    found: Read | None = read["by_key"].get((subject, fault, hardened))
    return found


def _name(read: Read, key: str) -> str:
    return str(next(subject["name"] for subject in read["subjects"] if subject["key"] == key))


def _fault(read: Read, fault: Read) -> Iterator[str]:
    yield f"# {fault['name']}"
    yield ""
    yield fault["what"]
    yield ""
    yield _about(read)
    for hardened, title in _SETTINGS:
        cells = [
            (subject, cell)
            for subject in read["subjects"]
            if (cell := _cell(read, subject["key"], fault["name"], hardened=hardened))
            and cell["colour"] != Colour.GREY.value
        ]
        if not cells:
            continue
        yield ""
        yield f"## {title.capitalize()}"
        yield ""
        yield "| client | outcome | first answer | works again | what it says |"
        yield "| --- | --- | --- | --- | --- |"
        for subject, cell in cells:
            red = "**" if cell["colour"] == Colour.RED.value else ""
            yield (
                f"| {subject['name']} | {red}{cell['outcome']}{red} | {_seconds(cell['answered_s'])} "
                f"| {_seconds(cell['again_s'])} | {_said(cell)} |"
            )
    yield ""
    yield "[The matrix](../matrix.md) · [settings to copy](../settings.md)"


def _said(cell: Read) -> str:
    """Return what was found, as code: what a library says may look like anything."""
    said = "; ".join(f"{name}: {says}" for name, says in cell["findings"][:2])
    return f"`{' '.join(said.split())[:300].replace('|', '/').replace('`', chr(39))}`" if said else ""


def _seconds(values: Sequence[float] | None) -> str:
    return "-" if values is None else f"{values[1]:.2f} s ({values[0]:.2f} to {values[2]:.2f})"


def _settings(read: Read) -> Iterator[str]:
    yield "# Settings to copy"
    yield ""
    yield "What *hardened* means in [the matrix](matrix.md), for each library. What no setting can do, is done by the"
    yield "client's file in `scripts/wavetank/client_faults/subjects/`."
    for subject in read["subjects"]:
        yield ""
        yield f"## {subject['name']}"
        yield ""
        yield subject["what"]
        yield ""
        yield ", ".join(f"{package} {version}" for package, version in subject["versions"].items()) or "Not installed."
        if subject["hardened"]:
            yield ""
            yield "```python"
            yield subject["hardened"]
            yield "```"
