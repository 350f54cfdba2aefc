"""Transactions that another one is in the way of."""

from wavetank.client_faults.cell.client import CellClient, Statements
from wavetank.client_faults.cell.scenarios.ending import recover
from wavetank.client_faults.cell.telling import attempt

# Rows that there are for each cell: one transaction takes them in this order, the one in its way in the other.
_TAKE = "UPDATE locks SET taken = taken + 1 WHERE cell = %s AND side = %s"


def deadlocked(client: CellClient) -> None:
    """Take one row, then another one that somebody has who waits for the first: the server ends this transaction."""
    _take_both(client)


def waits_for_a_lock(client: CellClient) -> None:
    """Write a row, then wait for a lock until the server gives up: that takes back the one statement alone."""
    _take_both(client)


def _take_both(client: CellClient) -> None:
    client.open()
    client.read("first read")
    nonce = client.nonce()
    statements = Statements(
        [client.insert(nonce), (_TAKE, (client.cell, "left")), (_TAKE, (client.cell, "right"))], {2: "struck"}
    )
    attempt("transaction", lambda: client.subject.transaction(client.handle, statements), kind="write", nonces=[nonce])
    recover(client)
