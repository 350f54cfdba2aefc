"""How far a replica is behind, in microseconds, from two witnesses that do not know of each other."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from wavetank.errors import UsageError
from wavetank.servers.node import Server
from wavetank.topology.model import Channel
from wavetank.waiting import wait_until

# The age of what is being applied now, else the time from its commit to its commit here of what was applied
# last: its commit on the channel's source (IMMEDIATE) and on the server where it began (ORIGINAL); MySQL
# reference manual, "Replication applier status by worker table".
_APPLIER_LAG = """
    WITH worker AS (
        SELECT APPLYING_TRANSACTION <> '' AS busy,
               IF(APPLYING_TRANSACTION <> '', NOW(6), LAST_APPLIED_TRANSACTION_END_APPLY_TIMESTAMP) AS until,
               IF(APPLYING_TRANSACTION <> '', APPLYING_TRANSACTION_IMMEDIATE_COMMIT_TIMESTAMP,
                  LAST_APPLIED_TRANSACTION_IMMEDIATE_COMMIT_TIMESTAMP) AS hop,
               IF(APPLYING_TRANSACTION <> '', APPLYING_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP,
                  LAST_APPLIED_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP) AS origin
          FROM performance_schema.replication_applier_status_by_worker
         WHERE CHANNEL_NAME = %s AND (APPLYING_TRANSACTION <> '' OR LAST_APPLIED_TRANSACTION <> '')
    )
    SELECT MAX(GREATEST(0, TIMESTAMPDIFF(MICROSECOND, hop, until))) AS hop_us,
           MAX(GREATEST(0, TIMESTAMPDIFF(MICROSECOND, origin, until))) AS end_to_end_us
      FROM worker WHERE busy OR until = (SELECT MAX(until) FROM worker WHERE NOT busy)
"""
# What the event of the heartbeat does; see 10-heartbeat.sql.
BEAT = "INSERT INTO wavetank.heartbeat VALUES (@@server_id, SYSDATE(6)) AS n ON DUPLICATE KEY UPDATE ts = n.ts"
HEARTBEAT_AGE = "SELECT TIMESTAMPDIFF(MICROSECOND, MAX(ts), NOW(6)) FROM wavetank.heartbeat"
# The event beats once a second, so a healthy heartbeat is up to this old.
HEARTBEAT_PERIOD_S = 1.0


@dataclass(frozen=True)
class ApplierLag:
    """How late a channel's applier is, in microseconds: behind its source, and behind where the change began."""

    hop_us: int
    end_to_end_us: int


def applier_lag(server: Server, channel: Channel) -> ApplierLag | None:
    """Return the lag of what the channel's applier does or did last; None before its first transaction."""
    row = server.query(_APPLIER_LAG, [channel.name])[0]
    return None if row["hop_us"] is None else ApplierLag(int(row["hop_us"]), int(row["end_to_end_us"]))


def heartbeat_age_us(server: Server) -> int | None:
    """Return the age of the newest heartbeat that the server holds, in microseconds; None without one.

    All servers of an instance share this machine's clock.
    """
    age = server.value(HEARTBEAT_AGE)
    return None if age is None else int(age)


def settled_lag_us(bound_us: int, lag_us: Callable[[ApplierLag], int], server: Server, channel: Channel) -> int | None:
    """Return which lag of the channel stays above a bound, or is within it, in microseconds.

    `lag_us` says which of the two is meant. None is a channel that applies nothing, not even heartbeats.
    """

    def look() -> int | None:
        lag = applier_lag(server, channel)
        return None if lag is None else lag_us(lag)

    return settled_us(look, bound_us)


def settled_us(look: Callable[[], int | None], bound_us: int) -> int | None:
    """Return what `look` sees, in microseconds, after the next heartbeat where it is none or above the bound.

    What a replica that has just caught up applied last was late, and a source that was opened just now has
    not beaten yet: the next beat says how things are.
    """
    seen: list[int | None] = []

    def within_bound() -> bool:
        seen.append(look())
        return seen[-1] is not None and seen[-1] <= bound_us

    with contextlib.suppress(UsageError):
        wait_until("the next heartbeat", within_bound, timeout_s=2 * HEARTBEAT_PERIOD_S, interval_s=0.05)
    return seen[-1]
