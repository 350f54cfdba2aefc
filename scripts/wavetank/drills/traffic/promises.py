"""What a drill promises of its clients' work, and what its user demands of it beyond that."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from wavetank.errors import UsageError


@dataclass(frozen=True)
class Promises:
    """What a drill may end with: by default nothing that a client would complain of.

    Attributes:
        may_lose: acknowledged writes may be gone. Of a drill: because it gives up a source with what its replicas have
            not received, which semi-synchronous replication rules out. In force: because nothing does.
        may_stay_out: an outage may be unfinished when the traffic ends.
        own_writes: every read sees what its client was told is written, whoever answers it.
    """

    may_lose: bool = False
    may_stay_out: bool = False
    own_writes: bool = False

    def in_force(self, semi_sync: int, *, own_writes: bool) -> "Promises":
        """Return what holds for an instance where a commit waits for so many acknowledgements of replicas."""
        return Promises(self.may_lose and not semi_sync, self.may_stay_out, own_writes)

    def lines(self) -> Iterator[str]:
        """Yield what is promised, a phrase each."""
        if self.may_lose:
            yield "acknowledged writes may be lost: their source is given up, and replication is asynchronous"
        else:
            yield "no acknowledged write is lost"
        yield "an outage may last to the end" if self.may_stay_out else "every outage ends"
        if self.own_writes:
            yield "every read sees its client's acknowledged writes"
        else:
            yield "a server shows the writes that it acknowledged itself; another one may be behind"


@dataclass(frozen=True)
class Thresholds:
    """What a user demands; None for nothing.

    Attributes:
        rto_s: how many seconds any one client may be without an acknowledged write, at most.
        lost: how many acknowledged writes may be lost, at most; what a drill does not allow is not allowed by it.
    """

    rto_s: float | None = None
    lost: int | None = None


def read_thresholds(max_rto: str, max_lost: str) -> Thresholds:
    """Return what the options say; '' demands nothing.

    Raises:
        UsageError: one is no number, or negative.
    """
    try:
        rto_s = float(max_rto) if max_rto else None
    except ValueError:
        rto_s = math.nan
    if rto_s is not None and not 0 <= rto_s < math.inf:
        raise UsageError(f"max_rto={max_rto} is not a number of seconds from 0 on, such as 5 or 0.5")
    if max_lost and not (max_lost.isascii() and max_lost.isdecimal()):
        raise UsageError(f"max_lost={max_lost} is not a number of writes from 0 on")
    return Thresholds(rto_s, int(max_lost) if max_lost else None)
