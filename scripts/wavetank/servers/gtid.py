"""GTID sets without asking a server: which intervals one has, and what one has beside another."""

from collections.abc import Iterable, Mapping

# Source UUID, with the tag where there is one, to the first and last number of each interval.
Intervals = Mapping[str, list[tuple[int, int]]]


def intervals(gtid_set: str) -> Intervals:
    """Return the intervals of a set as MySQL writes it: uuid:1-5:8, or with tags uuid:1-5:tag:7-9.

    As MySQL has it, upper and lower case are the same, and an interval that ends before it begins is empty.
    Source: MySQL reference manual, "GTID Format and Storage".
    """
    result: dict[str, list[tuple[int, int]]] = {}
    for part in gtid_set.lower().split(","):
        uuid, *tokens = (token.strip() for token in part.split(":"))
        key = uuid
        for token in tokens:
            first, _, last = (number.strip() for number in token.partition("-"))
            if not first.isdecimal():
                key = f"{uuid}:{token}"
            elif int(first) <= int(last or first):
                result.setdefault(key, []).append((int(first), int(last or first)))
    return result


def contains(gtids: Intervals, gtid: str) -> bool:
    """Return whether a set, as intervals() gives it, holds the transaction uuid:number."""
    uuid, _, number = gtid.rpartition(":")
    return any(first <= int(number) <= last for first, last in gtids.get(uuid, ()))


def count_transactions(gtid_set: str) -> int:
    """Return how many transactions a set names."""
    return sum(last - first + 1 for ranges in _numbers(gtid_set).values() for first, last in ranges)


def union(*gtid_sets: str) -> str:
    """Return all transactions that one of the sets names, each once."""
    return _written(_numbers(*gtid_sets))


def subtract(gtid_set: str, *others: str) -> str:
    """Return the transactions of a set that none of the others names, as MySQL's GTID_SUBTRACT() does."""
    taken = _numbers(*others)
    return _written({key: _without(ranges, taken.get(key, ())) for key, ranges in _numbers(gtid_set).items()})


def is_subset(gtid_set: str, *others: str) -> bool:
    """Return whether the others together name every transaction of a set, as MySQL's GTID_SUBSET() does."""
    return not subtract(gtid_set, *others)


def common(gtid_set: str, other: str) -> str:
    """Return the transactions that both sets name."""
    return subtract(gtid_set, subtract(gtid_set, other))


def _numbers(*gtid_sets: str) -> Intervals:
    """Return the intervals of all sets together, in order, none of which touches the next."""
    numbers: dict[str, list[tuple[int, int]]] = {}
    for gtid_set in gtid_sets:
        for key, ranges in intervals(gtid_set).items():
            numbers.setdefault(key, []).extend(ranges)
    return {key: _merged(ranges) for key, ranges in numbers.items()}


def _merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def _without(ranges: Iterable[tuple[int, int]], taken: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return what is left of merged intervals without others, which are merged, too."""
    left = []
    for first, last in ranges:
        begin = first
        for low, high in taken:
            if high >= begin and low <= last:
                if low > begin:
                    left.append((begin, low - 1))
                begin = high + 1
        if begin <= last:
            left.append((begin, last))
    return left


def _written(numbers: Intervals) -> str:
    """Return intervals as a set that MySQL can read; each tag has an entry of its own."""
    entries = (
        ":".join([key, *(f"{first}-{last}" if last > first else f"{first}" for first, last in ranges)])
        for key, ranges in sorted(numbers.items())
        if ranges
    )
    return ",".join(entries)


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
