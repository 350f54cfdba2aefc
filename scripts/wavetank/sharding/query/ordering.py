"""Rows of several servers, each in order, put into one order: NULL first, and last where it descends, as MySQL does."""

import functools
import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

Row = tuple[Any, ...]


@functools.total_ordering
class _Descending:
    """A value that comes before smaller ones."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:  # noqa: ANN401
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and bool(self.value == other.value)

    def __lt__(self, other: "_Descending") -> bool:
        return bool(other.value < self.value)

    def __hash__(self) -> int:
        return hash(self.value)


def merged(streams: Sequence[Iterable[Row]], down: Sequence[bool]) -> Iterator[Row]:
    """Yield the rows of all streams in the order of their last columns, one for each of `down`, without these.

    Each stream must be in that order; `down` says which columns descend. One row a stream is held.
    """
    if not down:
        return itertools.chain.from_iterable(streams)
    width = len(down)
    return (row[:-width] for row in heapq.merge(*streams, key=_key(tuple(down))))


def cut(rows: Iterable[Row], limit: int | None, offset: int) -> Iterator[Row]:
    """Yield `limit` rows, all where it is None, after the first `offset`."""
    return itertools.islice(rows, offset, None if limit is None else offset + limit)


def _key(down: tuple[bool, ...]) -> Callable[[Row], Row]:
    width = len(down)

    def key(row: Row) -> Row:
        return tuple(
            _Descending((value is not None, value)) if falls else (value is not None, value)
            for value, falls in zip(row[-width:], down, strict=True)
        )

    return key
