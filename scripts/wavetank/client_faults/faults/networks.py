"""The network resets connections, loses what is sent, or is slow."""

from collections.abc import Sequence

from wavetank.client_faults.lab.bench import Bench
from wavetank.client_faults.lab.faults import IN_FLIGHT_S, Fault
from wavetank.client_faults.lab.processes import CellProcess
from wavetank.machine import client_network, network

HEALS_AFTER_S = 5.0
# What each client gets of the network, in kilobits a second: 12 MB take 8 s.
RATE_KBIT = 12_000


def _reset(bench: Bench, _: Sequence[CellProcess]) -> None:
    client_network.reset(bench.container, bench.source_container)


def _drop(bench: Bench, _: Sequence[CellProcess]) -> None:
    client_network.drop_all(bench.container, bench.address(bench.source))


def _drop_answers(bench: Bench, _: Sequence[CellProcess]) -> None:
    client_network.drop_answers(bench.container, bench.address(bench.source))


def let_all_pass(bench: Bench, _: Sequence[CellProcess]) -> None:
    """Take back what was lost or refused."""
    client_network.clear(bench.container)


def _throttle(bench: Bench, cells: Sequence[CellProcess]) -> None:
    network.throttle(bench.source_container, RATE_KBIT * len(cells))


def _quicken(bench: Bench, _: Sequence[CellProcess]) -> None:
    network.quicken([bench.source_container])


FAULTS = (
    Fault(
        "reset-idle", "network", "An idle connection is reset (RST).",
        "connection.writes_after_idling", strike=_reset,
    ),
    Fault(
        "reset-in-flight", "network", "A connection is reset (RST) in the middle of an INSERT.",
        "connection.writes_meanwhile", strike=_reset, in_flight_s=IN_FLIGHT_S,
    ),
    Fault(
        "dropped-idle", "network", "All packets are lost both ways when an INSERT is sent.",
        "connection.writes_after_idling", strike=_drop, heal=let_all_pass,
    ),
    Fault(
        "dropped-in-flight", "network", "All packets are lost both ways in the middle of an INSERT.",
        "connection.writes_meanwhile", strike=_drop, heal=let_all_pass, in_flight_s=IN_FLIGHT_S,
    ),
    Fault(
        "dropped-connect", "network", "All packets are lost both ways when the client connects.",
        "connection.connects", strike=_drop, heal=let_all_pass,
    ),
    Fault(
        "answer-dropped", "network", "An INSERT arrives and is committed; its acknowledgement is lost.",
        "connection.writes_after_idling", strike=_drop_answers, heal=let_all_pass,
    ),
    Fault(
        "commit-answer-dropped", "network", "A COMMIT arrives and is done; its acknowledgement is lost.",
        "connection.commits", strike=_drop_answers, heal=let_all_pass,
    ),
    Fault(
        "dropped-5s", "network", f"All packets are lost both ways for {HEALS_AFTER_S:g} s when an INSERT is sent.",
        "connection.writes_after_idling", strike=_drop, heal=let_all_pass, heals_after_s=HEALS_AFTER_S,
    ),
    Fault(
        "slow-result", "network", "A large result comes slowly, but comes: 12 MB in some 8 s.",
        "connection.reads_much", strike=_throttle, heal=_quicken,
    ),
)  # fmt: skip
