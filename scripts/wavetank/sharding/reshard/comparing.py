"""Whether the copies are what the originals are: checksums of all rows of a customer, on both sides.

Under load the two are read at different moments. A customer who differs differs indeed if the original did not change
between two readings, and the copy was read in between, after it had all that the first reading could have seen. Whoever
changed meanwhile is in the log, and so among those that are compared once more.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager

from wavetank.sharding.reshard.following import Follower
from wavetank.sharding.reshard.ledger import in_chunks
from wavetank.sharding.reshard.moves import ReshardingContext
from wavetank.sharding.reshard.rows import Session, Table, listed
from wavetank.waiting import wait_until

CHUNK_CUSTOMERS = 500
CATCH_UP_S = 60.0
EXAMPLES = 5
# A customer who differs is looked at so often before it is said.
LOOKS = 4
# Of each table how many rows, and the checksum of all of them.
Checksums = tuple[tuple[int, int], ...]


class Comparison:
    """The originals on one shard and their copies on another."""

    def __init__(self, context: ReshardingContext, follower: Follower, target: int) -> None:
        """Take the shards that are compared; nothing is read yet."""
        self._context = context
        self._follower = follower
        self._target = target
        self.source_shard = follower.source_shard
        self.title = f"shard {follower.source_shard} and shard {target}"

    def of(self, touched: Mapping[int, int]) -> list[int]:
        """Return those of the customers, given with their targets, whom this is about."""
        return sorted(customer for customer, target in touched.items() if target == self._target)

    def everything(self, counted: Callable[[int], None]) -> list[int]:
        """Return the customers who differ, of all that are on one of the two sides."""
        source_shard = self._follower.source_shard
        there = self._context.arrived(source_shard, self._target)
        here = self._context.going(source_shard).get(self._target, [])
        return self._differing(sorted({*here, *there}), counted)

    def those(self, customers: Sequence[int]) -> list[int]:
        """Return the customers who differ of those that are named; the others are passed over."""
        return self._differing(customers, lambda _: None)

    def now(self, context: ReshardingContext, customers: Sequence[int]) -> list[int]:
        """Return the customers who differ while nobody writes them, and all that was written has been applied.

        Asked through `context`, whose servers must answer soon.
        """
        if not customers:
            return []
        with self._sides(context) as (source, target):
            found = []
            for some in in_chunks(customers, CHUNK_CUSTOMERS):
                here, there = (self._by_customer(side, some) for side in (source, target))
                found += [customer for customer in some if here.get(customer) != there.get(customer)]
            return found

    def _differing(self, customers: Sequence[int], counted: Callable[[int], None]) -> list[int]:
        with self._sides(self._context) as (source, target):
            found = []
            for some in in_chunks(customers, CHUNK_CUSTOMERS):
                here, there = (self._checksums(side, some) for side in (source, target))
                if here != there:
                    found += self._settled(some, source, target)
                counted(sum(count for count, _ in there))
            return found

    @contextmanager
    def _sides(self, context: ReshardingContext) -> Iterator[tuple[Session, Session]]:
        with (
            closing(context.session(self.source_shard)) as source,
            closing(context.session(self._target)) as target,
        ):
            yield source, target

    def _settled(self, customers: Sequence[int], source: Session, target: Session) -> list[int]:
        """Return those of the customers who differ whenever one looks.

        Rows can be seen a moment before their transaction is in gtid_executed: what differs only once was that.
        """
        left = list(customers)
        for _ in range(LOOKS):
            if left:
                left = self._differing_now(left, source, target)
        return left

    def _differing_now(self, customers: Sequence[int], source: Session, target: Session) -> list[int]:
        before = self._by_customer(source, customers)
        executed = str(source.run("SELECT @@GLOBAL.gtid_executed AS gtids")[0]["gtids"])
        wait_until(
            f"the log of {source.name}", lambda: self._follower.reached(executed),
            timeout_s=CATCH_UP_S, interval_s=0.01,
        )  # fmt: skip
        there = self._by_customer(target, customers)
        after = self._by_customer(source, customers)
        return [customer for customer in customers if before.get(customer) == after.get(customer)
                and there.get(customer) != before.get(customer)]  # fmt: skip

    def _checksums(self, session: Session, customers: Sequence[int]) -> Checksums:
        return tuple(self._checksum(session, table, customers) for table in self._context.compared)

    @staticmethod
    def _checksum(session: Session, table: Table, customers: Sequence[int]) -> tuple[int, int]:
        row = session.run(f"SELECT COUNT(*) AS n, {table.checksum} AS hash {table.of(listed(customers))}")[0]
        return int(row["n"]), int(row["hash"])

    def _by_customer(self, session: Session, customers: Sequence[int]) -> Mapping[int, Checksums]:
        """Return the checksums of each customer who has rows."""
        tables = self._context.compared
        found: dict[int, list[tuple[int, int]]] = {}
        for at, table in enumerate(tables):
            statement = (
                f"SELECT {table.owner} AS customer, COUNT(*) AS n, {table.checksum} AS hash "
                f"{table.of(listed(customers))} GROUP BY customer"
            )
            for row in session.run(statement):
                sums = found.setdefault(int(row["customer"]), [(0, 0)] * len(tables))
                sums[at] = (int(row["n"]), int(row["hash"]))
        return {customer: tuple(sums) for customer, sums in found.items()}


def count_copies(context: ReshardingContext, source_shard: int, target: int) -> int:
    """Return how many rows are on `target` because they move from a shard; those that are computed do not count."""
    customers, rows = context.arrived(source_shard, target), 0
    with closing(context.session(target)) as session:
        for some in in_chunks(customers, CHUNK_CUSTOMERS):
            for table in context.compared:
                rows += int(session.run(f"SELECT COUNT(*) AS n {table.of(listed(some))}")[0]["n"])
    return rows


def named(comparisons: Sequence[Comparison], found: Sequence[Sequence[int]]) -> list[str]:
    """Return a sentence for each comparison that found customers who differ."""
    lines = []
    for comparison, customers in zip(comparisons, found, strict=True):
        if customers:
            some = ", ".join(map(str, customers[:EXAMPLES])) + (", ..." if len(customers) > EXAMPLES else "")
            lines.append(f"{comparison.title} differ in the rows of {len(customers)} customers ({some})")
    return lines
