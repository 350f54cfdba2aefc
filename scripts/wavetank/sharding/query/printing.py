"""Rows on a terminal or in a file, as they come: none but the first are held."""

import itertools
import json
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from wavetank.sharding.query.scatter_gather import Answer

# So many rows decide how wide the columns are; those that follow may stick out.
SIZED_BY = 200
Write = Callable[[str], object]


def text_lines(answer: Answer) -> Iterator[str]:
    """Yield the columns' names and the rows, aligned."""
    first = list(itertools.islice(answer.rows, SIZED_BY))
    shown = [answer.columns, *([_text(value) for value in row] for row in first)]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    right = [all(isinstance(row[at], int | float | Decimal | None) for row in first) for at in range(len(widths))]
    for row in itertools.chain(shown, ([_text(value) for value in row] for row in answer.rows)):
        cells = (
            cell.rjust(width) if side else cell.ljust(width)
            for cell, width, side in zip(row, widths, right, strict=True)
        )
        yield "  ".join(cells).rstrip()


def notes(answer: Answer) -> Iterator[str]:
    """Yield what there is to say of an answer whose rows have been read."""
    asked = ", ".join(f"{shard} ({server})" for shard, server in answer.servers.items())
    yield f"from shard{'s' * (len(answer.servers) > 1)} {asked}"
    yield from answer.plan.notes


def write_json(answer: Answer, write: Write) -> None:
    """Write the answer as one JSON object, a row a line; decimals and times are texts, so that none loses a digit."""
    write(f'{{"columns": {json.dumps(answer.columns)},\n "servers": {json.dumps(answer.servers)},\n "rows": [')
    separator = "\n  "
    for row in answer.rows:
        write(separator + json.dumps([_plain(value) for value in row], ensure_ascii=False))
        separator = ",\n  "
    write("\n]}\n")


def _text(value: Any) -> str:  # noqa: ANN401 - whatever a column holds
    return "NULL" if value is None else str(_plain(value))


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a column holds
    if isinstance(value, bytes | bytearray):
        return f"0x{value.hex()}"
    if isinstance(value, Decimal | datetime | date | timedelta):
        return str(value)
    return sorted(value) if isinstance(value, set) else value
