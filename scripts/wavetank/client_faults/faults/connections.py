"""The server ends a connection or a statement, or takes nobody new."""

import contextlib
from collections.abc import Sequence
from functools import partial

from wavetank.client_faults.lab.bench import Bench
from wavetank.client_faults.lab.faults import IN_FLIGHT_S, Fault
from wavetank.client_faults.lab.processes import CellProcess
from wavetank.errors import WaitedInVain
from wavetank.servers.node import StatementError
from wavetank.waiting import wait_until

IDLE_S = 2
# What is ended is gone within this time, in seconds.
GONE_S = 15.0
_NEW_PASSWORD = "rotated"  # noqa: S105 - nobody has it, which is what it is for


def kill_connections(bench: Bench, cells: Sequence[CellProcess]) -> None:
    """End every connection of these clients (KILL), and wait until it has ended; a pool may open others meanwhile."""
    killed = _kill("KILL", bench, cells)
    wait_until(
        "connections to end",
        lambda: not killed & {number for cell in cells for number in bench.connections(cell.user)},
        timeout_s=GONE_S,
    )


def _outlast_idle(bench: Bench, cells: Sequence[CellProcess]) -> None:
    """Wait until idle connections are ended; a client that asks in the background keeps one that is not idle."""
    with contextlib.suppress(WaitedInVain):
        wait_until("idle connections to end", lambda: not _connected(bench, cells), timeout_s=2.0 * IDLE_S)


def _connected(bench: Bench, cells: Sequence[CellProcess]) -> bool:
    return any(bench.connections(cell.user) for cell in cells)


def _kill(verb: str, bench: Bench, cells: Sequence[CellProcess]) -> set[int]:
    numbers = {number for cell in cells for number in bench.connections(cell.user)}
    for number in numbers:
        # It may have ended by itself.
        with contextlib.suppress(StatementError):
            bench.execute(f"{verb} {number}")
    return numbers


def _kill_queries(bench: Bench, cells: Sequence[CellProcess]) -> None:
    _kill("KILL QUERY", bench, cells)


def _set(name: str, value: str, bench: Bench, _: Sequence[CellProcess]) -> None:
    """Set a global variable, and keep what it was."""
    bench.kept.setdefault(name, bench.node.value(f"SELECT @@GLOBAL.{name}", account="admin"))
    bench.execute(f"SET GLOBAL {name} = {value}")


def _set_back(name: str, bench: Bench, _: Sequence[CellProcess]) -> None:
    bench.execute(f"SET GLOBAL {name} = {bench.kept.pop(name)}")


def _rotate(bench: Bench, cells: Sequence[CellProcess]) -> None:
    bench.execute(*(f"ALTER USER '{cell.user}'@'%' IDENTIFIED BY '{_NEW_PASSWORD}'" for cell in cells))
    kill_connections(bench, cells)


def _rotate_back(bench: Bench, cells: Sequence[CellProcess]) -> None:
    bench.execute(*(f"ALTER USER '{cell.user}'@'%' IDENTIFIED BY '{bench.password}'" for cell in cells))


FAULTS = (
    Fault(
        "wait-timeout", "server", "The server ends an idle connection after wait_timeout (4031).",
        "connection.writes_after_idling",
        prepare=partial(_set, "wait_timeout", str(IDLE_S)), strike=_outlast_idle,
        heal=partial(_set_back, "wait_timeout"),
    ),
    Fault(
        "killed-idle", "server", "An idle connection is ended (KILL).",
        "connection.writes_after_idling", strike=kill_connections,
    ),
    Fault(
        "killed-running", "server", "A connection is ended in the middle of an INSERT (KILL).",
        "connection.writes_meanwhile", strike=kill_connections, in_flight_s=IN_FLIGHT_S,
    ),
    Fault(
        "query-killed", "server", "An INSERT is ended (KILL QUERY, 1317); its connection stays.",
        "connection.writes_meanwhile", strike=_kill_queries, in_flight_s=IN_FLIGHT_S,
    ),
    Fault(
        "too-many-connections", "server", "The server has max_connections, and takes nobody new (1040).",
        "connection.connects",
        strike=partial(_set, "max_connections", "1"), heal=partial(_set_back, "max_connections"),
    ),
    Fault(
        "offline-mode", "server", "The server ends all applications' connections and takes no new ones (3032).",
        "connection.writes_after_idling",
        strike=partial(_set, "offline_mode", "ON"), heal=partial(_set_back, "offline_mode"),
    ),
    Fault(
        "password-rotated", "server", "The account's password is another one, and its connections are ended (1045).",
        "connection.writes_after_idling", strike=_rotate, heal=_rotate_back,
    ),
)  # fmt: skip
