"""The statements that move a channel: what it has received, and its new source lacks, is applied before."""

from typing import Any

import pytest
from wavetank.servers.replication import APPLY_S, PORT, mending_statements
from wavetank.topology.model import Channel

UUID = "3ede0b4b-e4bb-11f1-bd5e-000000000001"
STOP, START = "STOP REPLICA FOR CHANNEL ''", "START REPLICA FOR CHANNEL ''"
HURRY = [
    "STOP REPLICA SQL_THREAD FOR CHANNEL ''",
    "CHANGE REPLICATION SOURCE TO SOURCE_DELAY = 0 FOR CHANNEL ''",
    "START REPLICA SQL_THREAD FOR CHANNEL ''",
]


def row(**facts: Any) -> dict[str, Any]:  # noqa: ANN401
    usual = {
        "HOST": "db1", "PORT": PORT, "USER": "replication", "AUTO_POSITION": 1, "SSL_ALLOWED": "YES",
        "SSL_VERIFY_SERVER_CERTIFICATE": "YES", "SSL_CA_FILE": "/etc/wavetank/ca.pem", "CONNECTION_RETRY_INTERVAL": 1,
        "CONNECTION_RETRY_COUNT": 86_400, "HEARTBEAT_INTERVAL": 1.0, "DELAY_S": 0, "receiver": "ON", "applier": "ON",
        "unapplied": "",
    }  # fmt: skip
    return usual | facts


def statements(found: dict[str, Any], source: str, held: str = "") -> list[str]:
    """Return what moves the one channel behind `source`, the long statement by its first words."""
    all_of_them = mending_statements({"": found}, {"": Channel("", source)}, held)
    return [each.partition(" SOURCE_HOST")[0] for each in all_of_them]


def wait(gtids: str) -> str:
    return f"DO WAIT_FOR_EXECUTED_GTID_SET('{gtids}', {APPLY_S})"


@pytest.mark.parametrize(
    ("facts", "held", "before"),
    [
        ({}, "", []),
        ({"unapplied": f"{UUID}:7"}, "", [wait(f"{UUID}:7")]),
        ({"unapplied": f"{UUID}:7"}, f"{UUID}:1-7", []),
        ({"unapplied": f"{UUID}:7-9"}, f"{UUID}:1-8", [wait(f"{UUID}:9")]),
        ({"unapplied": f"{UUID}:7", "DELAY_S": 60}, "", [*HURRY, wait(f"{UUID}:7")]),
        ({"unapplied": f"{UUID}:7", "applier": "OFF"}, "", [*HURRY, wait(f"{UUID}:7")]),
    ],
)
def test_a_channel_that_moves_applies_first_what_its_new_source_lacks(
    facts: dict[str, Any], held: str, before: list[str]
) -> None:
    assert statements(row(**facts), "db2", held) == [*before, STOP, "CHANGE REPLICATION SOURCE TO", START]


def test_one_that_stays_gets_from_its_source_what_it_forgets() -> None:
    assert statements(row(unapplied=f"{UUID}:7", DELAY_S=60), "db1") == [STOP, "CHANGE REPLICATION SOURCE TO", START]
    assert statements(row(unapplied=f"{UUID}:7"), "db1") == []
    assert statements(row(applier="OFF"), "db1") == [START]


def test_one_that_goes_applies_first() -> None:
    found = {"": row(unapplied=f"{UUID}:7")}
    assert list(mending_statements(found, {})) == [wait(f"{UUID}:7"), STOP, "RESET REPLICA ALL FOR CHANNEL ''"]
