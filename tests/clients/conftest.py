"""The bench that tests of client libraries share: an instance behind a Router, and the libraries' environment."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

import pytest
from clients_of import Measure
from wavetank.client_faults.faults import all_faults
from wavetank.client_faults.judging.verdict import Verdict
from wavetank.client_faults.lab.batches import Cell, run_batch
from wavetank.client_faults.lab.bench import Bench, set_up
from wavetank.client_faults.matrix.catalogue import named_subjects
from wavetank.client_faults.matrix.plan import Plan
from wavetank.client_faults.matrix.results import Results
from wavetank.topology.instance import HOME, Instance

SLOTS = 24


@pytest.fixture(scope="session")
def libraries() -> None:
    """Have the environment that `make clients` makes."""
    subprocess.run([sys.executable, str(HOME / "scripts" / "bootstrap.py"), "clients"], check=True)


@pytest.fixture(scope="module")
def bench(bring_up: Callable[..., str], libraries: None) -> Iterator[Bench]:  # noqa: ARG001 - it must be there
    """Have an instance with all that clients need."""
    with set_up(Instance(bring_up("client-faults", TOPOLOGY="mysql-router", SEMI_SYNC=1)), SLOTS) as found:
        yield found


@pytest.fixture(scope="module")
def measure(bench: Bench) -> Measure:
    """Return what puts clients under a fault, and says what was made of each, by its name and whether hardened."""
    numbers = iter(range(1, 10**9, SLOTS))

    def run(
        fault: str, subjects: Sequence[str], settings: Sequence[bool] = (False, True), cap_s: float = 12.0
    ) -> dict[tuple[str, bool], Verdict]:
        plan = Plan(tuple(named_subjects(subjects)), (all_faults()[fault],), tuple(settings), 1, cap_s)
        cells = [Cell(subject.loaded_as, fault, hardened) for subject in plan.subjects for hardened in settings]
        verdicts = Results(plan).add(run_batch(bench, all_faults()[fault], cells, next(numbers), cap_s))
        keys = [(plan.subject_of(cell).key, cell.hardened) for cell in cells]
        return dict(zip(keys, verdicts, strict=True))

    return run
