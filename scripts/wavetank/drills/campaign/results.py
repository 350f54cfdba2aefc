"""What came of each storm, kept as it comes: an interrupted campaign goes on from there."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wavetank.drills.campaign.drawing import Setting, Storm


@dataclass(frozen=True)
class Result:
    """What came of one storm.

    Attributes:
        storm: which.
        passed: whether its drill's verdict found nothing wrong.
        seconds: how long it took.
        writes_s: the longest time without an acknowledged write, None where the drill measures none.
        reads_s: the same of reads.
        unfinished: whether that of writes had not ended with the traffic.
        acknowledged: how many writes were, 0 where there is no report.
        lost: how many of them were not there afterwards.
        refused: why the command that mends refused to, '' where it did not.
        failures: what was wrong, a sentence each.
        report: the report's directory, from the campaign's; '' where none was left.
    """

    storm: Storm
    passed: bool
    seconds: float = 0.0
    writes_s: float | None = None
    reads_s: float | None = None
    unfinished: bool = False
    acknowledged: int = 0
    lost: int = 0
    refused: str = ""
    failures: tuple[str, ...] = ()
    report: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return asdict(self)


class Results:
    """The file of a campaign's results, a line each."""

    def __init__(self, path: Path) -> None:
        """Take the file in which they are kept."""
        self._path = path
        self._left = path.with_name("left-behind.txt")

    def of(self, storms: Iterable[Storm]) -> list[Result]:
        """Return the results of these storms that are there, by number; one of another storm is passed over."""
        wanted = {storm.number: storm for storm in storms}
        found = {each.storm.number: each for each in self._read() if wanted.get(each.storm.number) == each.storm}
        return [found[number] for number in sorted(found)]

    def add(self, result: Result) -> None:
        """Keep a result; from then on it survives whatever ends the campaign."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        half_made = self._path.exists() and not self._path.read_bytes().endswith(b"\n")
        with self._path.open("a") as file:
            file.write("\n" * half_made + json.dumps(result.as_dict()) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def note_left(self, instance: str, left: Iterable[str]) -> None:
        """Keep what an instance that was taken down has left on this machine."""
        with self._left.open("a") as file:
            file.writelines(f"{instance}: {each}\n" for each in left)

    def left(self) -> list[str]:
        """Return all that was left on this machine."""
        return self._left.read_text().splitlines() if self._left.exists() else []

    def _read(self) -> Iterator[Result]:
        for line in self._path.read_text().splitlines() if self._path.exists() else ():
            try:
                read = json.loads(line)
            except json.JSONDecodeError:
                # The last line of a campaign that was killed: its storm is run again.
                continue
            storm = read.pop("storm")
            setting = Setting(**storm.pop("setting"))
            failures = tuple(read.pop("failures"))
            yield Result(storm=Storm(setting=setting, **storm), failures=failures, **read)
