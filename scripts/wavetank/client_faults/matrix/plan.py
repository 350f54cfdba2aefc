"""What a matrix is asked to be: which subjects, which faults, which settings, how often."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wavetank.client_faults.faults import named_faults
from wavetank.client_faults.lab.batches import Cell
from wavetank.client_faults.lab.faults import Fault
from wavetank.client_faults.matrix.catalogue import Subject, named_subjects
from wavetank.errors import UsageError

# Clients that are hit at once: each is a process, which has to be started.
AT_ONCE = 16
# How long an answer is waited for, in seconds.
CAP_S = 30.0
MOST_RUNS = 100


@dataclass(frozen=True)
class Batch:
    """One fault, and the clients that it hits at once."""

    fault: Fault
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Plan:
    """What is to be measured.

    Attributes:
        subjects: which clients.
        faults: what hits them.
        settings: whether they are hardened: False, True or both.
        runs: how often each cell.
        cap_s: how long an answer is waited for, in seconds.
    """

    subjects: tuple[Subject, ...]
    faults: tuple[Fault, ...]
    settings: tuple[bool, ...]
    runs: int
    cap_s: float = CAP_S

    @functools.cached_property
    def cells(self) -> list[Cell]:
        """Every cell, a fault after the other."""
        return [
            Cell(subject.loaded_as, fault.name, hardened)
            for fault in self.faults
            for subject in self.subjects
            for hardened in self.settings
        ]

    def batches(self) -> Iterator[Batch]:
        """Yield what is to be done, run by run: what else the machine does is not one fault's bad luck."""
        for _ in range(self.runs):
            for fault in self.faults:
                cells = [cell for cell in self.cells if cell.fault == fault.name]
                for at in range(0, len(cells), AT_ONCE):
                    yield Batch(fault, tuple(cells[at : at + AT_ONCE]))

    def subject_of(self, cell: Cell) -> Subject:
        """Return the subject of a cell."""
        return next(subject for subject in self.subjects if subject.loaded_as == cell.subject)

    def fault_of(self, cell: Cell) -> Fault:
        """Return the fault of a cell."""
        return next(fault for fault in self.faults if fault.name == cell.fault)


def make_plan(subjects: str, faults: str, runs: str, hardened: str) -> Plan:
    """Return what a person has asked for; several names are separated by commas.

    Raises:
        UsageError: it makes no sense; the message says what does.
    """
    if not runs.isdigit() or not 1 <= int(runs) <= MOST_RUNS:
        raise UsageError(f"RUNS= is a number from 1 to {MOST_RUNS}, not {runs!r}")
    settings = {"": (False, True), "0": (False,), "1": (True,)}
    if hardened not in settings:
        raise UsageError(f"HARDENED= is 0, 1, or nothing for both, not {hardened!r}")
    return Plan(
        tuple(named_subjects(_names(subjects))), tuple(named_faults(_names(faults))), settings[hardened], int(runs)
    )


def _names(said: str) -> Sequence[str]:
    return list(dict.fromkeys(name.strip() for name in said.split(",") if name.strip()))
