"""Another transaction is in the way, or the connection is lost in the middle of one."""

import contextlib
import threading
from collections.abc import Callable, Sequence
from functools import partial

from wavetank.client_faults.faults.connections import kill_connections
from wavetank.client_faults.lab.bench import SCHEMA, Bench
from wavetank.client_faults.lab.faults import Fault
from wavetank.client_faults.lab.processes import CellProcess
from wavetank.errors import UnreachableError
from wavetank.servers.node import Connection, StatementError, query_on
from wavetank.waiting import wait_until

# Rows of the one that is in the way: InnoDB ends the transaction that has changed fewer.
_HEAVY = 50
WAIT_S = 15.0
_TAKE = f"UPDATE {SCHEMA}.locks SET taken = taken + 1 WHERE cell = %s AND side = %s"
_WAITING = "SELECT COUNT(*) FROM performance_schema.data_lock_waits"


def _hold(bench: Bench, cells: Sequence[CellProcess]) -> None:
    """Take the row that each client wants next."""
    bench.kept["holders"] = [_holder(bench, int(cell.spec["cell"])) for cell in cells]


def _holder(bench: Bench, cell: int) -> Connection:
    connection = bench.node.connect("admin")
    ask = partial(query_on, connection, node=bench.source)
    ask("SET SESSION innodb_lock_wait_timeout = 60")
    ask("START TRANSACTION")
    ask(_TAKE, (cell, "right"))
    return connection


def _cross(bench: Bench, cells: Sequence[CellProcess]) -> None:
    """Take the row that each client wants next, and then want the one that it has."""
    _hold(bench, cells)
    for holder, cell in zip(bench.kept["holders"], cells, strict=True):
        number = int(cell.spec["cell"])
        ask = partial(query_on, holder, node=bench.source)
        ask(f"INSERT INTO {SCHEMA}.writes (cell, nonce) VALUES " + ", ".join(["(0, 0)"] * _HEAVY))
        threading.Thread(target=_take_and_commit, args=(ask, number), daemon=True).start()
    wait_until(
        "the transactions to wait for the clients",
        lambda: int(bench.node.value(_WAITING, account="admin")) >= len(cells),
        timeout_s=WAIT_S,
    )


def _take_and_commit(ask: Callable[..., object], cell: int) -> None:
    """Wait for the row that the client has; once its transaction is ended, let it have both."""
    # Who waits in vain is ended when the fault is over.
    with contextlib.suppress(UnreachableError, StatementError):
        ask(_TAKE, (cell, "left"))
        ask("COMMIT")


def _let_go(bench: Bench, _: Sequence[CellProcess]) -> None:
    for holder in bench.kept.pop("holders", []):
        holder.close()


FAULTS = (
    Fault(
        "deadlock", "transaction", "Two transactions wait for each other; the server ends the client's (1213).",
        "transactions.deadlocked", strike=_cross, heal=_let_go,
    ),
    Fault(
        "lock-wait", "transaction", "The second statement of a transaction waits in vain for a lock (1205).",
        "transactions.waits_for_a_lock", strike=_hold, heal=_let_go,
    ),
    Fault(
        "killed-in-transaction", "transaction", "The connection is ended between two statements of a transaction.",
        "connection.is_amid_a_transaction", strike=kill_connections,
    ),
)  # fmt: skip
