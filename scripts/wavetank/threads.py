"""The same done with several at once, each in a thread of its own."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
Each = TypeVar("Each")


def side_by_side(do: Callable[[Each], T], those: Sequence[Each]) -> list[T]:
    """Return what `do` returns for each of those, in their order; what it raises is raised when all have ended."""
    # A pool without any thread cannot be made.
    with ThreadPoolExecutor(max(1, len(those))) as pool:
        return list(pool.map(do, those))
