"""How scenarios end, and what they share."""

import threading
import time
from collections.abc import Callable
from typing import Any

from wavetank.client_faults.cell.client import CellClient
from wavetank.client_faults.cell.telling import attempt, gate, pause, tell

# How long a client is given to come back once the fault is over, in seconds, and how long it waits between two tries.
COME_BACK_S = 5.0
PAUSE_S = 0.25


def recover(client: CellClient) -> None:
    """Wait until the fault is over; ask until there is an answer, write once more, and give everything up."""
    gate("answered")
    ends = time.monotonic() + COME_BACK_S
    while not _works(client) and time.monotonic() < ends:
        pause(PAUSE_S)
    client.finish()


def _works(client: CellClient) -> bool:
    if client.handle is None:
        attempt("connect again", client.open)
    if client.handle is None or not client.read("again"):
        return False
    # What an earlier transaction has left open would be committed by this.
    client.write("next write")
    return True


def claim(name: str, *, holds: bool, says: str) -> None:
    """Tell what only this process can see: what is expected, as judging.verdict knows it, and what there is."""
    tell("claim", name=name, holds=holds, says=says)


def bounded(what: str, do: Callable[[], object], seconds: float, **facts: Any) -> threading.Thread | None:  # noqa: ANN401
    """Attempt something in a thread; return the thread where it has not ended by then, None where it has."""
    thread = threading.Thread(target=lambda: attempt(what, do, **facts), daemon=True)
    thread.start()
    thread.join(seconds)
    return thread if thread.is_alive() else None
