"""How far a load is, drawn for people."""

import contextlib
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from wavetank.sample.filling import Report


@contextlib.contextmanager
def progress_bar() -> Iterator[Report | None]:
    """Draw a bar for each source on standard error, or give None where that is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        tasks: dict[str, Any] = {}

        def report(source: str, done: int, orders: int) -> None:
            if source not in tasks:
                tasks[source] = bar.add_task(source, total=orders)
            bar.update(tasks[source], completed=done)

        yield report
