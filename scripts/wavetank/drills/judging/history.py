"""The history of a drill, as Jepsen calls it, in three files: written, and read back with nothing taken for granted."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from wavetank.drills.judging.drill_spec import VERSION, DrillSpec
from wavetank.drills.judging.records import HELD, OPERATIONS
from wavetank.errors import UsageError

DECLARED_FILE, OPERATIONS_FILE, HELD_FILE = "declared.json", "operations.jsonl", "held.jsonl"
T = TypeVar("T")


@dataclass(frozen=True)
class DrillHistory:
    """A drill's history.

    Attributes:
        declared: what was declared of it.
        operations: everything that was asked for.
        held: what the servers held in the end; None where nobody could say.
    """

    declared: DrillSpec
    operations: Sequence[Any]
    held: Sequence[Any] | None

    def counted(self) -> "DrillHistory":
        """Return the same, with what was declared saying how many lines there are."""
        held = None if self.held is None else len(self.held)
        return replace(self, declared=replace(self.declared, operations=len(self.operations), held=held))

    def operations_of(self, record: type[T]) -> list[T]:
        """Return the operations that are such records."""
        return [each for each in self.operations if isinstance(each, record)]

    def held_of(self, record: type[T]) -> list[T]:
        """Return what is held and is such a record."""
        return [each for each in self.held or () if isinstance(each, record)]

    def files(self) -> Mapping[str, Iterator[str]]:
        """Return the lines of each file, by its name."""
        declared = msgspec.json.format(msgspec.json.encode(self.declared), indent=2).decode()
        return {
            DECLARED_FILE: iter([declared + "\n"]),
            OPERATIONS_FILE: _lines(self.operations),
            HELD_FILE: _lines(self.held or ()),
        }


def _lines(records: Iterable[object]) -> Iterator[str]:
    for record in records:
        yield msgspec.json.encode(record).decode() + "\n"


def read_history(directory: Path) -> DrillHistory:
    """Return the history in a report's directory.

    Raises:
        UsageError: it is none: a file is missing, or a line is not what such a file has.
    """
    text = _text(directory, DECLARED_FILE)
    try:
        version = json.loads(text)["version"]
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{directory / DECLARED_FILE} is not what a drill declares of itself") from None
    if version != VERSION:
        raise UsageError(f"{directory} is of version {version}; this wavetank judges version {VERSION}")
    try:
        declared = msgspec.json.decode(text, type=DrillSpec)
    except msgspec.MsgspecError as error:
        raise UsageError(f"{directory / DECLARED_FILE} is not what a drill declares of itself: {error}") from None
    operations = list(_records(directory, OPERATIONS_FILE, OPERATIONS[declared.kind]))
    held = list(_records(directory, HELD_FILE, HELD[declared.kind]))
    return DrillHistory(declared, operations, None if declared.held is None and not held else held)


def _text(directory: Path, name: str) -> str:
    try:
        return (directory / name).read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"{directory} is not a drill's report: {name}: {reason}") from None


def _records(directory: Path, name: str, records: Sequence[type]) -> Iterator[Any]:
    by_fields = {frozenset(field.name for field in fields(record)): record for record in records}
    for number, line in enumerate(_text(directory, name).splitlines(), start=1):
        try:
            plain = msgspec.json.decode(line)
            record = by_fields[frozenset(plain)]
            yield msgspec.convert(plain, record)
        except (msgspec.MsgspecError, KeyError, TypeError) as error:
            reason = f": {error}" if isinstance(error, msgspec.ValidationError) else ""
            known = " or ".join(sorted(record.__name__ for record in records))
            raise UsageError(f"{directory / name}: line {number} is no {known}{reason}") from None
