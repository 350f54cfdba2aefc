"""From what a person asks of a campaign to its storms and their results."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wavetank.drills.campaign.choices import all_choices
from wavetank.drills.campaign.drawing import MOST_JOBS, MOST_STORMS, Storm, draw
from wavetank.drills.campaign.report import Campaign, directory_of
from wavetank.drills.campaign.results import Results
from wavetank.drills.campaign.runner import run_campaign
from wavetank.errors import UsageError


@dataclass(frozen=True)
class Asked:
    """What a person asked for: `storm` is the one storm to be run again, 0 for all; the others say what they are."""

    storms: int
    seed: int
    storm: int
    drill: str
    jobs: int


def asked(storms: str, seed: int, storm: str, drill: str, jobs: str) -> Asked:
    """Return what was asked for.

    Raises:
        UsageError: one of them is no number, or none that there can be.
    """
    wanted = _number("storms", storms, MOST_STORMS)
    one = _number("storm", storm, wanted) if storm else 0
    return Asked(wanted, seed, one, drill, _number("jobs", jobs, MOST_JOBS))


def _number(name: str, value: str, most: int) -> int:
    if not value.isdecimal() or not 1 <= int(value) <= most:
        raise UsageError(f"{name}={value} is not a number from 1 to {most}")
    return int(value)


def run(wanted: Asked, say: Callable[[str], None]) -> tuple[Campaign, Path]:
    """Run a campaign, or what is left of it; return it, and the directory where it is kept.

    Raises:
        UsageError: there is no such drill, or another campaign is running.
        KeyboardInterrupt: it was interrupted; the same campaign goes on where this one stopped.
    """
    storms = draw(all_choices(wanted.drill, say), wanted.seed, wanted.storms)
    directory = directory_of(wanted.seed, wanted.drill)
    if wanted.storm:
        return _again(wanted, storms[wanted.storm - 1], directory / "again", say)
    results = run_campaign(storms, directory, wanted.jobs, say)
    left = Results(directory / "results.jsonl").left()
    return Campaign(wanted.seed, wanted.drill, wanted.storms, results, left), directory


def _again(wanted: Asked, storm: Storm, directory: Path, say: Callable[[str], None]) -> tuple[Campaign, Path]:
    """Run one storm, whatever came of it before; the campaign's own results stay as they are."""
    shutil.rmtree(directory, ignore_errors=True)
    results = run_campaign([storm], directory, 1, say)
    left = Results(directory / "results.jsonl").left()
    return Campaign(wanted.seed, wanted.drill, wanted.storms, results, left, again=True), directory
