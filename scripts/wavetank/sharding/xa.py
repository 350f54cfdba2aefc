"""Transactions across shards as MySQL's XA sees them: how branches are called, where they are, what was decided.

A transaction across shards is a branch on each. When all are prepared, the catalogue's table `decisions` gets one row
that says `commit`; only then is the first one committed. Its primary key makes the decision one that cannot be taken
twice: whoever finds the transaction abandoned tries to enter `rollback`, and obeys what stands there afterwards. Each
branch also writes a row of its shard's table `branches`, so that a branch that is gone can be told to have been
committed from one that was lost with its server.
"""

import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from wavetank.servers.node import Parameters, Row, StatementError

# "wt": branches with another format are somebody else's.
FORMAT_ID = 0x7774
UNKNOWN_XID = 1397
_GTRID = re.compile(r"wt-(\d{13})-[0-9a-f]{16}")

Verdict = Literal["commit", "rollback"]
COMMIT: Verdict = "commit"
ROLLBACK: Verdict = "rollback"

RECOVER = "XA RECOVER CONVERT XID"
NOTE_BRANCH = "INSERT INTO sharding_work.branches (gtrid, shard) VALUES (%s, %s)"
_HAS_BRANCH = "SELECT 1 FROM sharding_work.branches WHERE gtrid = %s"
_DECIDE = "INSERT INTO sharding_work.decisions (gtrid, verdict, shards) VALUES (%s, %s, %s)"
_DECIDE_UNLESS = "INSERT IGNORE INTO sharding_work.decisions (gtrid, verdict, shards) VALUES (%s, %s, %s)"
_DECIDED = "SELECT verdict FROM sharding_work.decisions WHERE gtrid = %s"
_FORGET = "DELETE FROM sharding_work.decisions WHERE gtrid = %s"
_CLOSED = "SELECT @@GLOBAL.read_only"


class Asked(Protocol):
    """Who is asked: a server, or a route to whichever server it is now."""

    def query(self, statement: str, parameters: Parameters = ()) -> list[Row]:
        """Run one statement and return its rows."""


@dataclass(frozen=True)
class Branch:
    """One shard's part of a transaction across shards; `ours` is False for what another program prepared."""

    gtrid: str
    shard: int
    ours: bool = True

    @property
    def xid(self) -> str:
        """The branch as XA statements name it."""
        return f"'{self.gtrid}','{self.shard}',{FORMAT_ID}"

    def age_s(self, now_s: float) -> float:
        """Return how old the transaction is by its name, in seconds at `now_s` of time.time(); 0 for others'."""
        made = _GTRID.fullmatch(self.gtrid)
        return now_s - int(made[1]) / 1000 if made else 0.0


def new_gtrid() -> str:
    """Return a name for a transaction across shards: when it began, which XA RECOVER does not tell, and chance."""
    return f"wt-{int(time.time() * 1000):013}-{secrets.token_hex(8)}"


def prepared(rows: list[Row]) -> list[Branch]:
    """Return the branches that RECOVER has listed."""
    return [_branch(row) for row in rows]


def branches(server: Asked) -> list[Branch]:
    """Return the branches that are prepared on a server and wait for a word; its account needs XA_RECOVER_ADMIN."""
    return prepared(server.query(RECOVER))


def _branch(row: Row) -> Branch:
    data = bytes.fromhex(str(row["data"]).removeprefix("0x"))
    cut = int(row["gtrid_length"])
    gtrid, qualifier = (part.decode(errors="replace") for part in (data[:cut], data[cut:]))
    if int(row["formatID"]) == FORMAT_ID and _GTRID.fullmatch(gtrid) and qualifier.isdecimal():
        return Branch(gtrid, int(qualifier))
    return Branch(f"{gtrid}/{qualifier}", 0, ours=False)


# --- what was decided


def decide(catalogue: Asked, gtrid: str, shards: str) -> None:
    """Enter that a transaction, all of whose branches are prepared, is to be committed: the point of no return.

    Raises:
        StatementError: somebody has decided before.
    """
    catalogue.query(_DECIDE, [gtrid, COMMIT, shards])


def settle(catalogue: Asked, gtrid: str, shards: str) -> Verdict:
    """Return what was decided; where nothing was, decide that it is rolled back.

    A decision that is just being entered is waited for: it has the row's lock.
    """
    catalogue.query(_DECIDE_UNLESS, [gtrid, ROLLBACK, shards])
    verdict: Verdict = catalogue.query(_DECIDED, [gtrid])[0]["verdict"]
    return verdict


def forget(catalogue: Asked, gtrid: str) -> None:
    """Remove a decision that has been carried out everywhere."""
    catalogue.query(_FORGET, [gtrid])


# --- carrying it out


class ClosedServerError(Exception):
    """The server takes no writes: it is no shard's source any more."""


def finish(shard: Asked, branch: Branch, verdict: Verdict) -> bool:
    """Commit or roll back a prepared branch, by whomever it was prepared.

    Returns:
        Whether the shard is then as decided: False for a branch that was to be committed and is nowhere.

    Raises:
        ClosedServerError: nothing was done. MySQL 9.7 itself lets XA COMMIT through on a server that is
            super_read_only, which makes an errant transaction.
    """
    if _value(shard.query(_CLOSED)):
        raise ClosedServerError
    try:
        shard.query(f"XA {verdict.upper()} {branch.xid}")
    except StatementError as error:
        if error.errno != UNKNOWN_XID:
            raise
        # Somebody else was faster, or it was never there.
        return verdict == ROLLBACK or was_committed(shard, branch.gtrid)
    return True


def was_committed(shard: Asked, gtrid: str) -> bool:
    """Return whether a transaction's branch has been committed on a shard."""
    return bool(shard.query(_HAS_BRANCH, [gtrid]))


def listed(shards: tuple[int, ...]) -> str:
    """Return shards as `decisions` holds them."""
    return ",".join(map(str, shards))


def _value(rows: list[Row]) -> Any:  # noqa: ANN401
    return next(iter(rows[0].values()))


Step = Callable[[str], None]
