"""What a drill is, and what every storm needs before it and after it."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from wavetank.checks.asking import ask_all
from wavetank.drills.judging.history import DrillHistory
from wavetank.drills.judging.judges import Judgement
from wavetank.drills.reporting.recorded import Recorded
from wavetank.drills.second_faults import SecondFault
from wavetank.drills.traffic.promises import Promises, Thresholds
from wavetank.errors import UnreachableError, UsageError, WaitedInVain
from wavetank.servers.node import Servers
from wavetank.topology.model import Topology
from wavetank.waiting import wait_until

Say = Callable[[str], None]

# On a busy machine a heart beats late now and then, which is over by then; what is out of order stays so.
IN_ORDER_S = 5.0


@dataclass(frozen=True)
class Options:
    """What a person may say of a drill.

    Attributes:
        seed: which random numbers; the same seed gives the same storm.
        operations: how many harmless operations the storm is mixed with.
        strategy: how conflicts are resolved.
        via: by which way clients come to the servers, '' for the usual one; see drills.traffic.client_routes.
        thresholds: what is demanded beyond what the drill promises.
        second: which fault hits what mends the first one, None for none.
    """

    seed: int = 1
    operations: int = 5000
    strategy: str = "latest-wins"
    via: str = ""
    thresholds: Thresholds = field(default_factory=Thresholds)
    second: SecondFault | None = None


class Drill(Protocol):
    """One storm, in phases; `facts` is what the report says of it, beside what is judged."""

    facts: dict[str, Any]

    def baseline(self) -> None:
        """Bring the instance to where it can be measured.

        Raises:
            UsageError: it is not in order; nothing has been changed then.
        """

    def storm(self) -> None:
        """Do the damage."""

    def recovery(self) -> None:
        """Do what mends it, while the traffic goes on."""

    def mend(self) -> None:
        """End the traffic, and mend what is left; done whatever went wrong before."""

    def history(self) -> DrillHistory:
        """Return all that the verdict is computed from, as far as it can be had."""

    def files(self) -> Mapping[str, Iterable[str]]:
        """Return what lies beside the report that nothing is judged by: lines by the file's name."""

    def recorded(self, judgement: Judgement) -> Recorded | None:
        """Return what its traffic saw, for the plots; None for a drill without any."""

    def revert_faults(self) -> None:
        """Take back what the storm did to containers and network; called however the drill ends."""


class DrillModule(Protocol):
    """What a module of drills.storms offers; see that package's docstring."""

    STORM: str
    PROMISES: Promises
    MENDED_BY: str

    def concerns(self, topology: Topology) -> bool:
        """Return whether the storm means anything to such a topology."""

    def prepare(self, servers: Servers, options: Options, say: Say) -> Drill:
        """Return the drill, nothing of it done yet."""


def demand_green(servers: Servers) -> None:
    """Demand that every check is asked and green before a storm, within IN_ORDER_S.

    Raises:
        UsageError: one is not; the message says which, the first of them.
    """
    seen = ask_all(servers)
    if seen.proven:
        return
    try:
        wait_until("every check to be green", lambda: ask_all(servers).proven, timeout_s=IN_ORDER_S)
    except WaitedInVain:
        # What was seen first is nearest to the cause: more follows from it while one waits.
        raise UsageError(
            f"the instance is not in order before the storm, make topology-up mends: {next(seen.lines())}"
        ) from None


def let_traffic_run(seconds: float) -> None:
    """Let the traffic go on for so many seconds."""
    over_s = time.monotonic() + seconds
    wait_until("the traffic", lambda: time.monotonic() >= over_s, timeout_s=seconds + 1, interval_s=0.05)


def sentence(what: str, error: Exception) -> str:
    """Return what failed and why, as a failure names it; of what nobody expected, with its kind."""
    kind = "" if isinstance(error, UsageError | UnreachableError) else f"{type(error).__name__}: "
    return f"{what} failed: {kind}{' '.join(str(error).split())}"


def attempt(what: str, step: Callable[[], object], wrong: list[str]) -> None:
    """Do a step; where it fails, `wrong` has a sentence more, and what comes next is done all the same."""
    try:
        step()
    except Exception as error:  # noqa: BLE001 - whatever it is, a verdict without the rest would be worth less
        wrong.append(sentence(what, error))


def after_the_storm(servers: Servers) -> tuple[str, list[str]]:
    """Ask every check; return what the report says of them, and what is not as it should be, a sentence each."""
    report = ask_all(servers)
    return report.in_words, report.doubts()
