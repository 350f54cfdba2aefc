"""Names of what is added to an inventory's hosts."""

import re
from collections.abc import Mapping


def next_name(like: str, taken: Mapping[str, object]) -> str:
    """Return the next free name that continues the numbering of `like`: db1, db2, then db3."""
    stem = like.rstrip("0123456789")
    numbers = [int(name[len(stem) :]) for name in taken if re.fullmatch(re.escape(stem) + "[0-9]+", name)]
    return f"{stem}{max(numbers, default=1) + 1}"
