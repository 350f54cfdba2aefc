"""Ports that an up is about to take: two at once do not take the same, whichever clones they are of."""

import fcntl
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import psutil

# Of all clones of this user: from its plan to its containers an up does not hold its ports itself.
RESERVED = Path(tempfile.gettempdir()) / f"wavetank-ports-{os.getuid()}.json"


def reserve(block: range, holder: int) -> bool:
    """Reserve ports for as long as the process `holder` runs, instead of what it had reserved before.

    Returns:
        False where another process that runs has reserved one of them.
    """
    with RESERVED.open("a+") as file:
        # One after the other, whoever asks; closing the file lets the next one in.
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        others = [each for each in _read(file.read()) if each["holder"] != holder and _runs(each)]
        if any(block.start < each["stop"] and each["start"] < block.stop for each in others):
            return False
        mine = {
            "holder": holder,
            "since": psutil.Process(holder).create_time(),
            "start": block.start,
            "stop": block.stop,
        }
        file.truncate(0)
        json.dump([*others, mine], file)
    return True


def _read(text: str) -> list[dict[str, float]]:
    """Return what is reserved; of a file that was not written to its end, nothing."""
    try:
        found: list[dict[str, float]] = json.loads(text)
    except json.JSONDecodeError:
        return []
    return found or []


def _runs(reservation: Mapping[str, float]) -> bool:
    """Return whether the process that reserved it is still there, and not another one with its number."""
    try:
        # The clock may have been set a little since.
        return abs(psutil.Process(int(reservation["holder"])).create_time() - reservation["since"]) < 1.0
    except psutil.NoSuchProcess:
        return False
