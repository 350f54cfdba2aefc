"""What a pool makes of borrowers who do not behave."""

import contextlib
import gc
import os
from typing import Any

from wavetank.client_faults.cell.client import CellClient
from wavetank.client_faults.cell.scenarios.ending import bounded, claim, recover
from wavetank.client_faults.cell.scenarios.sharing import read_side_by_side
from wavetank.client_faults.cell.telling import attempt, gate, tell

# As many are borrowed of a pool that has no limit, before it is said that it has none.
PLENTY = 40
# One more than a pool of five has connections.
THREADS_OF_FIVE, READS = 6, 10
# How long a borrower that waits may take once a connection has come back, in seconds.
NEXT_S = 5.0


def exhausted(client: CellClient) -> None:
    """Borrow all that there are, and one more; then give one back, which who waits must get."""
    client.open()
    lent = _borrow_all(client)
    gate("struck")
    if client.subject.limit(client.handle) is None:
        claim("bounded", holds=False, says=f"it has lent {len(lent)} connections and would lend more: it has no limit")
    else:
        waiting = bounded("borrow one more", lambda: client.subject.borrow(client.handle) and None, client.cap_s)
        client.subject.give_back(client.handle, lent.pop())
        if waiting:
            waiting.join(NEXT_S)
            claim("woken", holds=not waiting.is_alive(), says="who waited has the one that came back")
    _return_all(client, lent)
    recover(client)


def forgotten(client: CellClient) -> None:
    """Borrow all that there are, forget to give them back, and borrow another one."""
    client.open()
    lent = _borrow_all(client)
    lent.clear()
    gc.collect()
    gate("struck")
    if client.subject.limit(client.handle) is None:
        tell("note", says="it has no limit, and opens another one")
    if bounded("borrow after forgetting", lambda: client.subject.borrow(client.handle) and None, client.cap_s):
        claim("not lost", holds=False, says="connections that nobody holds any more are not lent again")
    recover(client)


def used_after_return(client: CellClient) -> None:
    """Give a connection back and go on with it while somebody else has it."""
    client.open()
    old = client.subject.borrow(client.handle)
    number = client.id_of(old)
    client.subject.give_back(client.handle, old)
    new = client.subject.borrow(client.handle)
    gate("struck")
    found = attempt("use after return", lambda: client.id_of(old))
    same = found is not None and found == client.id_of(new)
    says = f"the old handle {'shares the connection of the next borrower' if same else 'does not reach it'}"
    claim("not shared", holds=not same, says=f"{says} (it was {number})")
    client.subject.give_back(client.handle, new)
    recover(client)


def returned_twice(client: CellClient) -> None:
    """Give a connection back twice, then borrow two: they must be two."""
    client.open()
    lent = client.subject.borrow(client.handle)
    client.id_of(lent)
    client.subject.give_back(client.handle, lent)
    gate("struck")
    attempt("return again", lambda: client.subject.give_back(client.handle, lent))
    two = [client.subject.borrow(client.handle) for _ in range(2)]
    numbers = [client.id_of(each) for each in two]
    claim("lent once", holds=len(set(numbers)) == len(two), says=f"two borrowers have the connections {numbers}")
    _return_all(client, two)
    recover(client)


def forked(client: CellClient) -> None:
    """Fork after the first use; parent and child ask at once, and each must get its own answers."""
    client.open()
    client.read("first read")
    gate("struck")
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        # Whatever the child tells, its parent tells for it; it says nothing and reads nothing of ours.
        os.write(writing, b"w" if _wrong_answers(client) else b"r")
        os._exit(0)
    wrong = _wrong_answers(client)
    if bounded("wait for the child", lambda: os.waitpid(child, 0) and None, client.cap_s):
        os.kill(child, 9)
        claim("child ends", holds=False, says="the child never got an answer")
    else:
        wrong += os.read(reading, 1) == b"w"
        claim("own answers", holds=not wrong, says=f"{'others' if wrong else 'own'} answers after the fork")
    recover(client)


def _wrong_answers(client: CellClient) -> int:
    wrong = 0
    for number in range(os.getpid() * 100, os.getpid() * 100 + 20):
        # An error is no wrong answer.
        with contextlib.suppress(Exception):
            wrong += int(client.subject.read(client.handle, "SELECT %s", (number,))[0][0]) != number
    return wrong


def in_six_threads(client: CellClient) -> None:
    """Let six threads read by one pool, each again and again: nobody gets what another one asked for."""
    read_side_by_side(client, THREADS_OF_FIVE, READS)


def _borrow_all(client: CellClient) -> list[Any]:
    lent = [client.subject.borrow(client.handle) for _ in range(client.subject.limit(client.handle) or PLENTY)]
    tell("note", says=f"{len(lent)} connections are lent")
    return lent


def _return_all(client: CellClient, lent: list[Any]) -> None:
    while lent:
        client.subject.give_back(client.handle, lent.pop())
