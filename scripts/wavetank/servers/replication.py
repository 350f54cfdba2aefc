"""Channels: what one should be, what the server says of it, and the statements that make it so."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from wavetank.servers.gtid import count_transactions, only_server, subtract
from wavetank.servers.node import Row, Server
from wavetank.topology.model import Channel
from wavetank.waiting import wait_until

# A source that comes back is found again within a second, and waited for a day.
RETRY_INTERVAL_S = 1
RETRY_COUNT = 86_400
# A source with nothing to send says so this often, well within replica_net_timeout.
HEARTBEAT_S = 1
# How long a channel that is moved or removed may take to apply what it has received, in seconds.
APPLY_S = 20

PORT = 3306
ACCOUNT = "replication"
CA = "/etc/wavetank/ca.pem"
# Stands for the account's password in a statement, so that statements can be shown and logged.
PASSWORD_NAME = "replication_password"  # noqa: S105 - the name of a parameter
PASSWORD = f"%({PASSWORD_NAME})s"

# Duplicate key, row not found, and a foreign key from either side: what a conflict looks like to an applier.
ROW_ERRORS = (1062, 1032, 1451, 1452)

_CHANNELS = r"""
    SELECT c.CHANNEL_NAME, c.HOST, c.PORT, c.USER, c.AUTO_POSITION, c.SSL_ALLOWED,
           c.SSL_VERIFY_SERVER_CERTIFICATE, c.SSL_CA_FILE, c.CONNECTION_RETRY_INTERVAL,
           c.CONNECTION_RETRY_COUNT, c.HEARTBEAT_INTERVAL,
           r.SERVICE_STATE AS receiver, a.SERVICE_STATE AS applier,
           r.LAST_ERROR_NUMBER AS receiver_errno, r.LAST_ERROR_MESSAGE AS receiver_error,
           ac.DESIRED_DELAY AS DELAY_S,
           r.RECEIVED_TRANSACTION_SET AS received,
           GTID_SUBTRACT(r.RECEIVED_TRANSACTION_SET, @@GLOBAL.gtid_executed) AS unapplied
      FROM performance_schema.replication_connection_configuration c
      JOIN performance_schema.replication_connection_status r USING (CHANNEL_NAME)
      JOIN performance_schema.replication_applier_status a USING (CHANNEL_NAME)
      JOIN performance_schema.replication_applier_configuration ac USING (CHANNEL_NAME)
     WHERE c.CHANNEL_NAME NOT LIKE 'group\_replication\_%'
       AND c.HOST <> ''
"""


# The thread that owns a transaction; MySQL puts nothing between it and the UUID of the next server's transactions.
_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_OWNER = re.compile(rf"#\d+?(?=({_UUID})|[:,\s]|$)")
_RECEIVED = """
    SELECT CHANNEL_NAME AS channel, RECEIVED_TRANSACTION_SET AS gtids, @@GLOBAL.server_uuid AS uuid
      FROM performance_schema.replication_connection_status
"""
# 3030 is what the other workers say of the one that failed: its own error is the reason.
_APPLIER_ERROR = """
    SELECT LAST_ERROR_NUMBER AS errno, LAST_ERROR_MESSAGE AS message
      FROM performance_schema.replication_applier_status_by_worker
     WHERE CHANNEL_NAME = %s AND LAST_ERROR_NUMBER <> 0
     ORDER BY LAST_ERROR_NUMBER = 3030, LAST_ERROR_TIMESTAMP DESC LIMIT 1
"""


def channels_of(server: Server, *, account: str = "monitor") -> dict[str, Row]:
    """Return every configured channel of a server by its name, as its performance_schema tells it to `account`."""
    return {row["CHANNEL_NAME"]: row for row in server.query(_CHANNELS, account=account)}


def replicates(row: Mapping[str, Any]) -> bool:
    """Return whether both threads of a channel run, the receiver being connected."""
    return bool(row.get("receiver") == "ON" and row.get("applier") == "ON")


def is_replicating(server: Server) -> bool:
    """Return whether both threads of every channel of a server run."""
    return all(map(replicates, channels_of(server).values()))


def known_transactions(server: Server) -> tuple[str, str]:
    """Return two GTID sets: what a server is committing, in its binary log but not executed, and what it has executed.

    A commit that waits for acknowledgements is on replicas first (`rpl_semi_sync_source_wait_point`, AFTER_SYNC). Asked
    in this order, nothing is missed: what is committed in between is in the second.
    """
    # Each of them is followed by the thread that owns it: uuid:21#55:20#51
    committing = _OWNER.sub(lambda owner: "," if owner[1] else "", server.value("SELECT @@GLOBAL.gtid_owned"))
    return committing, str(server.value("SELECT @@GLOBAL.gtid_executed"))


def lacking(server: Server, gtids: str) -> int:
    """Return how many transactions of a GTID set the server has not executed."""
    return count_transactions(server.value("SELECT GTID_SUBTRACT(%s, @@GLOBAL.gtid_executed)", [gtids]))


def wait_for_transactions(server: Server, gtids: str, what: str, *, timeout_s: float, hint: str) -> None:
    """Wait until a server has executed every transaction of a GTID set; `what` says so, as after "waited 10 s for".

    Raises:
        WaitedInVain: it lacks some when the time is up; the message says how many.
    """
    wait_until(
        f"{what}, of which it lacks transactions",
        lambda: lacking(server, gtids),
        good=lambda missing: missing == 0,
        timeout_s=timeout_s,
        interval_s=0.01,
        hint=hint,
    )


def applier_error(server: Server, channel: str) -> Row | None:
    """Return errno and message of what stopped the applier of the channel of that name last, None where nothing did."""
    rows = server.query(_APPLIER_ERROR, [channel])
    return rows[0] if rows else None


def channel_deviations(row: Mapping[str, Any], channel: Channel) -> dict[str, tuple[Any, Any]]:
    """Return what of a channel's configuration is not as it should be: name to (expected, found)."""
    expected = {
        "HOST": channel.source,
        "PORT": PORT,
        "USER": ACCOUNT,
        "AUTO_POSITION": 1,
        "SSL_ALLOWED": "YES",
        "SSL_VERIFY_SERVER_CERTIFICATE": "YES",
        "SSL_CA_FILE": CA,
        "CONNECTION_RETRY_INTERVAL": RETRY_INTERVAL_S,
        "CONNECTION_RETRY_COUNT": RETRY_COUNT,
        "HEARTBEAT_INTERVAL": float(HEARTBEAT_S),
        "DELAY_S": 0,
    }
    return {name: (value, row[name]) for name, value in expected.items() if str(row[name]) != str(value)}


def mending_statements(found: Mapping[str, Row], declared: Mapping[str, Channel], held: str = "") -> Iterator[str]:
    """Yield the statements that turn the channels found on a server into those declared; none where they are.

    They hold PASSWORD where the password of the replication account goes. Whoever it replicates from then has the GTID
    set `held`; what a channel has received beyond that is applied before its relay log goes.
    """
    for name in found.keys() - declared.keys():
        yield from _applying_statements(name, found[name], held)
        yield f"STOP REPLICA FOR CHANNEL '{name}'"
        yield f"RESET REPLICA ALL FOR CHANNEL '{name}'"
    for name, channel in declared.items():
        row = found.get(name)
        if row is None or channel_deviations(row, channel):
            if row is not None:
                if row["HOST"] != channel.source:
                    yield from _applying_statements(name, row, held)
                yield f"STOP REPLICA FOR CHANNEL '{name}'"
            yield change_statement(channel)
        if row is None or channel_deviations(row, channel) or "OFF" in (row["receiver"], row["applier"]):
            yield f"START REPLICA FOR CHANNEL '{name}'"


def _applying_statements(name: str, row: Row, held: str) -> Iterator[str]:
    """Yield what lets a channel apply what it has received and nobody else may have."""
    alone = subtract(row.get("unapplied") or "", held)
    if not alone:
        return
    if row["DELAY_S"] or row["applier"] == "OFF":
        yield from delay_statements(name, 0)
    yield f"DO WAIT_FOR_EXECUTED_GTID_SET('{alone}', {APPLY_S})"


def mend_channels(server: Server, declared: Sequence[Channel], password: str, held: str = "") -> None:
    """Turn a server's channels into those declared; `password` is that of the replication account.

    Whoever it replicates from then has the GTID set `held`; see mending_statements().
    """
    by_name = {channel.name: channel for channel in declared}
    # By the account that mends: a second login would be time without a writer, where the source has changed.
    run_statements(server, mending_statements(channels_of(server, account="admin"), by_name, held), password)


def run_statements(server: Server, statements: Iterable[str], password: str) -> None:
    """Run statements one after the other, with the replication account's password where PASSWORD stands for it.

    Raises:
        StatementError: the server refuses one; those after it are not run.
        UnreachableError: it does not answer.
    """
    for statement in statements:
        parameters = {PASSWORD_NAME: password} if PASSWORD in statement else {}
        server.query(statement, parameters, account="admin")


def delay_statements(name: str, seconds: int) -> list[str]:
    """Return the statements that let a channel apply each transaction so many seconds after its commit."""
    return [
        f"STOP REPLICA SQL_THREAD FOR CHANNEL '{name}'",
        f"CHANGE REPLICATION SOURCE TO SOURCE_DELAY = {seconds} FOR CHANNEL '{name}'",
        f"START REPLICA SQL_THREAD FOR CHANNEL '{name}'",
    ]


def set_delay(server: Server, seconds: int) -> None:
    """Let a server apply each transaction so many seconds after its commit on the source; what it received is kept."""
    for name in channels_of(server):
        server.execute(*delay_statements(name, seconds))


def looped(server: Server) -> dict[str, str]:
    """Return by channel the transactions of the server itself that its receiver has taken; none where all is well.

    A receiver leaves out what carries its own server_id (MySQL reference manual, "--replicate-same-server-id");
    the GTIDs in its relay log say whether it did.
    """
    rows = server.query(_RECEIVED)
    found = {row["channel"]: only_server(row["gtids"], row["uuid"]) for row in rows}
    return {channel: own for channel, own in found.items() if own}


def forget_statements(channel: Channel) -> list[str]:
    """Return the statements after which a channel's relay log is gone, and what the replica lacks is asked for anew."""
    stop, start = restart_statements(channel)
    return [stop, f"RESET REPLICA FOR CHANNEL '{channel.name}'", start]


def restart_statements(channel: Channel) -> list[str]:
    """Return the statements after which a channel asks its source anew for all that the replica lacks."""
    return [f"STOP REPLICA FOR CHANNEL '{channel.name}'", f"START REPLICA FOR CHANNEL '{channel.name}'"]


def change_statement(channel: Channel) -> str:
    """Return the statement that points a stopped channel at its source, by GTID and over verified TLS."""
    options = {
        "SOURCE_HOST": f"'{channel.source}'",
        "SOURCE_PORT": PORT,
        "SOURCE_USER": f"'{ACCOUNT}'",
        "SOURCE_PASSWORD": PASSWORD,
        "SOURCE_AUTO_POSITION": 1,
        "SOURCE_SSL": 1,
        "SOURCE_SSL_CA": f"'{CA}'",
        "SOURCE_SSL_VERIFY_SERVER_CERT": 1,
        "SOURCE_CONNECT_RETRY": RETRY_INTERVAL_S,
        "SOURCE_RETRY_COUNT": RETRY_COUNT,
        "SOURCE_HEARTBEAT_PERIOD": HEARTBEAT_S,
        "SOURCE_DELAY": 0,
    }
    assignments = ", ".join(f"{name} = {value}" for name, value in options.items())
    return f"CHANGE REPLICATION SOURCE TO {assignments} FOR CHANNEL '{channel.name}'"
