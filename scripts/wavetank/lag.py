"""How far a replica is behind, in microseconds, from two witnesses that do not know of each other."""

from wavetank.node import Server
from wavetank.topology import Channel

# The age of what is being applied now, else the time from commit on the first source to commit here of
# what was applied last; MySQL reference manual, "Replication applier status by worker table".
_APPLIER_LAG = """
    SELECT MAX(GREATEST(0, TIMESTAMPDIFF(MICROSECOND, IF(
               APPLYING_TRANSACTION <> '',
               APPLYING_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP, LAST_APPLIED_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP
           ), IF(APPLYING_TRANSACTION <> '', NOW(6), LAST_APPLIED_TRANSACTION_END_APPLY_TIMESTAMP)))) AS lag_us
      FROM performance_schema.replication_applier_status_by_worker
     WHERE CHANNEL_NAME = %s
       AND (APPLYING_TRANSACTION <> '' OR LAST_APPLIED_TRANSACTION_END_APPLY_TIMESTAMP =
            (SELECT MAX(LAST_APPLIED_TRANSACTION_END_APPLY_TIMESTAMP)
               FROM performance_schema.replication_applier_status_by_worker WHERE CHANNEL_NAME = %s))
"""
_HEARTBEAT_AGE = "SELECT TIMESTAMPDIFF(MICROSECOND, MAX(ts), NOW(6)) FROM wavetank.heartbeat"
# The event beats once a second, so a healthy heartbeat is up to this old.
HEARTBEAT_PERIOD_S = 1.0


def applier_lag_us(server: Server, channel: Channel) -> int | None:
    """Return the lag of what the channel's applier does or did last, in microseconds; None before its first."""
    lag = server.value(_APPLIER_LAG, [channel.name, channel.name])
    return None if lag is None else int(lag)


def heartbeat_age_us(server: Server) -> int | None:
    """Return the age of the newest heartbeat that the server holds, in microseconds; None without one.

    All servers of an instance share this machine's clock.
    """
    age = server.value(_HEARTBEAT_AGE)
    return None if age is None else int(age)
