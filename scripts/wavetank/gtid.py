"""What can be read from a GTID set without asking a server: which intervals it has."""

import sys
from collections.abc import Iterator, Mapping

# Source UUID, with the tag where there is one, to the first and last number of each interval.
Intervals = Mapping[str, list[tuple[int, int]]]


def intervals(gtid_set: str) -> Intervals:
    """Return the intervals of a set as MySQL writes it: uuid:1-5:8, or with tags uuid:1-5:tag:7-9.

    Source: MySQL reference manual, "GTID Format and Storage".
    """
    result: dict[str, list[tuple[int, int]]] = {}
    for part in filter(None, gtid_set.replace("\n", "").split(",")):
        uuid, *tokens = part.strip().split(":")
        key = uuid
        for token in tokens:
            first, _, last = token.partition("-")
            if first.isdecimal():
                result.setdefault(key, []).append((int(first), int(last or first)))
            else:
                key = f"{uuid}:{token}"
    return result


def contains(gtids: Intervals, gtid: str) -> bool:
    """Return whether a set, as intervals() gives it, holds the transaction uuid:number."""
    uuid, _, number = gtid.rpartition(":")
    return any(first <= int(number) <= last for first, last in gtids.get(uuid, ()))


def count_transactions(gtid_set: str) -> int:
    """Return how many transactions a set names."""
    return sum(last - first + 1 for ranges in intervals(gtid_set).values() for first, last in ranges)


def union(*gtid_sets: str) -> str:
    """Return all transactions that one of the sets names, each once."""
    numbers: dict[str, list[tuple[int, int]]] = {}
    for gtid_set in gtid_sets:
        for key, ranges in intervals(gtid_set).items():
            numbers.setdefault(key, []).extend(ranges)
    return ",".join(":".join([key, *_merged(ranges)]) for key, ranges in numbers.items())


def _merged(ranges: list[tuple[int, int]]) -> Iterator[str]:
    first, last = -1, -2
    for low, high in [*sorted(ranges), (sys.maxsize, sys.maxsize)]:
        if low > last + 1:
            if last >= first:
                yield f"{first}-{last}"
            first, last = low, high
        else:
            last = max(last, high)


def without_server(gtid_set: str, uuid: str) -> str:
    """Return the set without the transactions of the server `uuid`; '' leaves everything in."""
    parts = [part.strip() for part in gtid_set.split(",")]
    return ",".join(part for part in parts if not uuid or part.partition(":")[0] != uuid)


def only_server(gtid_set: str, uuid: str) -> str:
    """Return those transactions of the set that the server `uuid` wrote."""
    parts = [part.strip() for part in gtid_set.split(",")]
    return ",".join(part for part in parts if part.partition(":")[0] == uuid)


def is_hole(missing: str, executed: str) -> bool:
    """Return whether transactions are missing that are older than others which have been executed.

    A replica that is merely late misses the newest ones; a hole is closed only by asking for it again.
    """
    newest = {key: max(last for _, last in ranges) for key, ranges in intervals(executed).items()}
    return any(ranges[0][0] < newest.get(key, 0) for key, ranges in intervals(missing).items())
