"""What came of the writes and reads of a sharded shop's customers, from their log and the shards' rows. Pure."""

import bisect
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from wavetank.drills.traffic.load import Load
from wavetank.drills.traffic.log import READ, WRITE, Operation
from wavetank.drills.traffic.shop_log import Held, Read, Write

if TYPE_CHECKING:
    from wavetank.drills.traffic.shop_log import Outcome

# Of what was offered, so much at least has to be acknowledged: less is no load. A machine with fifteen times the work
# that it can do still came to 0.09.
LEAST_OF_OFFERED = 0.02
# Of what was sent, so much at least: where no server dies, clients are served.
LEAST_OF_SENT = 0.9


@dataclass(frozen=True)
class ShopVerdict:
    """What came of the writes and reads: numbers of them, and ids of what is wrong.

    Attributes:
        acknowledged: how many writes were; of the others it is known that they `failed`, or it is `unknown`.
        reads: how many there were, and `unread` how many of them were not answered.
        lost: orders that are not there, although acknowledged.
        twice: orders and customers of which there is more than one.
        wrong: orders that are not as their last acknowledged write left them.
        resurrected: orders that are there, although their cancellation was acknowledged.
        unexpected: orders that nobody wrote.
        counters: customers who are not there with the counter of their last acknowledged write.
        stale: the answered reads that saw what was not true any more, or not yet.
    """

    acknowledged: int
    failed: int
    unknown: int
    reads: int
    unread: int = 0
    lost: tuple[int, ...] = ()
    twice: tuple[int, ...] = ()
    wrong: tuple[int, ...] = ()
    resurrected: tuple[int, ...] = ()
    unexpected: tuple[int, ...] = ()
    counters: tuple[int, ...] = ()
    stale: tuple[Read, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it; reports have always called the resurrected orders `undead`."""
        return {"undead" if name == "resurrected" else name: value for name, value in asdict(self).items()}

    def failures(self) -> list[str]:
        """Return what must not be, a sentence each, however well the customers were served."""
        found = {
            "orders acknowledged and lost": self.lost,
            "orders or customers there more than once": self.twice,
            "orders that are not as their last acknowledged write left them": self.wrong,
            "orders cancelled and there": self.resurrected,
            "orders there that nobody wrote": self.unexpected,
            "customers whose counter is not the last acknowledged one": self.counters,
        }
        lines = [f"{len(ids)} {what}: {', '.join(map(str, ids[:5]))}" for what, ids in found.items() if ids]
        if self.stale:
            first = self.stale[0]
            lines.append(
                f"{len(self.stale)} reads were not current: customer {first.customer} read {first.seen}, "
                f"which was to be {first.least} to {first.most}"
            )
        return lines


def judge(
    writes: Iterable[Write], reads: Sequence[Read], held: Iterable[Held], counters: Sequence[tuple[int, int, int]]
) -> ShopVerdict:
    """Return the verdict.

    Args:
        writes: all of them.
        reads: all reads.
        held: the customers' orders on all shards.
        counters: shard, customer and counter of each row of a customer, on all shards.
    """
    by_order: dict[int, list[Write]] = {}
    # Who is known of has to be there, also where nothing of theirs was acknowledged.
    by_customer: dict[int, list[Write]] = {read.customer: [] for read in reads}
    outcomes: Counter[Outcome] = Counter()
    writes = sorted(writes, key=lambda each: each.id)
    for write in writes:
        outcomes[write.outcome] += 1
        by_customer.setdefault(write.customer, [])
        if write.outcome != "failed":
            by_order.setdefault(write.order, []).append(write)
            by_customer[write.customer].append(write)
    there: dict[int, list[Held]] = {}
    for each in held:
        there.setdefault(each.order, []).append(each)
    faults = {order: _fault(theirs, there.get(order, [])) for order, theirs in sorted(by_order.items())}
    rows: dict[int, list[int]] = {}
    for _, customer, counter in counters:
        rows.setdefault(customer, []).append(counter)
    return ShopVerdict(
        acknowledged=outcomes["acknowledged"],
        failed=outcomes["failed"],
        unknown=outcomes["unknown"],
        reads=len(reads),
        unread=sum(not read.answered for read in reads),
        twice=(
            *sorted(order for order, copies in there.items() if len(copies) > 1),
            *sorted(customer for customer, copies in rows.items() if len(copies) > 1),
        ),
        unexpected=tuple(sorted(there.keys() - by_order.keys())),
        counters=tuple(
            sorted(customer for customer, theirs in by_customer.items() if _miscounted(theirs, rows.get(customer, [])))
        ),
        stale=tuple(_not_current(writes, reads)),
        lost=tuple(order for order, fault in faults.items() if fault == "lost"),
        wrong=tuple(order for order, fault in faults.items() if fault == "wrong"),
        resurrected=tuple(order for order, fault in faults.items() if fault == "resurrected"),
    )


def _not_current(writes: Sequence[Write], reads: Sequence[Read]) -> Iterator[Read]:
    """Yield the answered reads that did not see what was true while they were under way.

    What a read had to see at least is also asked of the writes: what was acknowledged before it was sent.
    """
    ends: dict[int, list[float]] = defaultdict(list)
    counters: dict[int, list[int]] = defaultdict(list)
    for write in sorted(writes, key=lambda each: each.done_s):
        if write.outcome == "acknowledged":
            newest = counters[write.customer]
            newest.append(max([write.counter, *newest[-1:]]))
            ends[write.customer].append(write.done_s)
    for read in reads:
        told = bisect.bisect_left(ends[read.customer], read.sent_s)
        least = max(read.least, counters[read.customer][told - 1]) if told else read.least
        if read.answered and (not read.current or read.seen < least):
            yield replace(read, least=least)


def _fault(writes: Sequence[Write], copies: Sequence[Held]) -> Literal["", "lost", "wrong", "resurrected"]:
    """Return what is wrong with an order after its writes; one of unknown outcome is its last."""
    states: list[int | None] = [None]
    for write in writes:
        left = None if write.kind == "cancel" else write.counter
        states = [left] if write.outcome == "acknowledged" else [*states, left]
    if not copies:
        return "" if None in states else "lost"
    if states == [None]:
        return "resurrected"
    return "" if all(copy.total == copy.price and copy.total in states for copy in copies) else "wrong"


def _miscounted(writes: Sequence[Write], rows: Sequence[int]) -> bool:
    last = max((write.counter for write in writes if write.outcome == "acknowledged"), default=0)
    may = {last, *(write.counter for write in writes if write.outcome == "unknown" and write.counter > last)}
    return not rows or not set(rows) <= may


def unserved(verdict: ShopVerdict, load: Load) -> Iterator[str]:
    """Yield what is missing for the load to have been one, a sentence each: nothing passes because nothing was done."""
    current = verdict.reads - verdict.unread - len(verdict.stale)
    sent = verdict.acknowledged + verdict.failed + verdict.unknown
    for what, good, sent_of, offered in (
        ("writes were acknowledged", verdict.acknowledged, sent, load.seconds * load.writes_per_s),
        ("reads were current", current, verdict.reads, load.seconds * load.reads_per_s),
    ):
        if good < LEAST_OF_OFFERED * offered or not good:
            yield f"only {good:,} {what} of {offered:,.0f} that were offered"
        if good < LEAST_OF_SENT * sent_of:
            yield f"only {good:,} {what} of {sent_of:,} that were sent"


def as_operations(writes: Iterable[Write], reads: Iterable[Read]) -> Iterator[Operation]:
    """Yield what the customers asked for as any client's operations: whether it was acknowledged, and when."""
    for write in writes:
        error = "" if write.outcome == "acknowledged" else write.error or write.outcome
        yield Operation(WRITE, write.client, write.id, write.sent_s, write.done_s, "", error, write.due_s)
    for read in reads:
        yield Operation(READ, read.client, 0, read.sent_s, read.done_s, "", read.error, read.due_s)


def longest_wait_ms(writes: Iterable[Write], customers: set[int], since_s: float, until_s: float) -> float:
    """Return for how many ms a write of one of `customers` was under way at most, of those between two moments."""
    waits = [
        write.done_s - write.sent_s
        for write in writes
        if write.customer in customers and since_s <= write.done_s and write.sent_s <= until_s
    ]
    return round(max(waits, default=0.0) * 1000, 1)
