"""What a client did, step by step, in sentences with the seconds from the fault on."""

from collections.abc import Iterator
from pathlib import Path

from wavetank.client_faults.lab.batches import CellRun
from wavetank.client_faults.lab.processes import Event
from wavetank.client_faults.matrix.results import Results

# More tries after the fault than this are not told one by one.
_TOLD = 3


def timeline(run: CellRun) -> list[str]:
    """Return a line for each thing that happened; times are seconds from the fault, negative before it."""
    zero_s: float = (
        run.struck_s if run.struck_s is not None else (run.events[0].get("at_s", 0.0) if run.events else 0.0)
    )
    steps = [(each.get("at_s", zero_s), said) for each in run.events if (said := _said(each))]
    marks = ((run.struck_s, "THE FAULT"), (run.healed_s, "the fault is over"))
    steps += [(at_s, said) for at_s, said in marks if at_s is not None]
    return list(_short([f"{at_s - zero_s:9.3f} s  {said}" for at_s, said in sorted(steps, key=lambda step: step[0])]))


def _short(lines: list[str]) -> Iterator[str]:
    tries = [line for line in lines if "  again: " in line]
    for line in lines:
        if line not in tries[_TOLD:-1]:
            yield line
        elif line == tries[_TOLD]:
            yield f"{'':9}    … {len(tries) - _TOLD - 1} more tries alike"


def _said(event: Event) -> str:
    match event["event"]:
        case "end":
            if "error" in event:
                error = event["error"]
                return f"{event['what']}: {error['class']} {error['number'] or ''}: {error['message']}"
            return f"{event['what']}: {_answer(event)}"
        case "begin" if event.get("kind"):
            return f"{event['what']} begins"
        case "claim" | "note" | "not applicable" | "not installed":
            return f"{event.get('name', 'note')}: {event['says']}"
        case _:
            return ""


def _answer(event: Event) -> str:
    if event.get("kind") == "write":
        return "acknowledged"
    if "nonce" in event:
        right = event["result"] == event["nonce"]
        return "the right answer" if right else f"asked for {event['nonce']}, got {event['result']}"
    return "done" if event["result"] is None else str(event["result"])


def explained(results: Results) -> Iterator[str]:
    """Yield what happened in each cell, step by step, for a terminal."""
    for result in results.all:
        setting = "hardened" if result.cell.hardened else "with its defaults"
        yield f"\n{Path(result.cell.subject).stem}, {setting}, {result.cell.fault}: {result.outcome.name.upper()}"
        yield from (f"  {line}" for line in timeline(result.worst_run))
        yield from (f"  {name}: {says}" for name, says in result.worst.findings)
        if len(result.verdicts) > 1:
            yield f"  {len(result.verdicts)} runs: {', '.join(verdict.outcome.name for verdict in result.verdicts)}"
