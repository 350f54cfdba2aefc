"""Runs a matrix on an instance, and keeps what was told as it comes."""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from wavetank.client_faults.judging.outcomes import NOT_APPLICABLE
from wavetank.client_faults.lab.batches import CellRun, run_batch
from wavetank.client_faults.lab.bench import Bench, set_up
from wavetank.client_faults.matrix.plan import AT_ONCE, Batch, Plan
from wavetank.client_faults.matrix.results import Results
from wavetank.errors import UnreachableError, UsageError
from wavetank.servers.node import StatementError
from wavetank.topology.instance import Instance

Say = Callable[[str], None]
RUNS_FILE = "runs.jsonl"
NOT_APPLICABLE_EVENT = "not applicable"
# What a batch takes as long as none of its fault is over, in seconds.
USUAL_S = 12.0


def run_matrix(plan: Plan, instance: Instance, directory: Path, results: Results, say: Say) -> None:
    """Run every batch; what is told is in `directory` and in `results` as soon as a batch is over.

    Raises:
        UsageError: the instance cannot be brought in order after a fault.
    """
    directory.mkdir(parents=True, exist_ok=True)
    batches = list(plan.batches())
    took: dict[str, list[float]] = {}
    first = 1
    with set_up(instance, AT_ONCE) as bench, (directory / RUNS_FILE).open("a") as kept:
        for at, batch in enumerate(batches):
            began_s = time.monotonic()
            runs = _run(bench, batch, first, plan.cap_s)
            first += len(batch.cells)
            kept.writelines(json.dumps(asdict(run)) + "\n" for run in runs)
            kept.flush()
            took.setdefault(batch.fault.name, []).append(time.monotonic() - began_s)
            verdicts = results.add(runs)
            say(f"{at + 1:>4} of {len(batches)}  {batch.fault.name}: {_in_words([v.outcome.name for v in verdicts])}; "
                f"{_left(batches[at + 1 :], took)}")  # fmt: skip


def _run(bench: Bench, batch: Batch, first: int, cap_s: float) -> list[CellRun]:
    if lack := batch.fault.lacks(bench.servers.topology):
        return [CellRun(cell, events=[{"event": NOT_APPLICABLE_EVENT, "says": lack}]) for cell in batch.cells]
    try:
        return run_batch(bench, batch.fault, batch.cells, first, cap_s)
    except (UsageError, UnreachableError, StatementError) as failure:
        # One fault that could not be made is no reason to give up all others.
        bench.restore()
        return [CellRun(cell, last_words=f"the fault could not be made: {failure}") for cell in batch.cells]


def _in_words(names: list[str]) -> str:
    measured = [name for name in names if name != NOT_APPLICABLE.name]
    return ", ".join(f"{measured.count(name)} {name}" for name in dict.fromkeys(measured)) or "nobody has that"


def _left(waiting: list[Batch], took: dict[str, list[float]]) -> str:
    """Return how long it is likely to take, by the medians of the faults so far."""
    known = [seconds for those in took.values() for seconds in those]
    usual_s = statistics.median(known) if known else USUAL_S
    seconds = sum(statistics.median(took.get(batch.fault.name, [usual_s])) for batch in waiting)
    return f"about {seconds / 60:.0f} min left" if waiting else "the last one"
