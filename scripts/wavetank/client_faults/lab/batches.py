"""One fault, and the clients that it hits at once: they come as far as the gate, it strikes, and all is noted."""

import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from wavetank.client_faults.lab.bench import Bench
from wavetank.client_faults.lab.faults import Fault
from wavetank.client_faults.lab.processes import CellProcess, Event
from wavetank.threads import side_by_side

# How long a client may take to come as far as the gate; imports of several at once take their time.
READY_S = 40.0
# How long one that did not answer is still listened to when the fault is over, and how long the end may take.
LATE_S, END_S = 8.0, 25.0
# A connection that is given up is gone from the server's list a moment later.
GONE_S = 0.5
GATES = ("connect", "struck", "in flight")


@dataclass(frozen=True)
class Cell:
    """One client, by its name or the path of its file, under one fault, with its defaults or hardened."""

    subject: str
    fault: str
    hardened: bool


@dataclass
class CellRun:
    """What came of one run of a cell.

    Attributes:
        cell: which.
        events: what the client told and when it was let go on, times in seconds of the monotonic clock.
        struck_s: when the fault was there; None where the client did not come as far.
        healed_s: when it was taken back.
        held: how many rows there are of each nonce.
        connections: how many connections its process had before it gave all up, and after, and how many the server
            still had then.
        exit_code: of its process, the negative number of a signal; None where we ended it.
        last_words: what the process wrote beside what it told.
    """

    cell: Cell
    events: list[Event] = field(default_factory=list)
    struck_s: float | None = None
    healed_s: float | None = None
    held: dict[int, int] = field(default_factory=dict)
    connections: dict[str, int] = field(default_factory=dict)
    exit_code: int | None = None
    last_words: str = ""


def run_batch(bench: Bench, fault: Fault, cells: Sequence[Cell], first: int, cap_s: float) -> list[CellRun]:
    """Let one fault hit these clients, whose rows are numbered from `first` on; return what came of each.

    Each answer is waited for `cap_s` seconds.
    """
    processes: list[CellProcess] = []
    runs = [CellRun(cell) for cell in cells]
    bench.prepare_locks(range(first, first + len(cells)))
    try:
        fault.prepare(bench, [])
        for slot, cell in enumerate(cells):
            processes.append(_start(bench, fault, cell, slot, first + slot, cap_s))
        _let_hit(bench, fault, processes, runs, cap_s)
    finally:
        for process in processes:
            process.end(0)
        if fault.restores:
            bench.restore()
    for run, process in zip(runs, processes, strict=True):
        run.events, run.exit_code, run.last_words = process.events, process.exit_code, process.last_words
        run.held = bench.rows_of(process.spec["cell"])
    return runs


def _start(bench: Bench, fault: Fault, cell: Cell, slot: int, number: int, cap_s: float) -> CellProcess:  # noqa: PLR0913, PLR0917 - what a cell is made of
    server = fault.lead(bench, bench.server(slot))
    return bench.start(
        {
            "subject": cell.subject, "scenario": fault.scenario, "needs": fault.needs, "hardened": cell.hardened,
            "asynchronous": fault.asynchronous, "cell": number, "cap_s": cap_s, "server": asdict(server),
        }
    )  # fmt: skip


def _let_hit(
    bench: Bench, fault: Fault, processes: Sequence[CellProcess], runs: Sequence[CellRun], cap_s: float
) -> None:
    ready_s = time.monotonic() + READY_S
    there = [each for each in processes if each.wait(lambda each=each: each.at in GATES, ready_s)]  # type: ignore[misc]
    if not there:
        return
    hit = [(run, process) for run, process in zip(runs, processes, strict=True) if process in there]
    try:
        struck_s = _strike(bench, fault, there)
        for run, _ in hit:
            run.struck_s = struck_s
        answered = _answered_by(there, struck_s + (fault.heals_after_s or cap_s))
    finally:
        fault.heal(bench, there)
    healed_s = time.monotonic()
    if fault.heals_after_s:
        answered = _answered_by(there, struck_s + cap_s)
    if not answered:
        _answered_by(there, time.monotonic() + LATE_S)
    for run, _ in hit:
        run.healed_s = healed_s
    side_by_side(lambda pair: _finish(bench, *pair), hit)


def _strike(bench: Bench, fault: Fault, there: Sequence[CellProcess]) -> float:
    """Strike when all stand at the gate, or when what they do then is in flight; return when it was done."""
    if fault.in_flight_s is None:
        fault.strike(bench, there)
        struck_s = time.monotonic()
        _let_go(there)
        return struck_s
    _let_go(there)
    begun_s = time.monotonic() + READY_S
    for each in there:
        each.wait(lambda each=each: each.events[-1]["event"] == "begin", begun_s)  # type: ignore[misc]
    threading.Event().wait(fault.in_flight_s)
    struck_s = time.monotonic()
    fault.strike(bench, there)
    return struck_s


def _let_go(those: Sequence[CellProcess]) -> None:
    for each in those:
        each.go()


def _answered_by(those: Sequence[CellProcess], until_s: float) -> bool:
    answered = [each.wait_at("answered", until_s) for each in those]
    return all(answered)


def _finish(bench: Bench, run: CellRun, process: CellProcess) -> None:
    """Let a client that has its answer come to its end, and count its connections before it and after."""
    if process.at != "answered":
        return
    process.go()
    until_s = time.monotonic() + END_S
    for gate, wait_s in (("settled", 0.0), ("closed", GONE_S)):
        if not process.wait_at(gate, until_s):
            return
        threading.Event().wait(wait_s)
        run.connections[gate] = bench.sockets(process.pid)
        if gate == "closed":
            run.connections["at the server"] = len(bench.connections(process.user))
        process.go()
    process.end(END_S)
