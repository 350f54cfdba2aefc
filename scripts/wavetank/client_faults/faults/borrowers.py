"""Borrowers who do not behave, and what one of them leaves for the next: nothing is done to the server."""

from collections.abc import Sequence

from wavetank.client_faults.lab.bench import SCHEMA, Bench
from wavetank.client_faults.lab.faults import Fault
from wavetank.client_faults.lab.processes import CellProcess

_POOL = ("borrow", "give_back", "limit", "run")


def _write_watched(bench: Bench, cells: Sequence[CellProcess]) -> None:
    """Commit, from elsewhere, the row that each client is about to look for."""
    for cell in cells:
        (nonce,) = (event["nonce"] for event in cell.events if event["event"] == "watches")
        bench.execute(f"INSERT INTO {SCHEMA}.writes (cell, nonce) VALUES ({int(cell.spec['cell'])}, {int(nonce)})")


def _left(name: str, what: str, scenario: str, *needs: str) -> Fault:
    return Fault(name, "state", what, f"state.{scenario}", needs=(*_POOL, *needs))


FAULTS = (
    Fault("exhausted", "pool", "All connections are lent; one more is wanted, then one comes back.",
          "pool.exhausted", needs=_POOL),
    Fault("forgotten", "pool", "All connections were lent, and nobody gives them back.", "pool.forgotten", needs=_POOL),
    Fault("used-after-return", "pool", "A borrower goes on with a connection that it has given back.",
          "pool.used_after_return", needs=_POOL),
    Fault("returned-twice", "pool", "A borrower gives a connection back twice.", "pool.returned_twice", needs=_POOL),
    Fault("six-threads", "pool", "Six threads read by one pool, again and again.", "pool.in_six_threads",
          needs=_POOL, asynchronous=False),
    Fault("used-after-close", "pool", "A client is closed, and used as if nothing had been.",
          "connection.uses_after_close", needs=("close",)),
    Fault("forked", "pool", "A process forks after its first read; parent and child go on reading.",
          "pool.forked", asynchronous=False),
    _left("open-transaction", "A borrower leaves a row that it has not committed; the next one commits.",
          "open_transaction", "commit"),
    _left("session-variable", "A borrower leaves a session variable (SET SESSION).", "session_variable"),
    _left("user-variable", "A borrower leaves a user variable (SET @x).", "user_variable"),
    _left("temporary-table", "A borrower leaves a temporary table.", "temporary_table"),
    _left("lock", "A borrower leaves a lock (GET_LOCK).", "lock"),
    _left("isolation-level", "A borrower leaves another isolation level.", "isolation_level"),
    _left("unread-rows", "A borrower leaves rows unread.", "unread_rows", "result"),
    Fault("stale-snapshot", "state", "Somebody else commits a row between two reads of a client.",
          "connection.reads_what_others_write", strike=_write_watched),
    Fault("threads", "sharing", "Four threads use one client at once.", "sharing.in_parallel", asynchronous=False),
    Fault("threads-in-turn", "sharing", "Threads use one client, one after the other.", "sharing.in_turn",
          asynchronous=False),
    Fault("cancelled", "sharing", "An await is cancelled while it waits for its answer.", "sharing.cancelled",
          asynchronous=True),
    Fault("escapes", "sharing", "Amid a transaction, one statement goes by the client itself; then it is given up.",
          "sharing.escapes", asynchronous=False),
)  # fmt: skip
