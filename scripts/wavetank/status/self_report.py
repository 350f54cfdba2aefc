"""What one server says of itself: who it is, who may write to it, how its channels are."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from wavetank.errors import UnreachableError
from wavetank.servers.lag import applier_lag, heartbeat_age_us
from wavetank.servers.node import Row, Server, StatementError
from wavetank.servers.replication import applier_error, channel_deviations, channels_of
from wavetank.status.facts import RUNNING, UNKNOWN, ChannelStatus, NodeStatus
from wavetank.topology.model import Channel, Node

_SELF = """
    SELECT @@server_id AS server_id, @@server_uuid AS server_uuid, @@version AS version,
           @@GLOBAL.read_only AS ro, @@GLOBAL.super_read_only AS super_ro, @@GLOBAL.gtid_executed AS executed
"""


def ask_server(node: Node, server: Server, unasked: NodeStatus) -> NodeStatus:
    """Ask one server for everything that it alone can tell."""
    # A paused server would only cost its timeout, and the port of an absent one may be somebody else's.
    if unasked.container_state not in (RUNNING, UNKNOWN):
        return replace(unasked, unanswered=f"container {unasked.container_state}")
    try:
        row = server.query(_SELF)[0]
        channels = tuple(_channel(node, server, found) for found in channels_of(server).values())
    except UnreachableError as error:
        # The driver says in its first sentence what happened, and then what a programmer might do.
        reason = _one_line(str(error).removeprefix(f"{node.name} does not answer: "))
        return replace(unasked, unanswered=reason.split(". ")[0])
    except StatementError as error:
        return replace(unasked, unanswered=f"refuses: {_one_line(str(error))}")
    age_us = None
    # The heartbeat is a table like any other: one that is locked or dropped does not silence its server.
    with contextlib.suppress(UnreachableError, StatementError):
        age_us = heartbeat_age_us(server)
    return replace(
        unasked,
        server_id=int(row["server_id"]),
        server_uuid=row["server_uuid"],
        version=row["version"],
        read_only=bool(row["ro"]),
        super_read_only=bool(row["super_ro"]),
        gtid_executed=row["executed"].replace("\n", ""),
        heartbeat_age_us=age_us,
        channels=channels,
    )


def _channel(node: Node, server: Server, row: Row) -> ChannelStatus:
    declared = next((channel for channel in node.channels if channel.name == row["CHANNEL_NAME"]), None)
    differs = channel_deviations(row, declared) if declared else {}
    channel = ChannelStatus(
        name=row["CHANNEL_NAME"],
        source=row["HOST"],
        receiver=row["receiver"],
        applier=row["applier"],
        # The source has a remark of its own.
        deviations=tuple(
            f"{name} {found}, not {wanted}" for name, (wanted, found) in differs.items() if name != "HOST"
        ),
    )
    if channel.runs:
        lag = applier_lag(server, Channel(channel.name, channel.source))
        return replace(channel, lag_us=lag.hop_us, end_to_end_lag_us=lag.end_to_end_us) if lag else channel
    return replace(channel, error=_one_line("; ".join(_complaints(server, row))))


def _complaints(server: Server, row: Row) -> Iterator[str]:
    if row["receiver"] != "ON" and row["receiver_errno"]:
        yield f"error {row['receiver_errno']}: {row['receiver_error']}"
    if row["applier"] != "ON" and (error := applier_error(server, row["CHANNEL_NAME"])):
        yield f"error {error['errno']}: {error['message']}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
