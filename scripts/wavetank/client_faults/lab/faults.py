"""What a fault is: what a client does meanwhile, what is done to it and when, and how it is taken back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from wavetank.client_faults.lab.bench import Bench
from wavetank.client_faults.lab.processes import CellProcess
from wavetank.client_faults.subjects.server import Server
from wavetank.topology.model import Topology

# How long a statement has been in flight, in seconds, when a fault hits it that waits for one.
IN_FLIGHT_S = 0.5

Do = Callable[[Bench, Sequence[CellProcess]], None]
Lead = Callable[[Bench, Server], Server]


def nothing(_: Bench, __: Sequence[CellProcess]) -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Fault:
    """One fault, which hits several clients at once.

    Attributes:
        name: as FAULT= says it.
        group: what hits: the server, the process, the network, ...
        what: a sentence for a person.
        scenario: what the client does, module.function of cell.scenarios.
        strike: does it, when all clients stand at the gate.
        prepare: what has to be so before they connect.
        heal: takes it back.
        needs: functions that a subject must have.
        asynchronous: for subjects that await only, for those that do not only, or None for all.
        in_flight_s: strikes so many seconds after the clients have begun a statement; None at the gate.
        heals_after_s: is taken back so many seconds after it struck; None when all have had their answer.
        lead: where the clients go.
        lacks: why an instance cannot have it, '' where it can.
        restores: whether the instance has to be brought in order afterwards.
        must_refuse: whether a client that connects all the same is deceived.
    """

    name: str
    group: str
    what: str
    scenario: str
    strike: Do = nothing
    prepare: Do = nothing
    heal: Do = nothing
    needs: tuple[str, ...] = ()
    asynchronous: bool | None = None
    in_flight_s: float | None = None
    heals_after_s: float | None = None
    lead: Lead = field(default=lambda _, server: server)
    lacks: Callable[[Topology], str] = field(default=lambda _: "")
    restores: bool = False
    must_refuse: bool = False
