"""The server's process is restarted, killed, or stands still."""

from collections.abc import Sequence

from wavetank.client_faults.faults.networks import let_all_pass
from wavetank.client_faults.lab.bench import Bench
from wavetank.client_faults.lab.faults import IN_FLIGHT_S, Fault
from wavetank.client_faults.lab.processes import CellProcess
from wavetank.machine import client_network, containers

# Later than a client that bounds its reads by 5 s gives up.
AFTER_TIMEOUT_S = 7.0


def _restart(bench: Bench, _: Sequence[CellProcess]) -> None:
    containers.restart(bench.source_container)
    bench.started_again()


def _kill(bench: Bench, _: Sequence[CellProcess]) -> None:
    # Its machine is still there, and says that nobody listens: without a container no address would answer.
    address = bench.address(bench.source)
    containers.kill_at_once(bench.source_container)
    client_network.refuse(bench.container, address)


def _start(bench: Bench, _: Sequence[CellProcess]) -> None:
    # The engine may not have noted its end yet, and starts nothing that it thinks runs.
    containers.kill_if_running(bench.source_container)
    containers.start(bench.source_container)
    client_network.clear(bench.container)
    bench.started_again()


def _refuse(bench: Bench, _: Sequence[CellProcess]) -> None:
    client_network.refuse(bench.container, bench.address(bench.source))


def _pause(bench: Bench, _: Sequence[CellProcess]) -> None:
    containers.pause(bench.source_container)


def _resume(bench: Bench, _: Sequence[CellProcess]) -> None:
    containers.unpause(bench.source_container)


FAULTS = (
    Fault(
        "restarted", "process", "The server is shut down in order and started again while the client idles (1053).",
        "connection.writes_after_idling", strike=_restart,
    ),
    Fault(
        "killed", "process", "The server's process is killed (SIGKILL) in the middle of an INSERT.",
        "connection.writes_meanwhile", strike=_kill, heal=_start, in_flight_s=IN_FLIGHT_S,
    ),
    Fault(
        "refused", "process", "Nobody listens: a new connection is refused (2003).",
        "connection.connects", strike=_refuse, heal=let_all_pass,
    ),
    Fault(
        "frozen-connect", "process", "The server stands still; the kernel accepts a new connection for it.",
        "connection.connects", strike=_pause, heal=_resume,
    ),
    Fault(
        "frozen", "process", "The server stands still when an INSERT is sent.",
        "connection.writes_after_idling", strike=_pause, heal=_resume,
    ),
    Fault(
        "frozen-commit", "process", "The server stands still when COMMIT is sent.",
        "connection.commits", strike=_pause, heal=_resume,
    ),
    Fault(
        "late-answer", "process", f"The server stands still for {AFTER_TIMEOUT_S:g} s: its answer is late.",
        "connection.reads_after_idling", strike=_pause, heal=_resume, heals_after_s=AFTER_TIMEOUT_S,
    ),
)  # fmt: skip
