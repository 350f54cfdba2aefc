"""The log of what clients asked for and were told."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

WRITE: Literal["write"] = "write"
READ: Literal["read"] = "read"


@dataclass(frozen=True)
class Operation:
    """One write or read.

    Attributes:
        kind: write or read.
        client: the session; a session's reads are about its own writes.
        id: of a write, its own, 0 where there was nobody to send it to; of a read, the newest id of its session that
            it saw, 0 for none.
        sent_s: when it was sent, in seconds of the monotonic clock.
        done_s: when it was acknowledged or had failed.
        server: the node that acknowledged it, by its own word; of one that failed, the node or proxy asked.
        error: why it failed, '' where it was acknowledged.
        due_s: when it was to be sent; None where that was when it was sent.
    """

    kind: Literal["write", "read"]
    client: int
    id: int
    sent_s: float
    done_s: float
    server: str = ""
    error: str = ""
    due_s: float | None = None

    @property
    def took_s(self) -> float:
        """How many seconds passed from when it was due until its end."""
        return self.done_s - (self.sent_s if self.due_s is None else self.due_s)

    @property
    def acknowledged(self) -> bool:
        """Whether the client was told that it is done."""
        return not self.error


class OperationLog:
    """Operations in the order in which they ended; several threads may write to it."""

    def __init__(self, operations: Iterable[Operation] = ()) -> None:
        """Begin with `operations`."""
        self._operations = list(operations)
        self._lock = threading.Lock()

    def add(self, operation: Operation) -> None:
        """Note an operation that has ended."""
        with self._lock:
            self._operations.append(operation)

    def all(self, kind: Literal["write", "read"] | None = None) -> list[Operation]:
        """Return all operations so far, or those of one kind."""
        with self._lock:
            return [each for each in self._operations if kind in (None, each.kind)]
