"""One client in several hands, an await that is cancelled, a statement that escapes its transaction."""

import threading
import time

from wavetank.client_faults.cell.client import INSERT, SLOW_ANSWER, CellClient, Statements
from wavetank.client_faults.cell.scenarios.ending import claim, recover
from wavetank.client_faults.cell.telling import attempt, gate, pause, tell

THREADS, READS = 4, 25
CANCEL_AFTER_S, CANCELLED_TAKES_S = 0.3, 1.5
# How often the await is cancelled: each may leave one more answer behind.
CANCELLED = 3


def in_parallel(client: CellClient) -> None:
    """Let threads use one client at once: each asks for numbers of its own."""
    read_side_by_side(client, THREADS, READS)


def read_side_by_side(client: CellClient, number: int, reads: int) -> None:
    """Let so many threads read so often, each its own numbers."""

    def read_often() -> None:
        for _ in range(reads):
            client.read("read in a thread")

    client.open()
    gate("struck")
    threads = [threading.Thread(target=read_often, daemon=True) for _ in range(number)]
    for thread in threads:
        thread.start()
    ends = time.monotonic() + client.cap_s
    for thread in threads:
        thread.join(max(0.0, ends - time.monotonic()))
    stuck = sum(thread.is_alive() for thread in threads)
    claim("all end", holds=not stuck, says=f"{stuck} of {number} threads have not ended")
    recover(client)


def in_turn(client: CellClient) -> None:
    """Connect in one thread, use it in others, one after the other."""
    client.open()
    gate("struck")
    for _ in range(THREADS):
        thread = threading.Thread(target=client.read, args=("read in a thread",), daemon=True)
        thread.start()
        thread.join(client.cap_s)
    recover(client)


def cancelled(client: CellClient) -> None:
    """Cancel reads that wait for their answer; what is asked next must not get it."""
    client.open()
    client.read("first read")
    gate("struck")
    for _ in range(CANCELLED):
        _cancel_one(client)
        client.read("read after cancelling")
    recover(client)


def _cancel_one(client: CellClient) -> None:
    nonce = client.nonce()
    waiting = client.subject.begin(client.subject.module.read, client.handle, SLOW_ANSWER, (nonce, CANCELLED_TAKES_S))
    pause(CANCEL_AFTER_S)
    waiting.cancel()
    tell("note", says="an await was cancelled")
    # The loop has to get to it.
    pause(0.05)


def escapes(client: CellClient) -> None:
    """Amid a transaction, write by the client itself, as a helper of the application would; then fail."""
    client.open()
    client.read("first read")
    gate("struck")
    inside, aside = client.nonce(), client.nonce()

    def write_aside_and_fail() -> None:
        client.subject.write(client.handle, INSERT, (client.cell, aside))
        raise RuntimeError("the application changes its mind")

    statements = Statements([client.insert(inside)], {1: write_aside_and_fail})
    attempt("transaction that fails", lambda: client.subject.transaction(client.handle, statements), kind="given up")
    tell("never acknowledged", nonces=[inside])
    recover(client)
