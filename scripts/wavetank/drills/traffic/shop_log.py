"""What customers of a sharded shop asked for and were told, and what the shards hold of it afterwards."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["order", "change", "cancel", "both"]
Outcome = Literal["acknowledged", "failed", "unknown"]


@dataclass(frozen=True)
class Write:
    """One write: what became of it, and what it was to leave.

    Attributes:
        id: its number; no two have the same.
        kind: what it did to the order.
        customer: whose it was.
        counter: what it set the customer's counter to.
        order: the order that it wrote, changed or cancelled.
        sent_s: when it was sent, in seconds of the monotonic clock.
        done_s: when it was answered.
        outcome: what the client was told; "unknown" where nobody could say.
        error: what was said instead of an acknowledgement.
        client: the thread that wrote it, numbered from 1.
        due_s: when it was to be sent.
    """

    id: int
    kind: Kind
    customer: int
    counter: int
    order: int
    sent_s: float
    done_s: float
    outcome: Outcome
    error: str = ""
    client: int = 1
    due_s: float | None = None


@dataclass(frozen=True)
class Read:
    """One read: the counter that it saw, and between which it had to be; `client` is the thread that asked."""

    customer: int
    seen: int
    least: int
    most: int
    sent_s: float
    done_s: float
    error: str = ""
    client: int = 1
    due_s: float | None = None

    @property
    def answered(self) -> bool:
        """Whether it saw anything at all."""
        return not self.error

    @property
    def current(self) -> bool:
        """Whether what it saw was true at some moment while it was under way."""
        return self.answered and self.least <= self.seen <= self.most


@dataclass(frozen=True)
class Held:
    """An order as one shard holds it; `price` is its one item's, None without one."""

    shard: int
    customer: int
    order: int
    total: int
    price: int | None


@dataclass(frozen=True)
class Counted:
    """A customer as one shard holds it."""

    shard: int
    customer: int
    counter: int
