"""A campaign as a table in the terminal, as JSON and as a page."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from wavetank.drills.campaign.figures import ALL, Figures, Spread, summed_up
from wavetank.drills.campaign.results import Result
from wavetank.drills.reporting.page import rendered
from wavetank.drills.reporting.plots import Bars, bars
from wavetank.files import write_if_changed
from wavetank.topology.instance import STATE

PAGE = "campaign.html"
# As many of those that failed are named on the terminal; the page has all of them.
MOST_NAMED = 10


@dataclass(frozen=True)
class Campaign:
    """A campaign as far as it has come.

    Attributes:
        seed: what its storms were drawn from.
        drill: the one drill that they are of, '' for all drills.
        storms: how many were drawn.
        results: what came of those that are over.
        left: what an instance has left on this machine.
        again: whether one of its storms was run again, and no other.
    """

    seed: int
    drill: str
    storms: int
    results: Sequence[Result]
    left: Sequence[str] = ()
    again: bool = False

    @property
    def passed(self) -> bool:
        """Whether all storms are over, each passed, and nothing was left on this machine."""
        return len(self.results) == (1 if self.again else self.storms) and not self.failed and not self.left

    @property
    def failed(self) -> list[Result]:
        """The storms that did not pass."""
        return [result for result in self.results if not result.passed]

    @property
    def command(self) -> str:
        """The command that runs it."""
        return f"make campaign STORMS={self.storms} SEED={self.seed}" + (f" DRILL={self.drill}" if self.drill else "")

    def replay(self, result: Result) -> str:
        """Return the command that runs one of its storms again."""
        return f"{self.command} STORM={result.storm.number}"

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return {
            "seed": self.seed,
            "drill": self.drill,
            "storms": self.storms,
            "over": len(self.results),
            "passed": self.passed,
            "left_behind": list(self.left),
            "figures": [figures.as_dict() for figures in summed_up(self.results)],
            "results": [result.as_dict() for result in self.results],
        }


def directory_of(seed: int, drill: str) -> Path:
    """Return where a campaign is kept: the same one for the same seed, so that it can go on."""
    return STATE / "campaigns" / (f"seed-{seed}-{drill}" if drill else f"seed-{seed}")


def write(campaign: Campaign, directory: Path) -> Path:
    """Write both files into the campaign's directory; return the page."""
    write_if_changed(directory / "campaign.json", json.dumps(campaign.as_dict(), indent=2) + "\n")
    write_if_changed(directory / PAGE, page(campaign))
    return directory / PAGE


HEADINGS = (
    "storms", "passed", "second fault", "refused", "writes RTO, median", "99 %", "worst", "reads RTO, median", "99 %",
    "worst", "acknowledged", "lost",
)  # fmt: skip


def table(campaign: Campaign) -> Table:
    """Return the campaign for a terminal."""
    shown = Table(
        title=f"{len(campaign.results)} of {campaign.storms} storms of seed {campaign.seed}", title_justify="left"
    )
    shown.add_column("drill", no_wrap=True)
    for heading in HEADINGS:
        shown.add_column(heading, justify="right")
    rows = summed_up(campaign.results)
    for figures in rows:
        shown.add_row(figures.name, *cells(figures), end_section=figures is rows[-2] if len(rows) > 1 else False)
    return shown


def cells(figures: Figures) -> list[str]:
    """Return a row's figures as people read them."""
    return [
        str(figures.storms), str(figures.passed), str(figures.second), str(figures.refused),
        *_spread(figures.writes_s), *_spread(figures.reads_s), f"{figures.acknowledged:,}", str(figures.lost),
    ]  # fmt: skip


def _spread(spread: Spread | None) -> list[str]:
    return [f"{value:.3f} s" for value in (spread.median, spread.p99, spread.worst)] if spread else ["-"] * 3


def failure_lines(campaign: Campaign) -> list[str]:
    """Return what a person reads of the storms that failed, and how each is run again."""
    lines = []
    for result in campaign.failed[:MOST_NAMED]:
        lines += [f"✗ {result.storm.number} {result.storm.title}: {'; '.join(result.failures)}"]
        lines += [f"  again: {campaign.replay(result)}"]
    if more := len(campaign.failed) - MOST_NAMED:
        lines += [f"  and {more} more: the page has all of them"] if more > 0 else []
    return [*lines, *(f"✗ left on this machine: {left}" for left in campaign.left)]


def page(campaign: Campaign) -> str:
    """Return the page of a campaign."""
    rows = [figures for figures in summed_up(campaign.results) if figures.name != ALL and figures.writes_s]
    names = [figures.name for figures in rows]
    spreads = [figures.writes_s for figures in rows if figures.writes_s]
    plot = bars(
        names,
        [
            Bars("median", [spread.median for spread in spreads], "blue"),
            Bars("99th percentile", [spread.p99 for spread in spreads], "orange"),
        ],
        "seconds",
    )
    return rendered(
        "campaign.html.j2", campaign=campaign, figures=summed_up(campaign.results), headings=HEADINGS, cells=cells,
        plot=plot if rows else None,
    )  # fmt: skip
