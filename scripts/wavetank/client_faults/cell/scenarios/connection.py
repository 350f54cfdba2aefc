"""A fault hits a client's connection: before it connects, while it idles, or in the middle of something."""

from wavetank.client_faults.cell.client import CellClient
from wavetank.client_faults.cell.scenarios.ending import claim, recover
from wavetank.client_faults.cell.telling import attempt, gate, tell

# How long a statement in flight takes, in seconds.
IN_FLIGHT_S = 2.0
LARGE_ROWS, LARGE_BYTES = 12, 1_000_000
_LARGE = "SELECT REPEAT('x', %s) FROM (" + " UNION ALL ".join(["SELECT 1"] * LARGE_ROWS) + ") AS numbers"
_CIPHER = "SHOW SESSION STATUS LIKE 'Ssl_cipher'"


def connects(client: CellClient) -> None:
    """Connect and ask one thing while the fault is there."""
    gate("connect")
    if _first_answer(client):
        attempt("Ssl_cipher", lambda: client.subject.read(client.handle, _CIPHER, ())[0][1])
    recover(client)


def _first_answer(client: CellClient) -> bool:
    nonce = client.nonce()

    def open_and_ask() -> int:
        client.open()
        return int(client.subject.read(client.handle, "SELECT %s", (nonce,))[0][0])

    return attempt("connect", open_and_ask, kind="connect", nonce=nonce) is not None


def writes_after_idling(client: CellClient) -> None:
    """Idle while the fault comes, then write."""
    _ready(client)
    gate("struck")
    client.write()
    recover(client)


def reads_after_idling(client: CellClient) -> None:
    """Idle while the fault comes, then read."""
    _ready(client)
    gate("struck")
    client.read()
    recover(client)


def writes_meanwhile(client: CellClient) -> None:
    """Be in the middle of a write when the fault comes."""
    _ready(client)
    gate("in flight")
    client.write(seconds=IN_FLIGHT_S)
    recover(client)


def commits(client: CellClient) -> None:
    """Have a transaction open when the fault comes, and commit it then."""
    _ready(client)
    client.transact(last="struck")
    recover(client)


def is_amid_a_transaction(client: CellClient) -> None:
    """Have written the first of two rows of a transaction when the fault comes."""
    _ready(client)
    client.transact(between="struck")
    recover(client)


def reads_much(client: CellClient) -> None:
    """Read a large result that comes slowly, but comes."""
    _ready(client)
    gate("struck")
    asked = LARGE_ROWS * LARGE_BYTES
    got = attempt(
        "read a large result",
        lambda: sum(len(row[0]) for row in client.subject.read(client.handle, _LARGE, (LARGE_BYTES,))),
        kind="large",
    )
    if got is not None:
        claim("complete", holds=got == asked, says=f"{got:,} of {asked:,} bytes came")
    recover(client)


def reads_what_others_write(client: CellClient) -> None:
    """Read, let somebody else commit a row, and read again: the row must be there."""
    _ready(client)
    nonce = client.nonce()
    client.rows_of(nonce)
    tell("watches", nonce=nonce)
    gate("struck")
    seen = attempt("read again", lambda: client.rows_of(nonce), kind="read")
    if seen is not None:
        claim("fresh", holds=seen == 1, says=f"{seen} of 1 row that another session has committed is seen")
    recover(client)


def uses_after_close(client: CellClient) -> None:
    """Close the client, then read as if nothing had been: an error, or a new connection, and never silence."""
    _ready(client)
    client.subject.close(client.handle)
    gate("struck")
    client.read()
    # It may have connected anew.
    attempt("close again", lambda: client.subject.close(client.handle))
    client.handle = None
    recover(client)


def _ready(client: CellClient) -> None:
    client.open()
    client.read("first read")
