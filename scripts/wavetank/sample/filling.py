"""What a load of the sample shop may be asked for, and what it leaves behind; on a server and on shards alike."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

from wavetank.errors import UsageError

# Some 8 GB on every server; past this a typing error is likelier than a wish.
MOST_ORDERS = 10_000_000
HIGHEST_SEED = 2**63 - 1
# A load that was killed a moment ago may still hold the lock until its server notices.
LOCK_WAIT_S = 5

# Told the source's name, the orders it holds and the orders it shall hold.
Report = Callable[[str, int, int], None]
Place = TypeVar("Place", int, str)  # a shard's number, a source's name


@dataclass(frozen=True)
class Filled(Generic[Place]):
    """What a load left behind; `added` is the orders it wrote, by where it wrote them, in `seconds`."""

    orders: int
    customers: int
    products: int
    seed: int
    added: dict[Place, int]
    seconds: float

    @property
    def changed(self) -> bool:
        """Whether anything was written."""
        return any(self.added.values())

    @property
    def content(self) -> str:
        """What is there now, in words."""
        return f"{self.orders:,} orders of {self.customers:,} customers, seed {self.seed}"

    def news(self, added: int) -> str:
        """Return how many of the orders there are new, and how fast all that are new were written."""
        rate = sum(self.added.values()) / max(self.seconds, 0.001)
        return f"{added:,} of them new, {rate:,.0f} a second" if added else "unchanged"

    def as_dict(self) -> dict[str, Any]:
        """Return it for json.dumps()."""
        return {**asdict(self), "changed": self.changed}


def refuse_numbers(orders: int, seed: int) -> None:
    """Refuse numbers that no shop has.

    Raises:
        UsageError: one of them is such a number.
    """
    if not 1 <= orders <= MOST_ORDERS:
        raise UsageError(f"a shop has from 1 to {MOST_ORDERS} orders, not {orders}")
    if not 0 <= seed <= HIGHEST_SEED:
        raise UsageError(f"a seed is a number from 0 to {HIGHEST_SEED}, not {seed}")
