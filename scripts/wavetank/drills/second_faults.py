"""A second fault while the first one is being mended: what mends is a person's command, and it is run once more.

After that everything acknowledged is there, or the command has said in a line what it misses.
"""

import json
import random
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from wavetank.change.timeline import Step
from wavetank.errors import UsageError
from wavetank.machine import containers
from wavetank.own_command import ended, kill, last_line, run_command, started
from wavetank.topology.model import Node, Topology

COMMAND_KILLED = "command-killed"
UP_KILLED = "up-killed"
REPLICA_KILLED = "replica-killed"
REPLICA_FROZEN = "replica-frozen"
SECOND_FAULTS = {
    COMMAND_KILLED: "The command that mends is killed (SIGKILL), and run again.",
    UP_KILLED: "The topology-up that mends what is left is killed (SIGKILL), and run again.",
    REPLICA_KILLED: "A replica, which may be the one that was chosen, is killed (SIGKILL) while it is mended.",
    REPLICA_FROZEN: "A replica freezes for some seconds while it is mended.",
}
# How long a command usually takes on a busy machine, in seconds: a second fault hits it at a share of that.
USUALLY_S = {"failover": 4.0, "switchover": 2.5, "up": 6.0, "reshard": 8.0}
FROZEN_S = 4.0
COMMAND_TIMEOUT_S = 600


@dataclass(frozen=True)
class SecondFault:
    """Which one hits, when, as a share from 0 to 1 of what a command usually takes, and for whom a seed decides."""

    what: str
    share: float
    seed: int = 1

    @property
    def of_a_replica(self) -> bool:
        """Whether a replica is hit, which may be the one that has what is missed then."""
        return self.what in {REPLICA_KILLED, REPLICA_FROZEN}

    def at_s(self, command: str) -> float:
        """Return how many seconds after the beginning of a command it hits."""
        return round(self.share * USUALLY_S[command], 3)


@dataclass(frozen=True)
class Mended:
    """What became of a command.

    Attributes:
        steps: what it told of, and what was done to it, in seconds since it was first started.
        output: what it printed in the end.
        refused: why it did not do what it is for, also when it was run once more; '' where it did.
    """

    steps: list[Step] = field(default_factory=list)
    output: str = ""
    refused: str = ""


def read_second_fault(what: str, share: float, seed: int) -> SecondFault | None:
    """Return the second fault that was asked for, None for none.

    Raises:
        UsageError: there is no such fault, or the share is none.
    """
    if not what:
        return None
    if what not in SECOND_FAULTS:
        raise UsageError(f"no second fault {what!r}; there are: {', '.join(SECOND_FAULTS)}")
    if not 0 <= share <= 1:
        raise UsageError(f"second_at={share:g} is not a share from 0 to 1")
    return SecondFault(what, share, seed)


def possible(topology: Topology, command: str) -> tuple[str, ...]:
    """Return the second faults that a drill can have whose storm a `command` mends, '' for one that none does."""
    of_replicas = (REPLICA_KILLED, REPLICA_FROZEN) if len(topology.replicas) > 1 else ()
    of_commands = {
        "up": (UP_KILLED,),
        "reshard": (COMMAND_KILLED,),
        "failover": (COMMAND_KILLED, UP_KILLED, *of_replicas),
        "switchover": (COMMAND_KILLED, UP_KILLED, *of_replicas),
    }
    return of_commands.get(command, ())


def demand_possible(second: SecondFault | None, topology: Topology, command: str) -> None:
    """Refuse a second fault that a drill cannot have.

    Raises:
        UsageError: it is one.
    """
    there = possible(topology, command)
    if second and second.what not in there:
        raise UsageError(
            f"this drill cannot have the second fault {second.what} on {topology.instance}; "
            f"it can have: {', '.join(there) or 'none'}"
        )


def mend(topology: Topology, command: Sequence[str], second: SecondFault, **options: str) -> Mended:
    """Run a command of ours on an instance while a second fault hits; run it once more where it did not end well.

    `options` is what a person would say in the environment.
    """
    began_s = time.monotonic()
    with started(*command, options=_options(topology, options), own_session=True) as process:
        hit = _Hit(topology, process, second)
        with hit.at(second.at_s(command[0])):
            done = ended(process, COMMAND_TIMEOUT_S)
    steps = sorted([*hit.steps, *_told(done)], key=lambda step: step.at_s)
    if done is not None and done.returncode == 0:
        return Mended(steps, done.stdout)
    offset_s = time.monotonic() - began_s
    steps.append(Step(f"{command[0]} ended: {last_line(done)}", round(offset_s, 3)))
    again = run_to_end(topology, command, **options)
    steps += [Step(step.what, round(offset_s + step.at_s, 3)) for step in again.steps]
    return Mended(steps, again.output, again.refused)


def run_to_end(topology: Topology, command: Sequence[str], **options: str) -> Mended:
    """Run a command of ours on an instance, and nothing else happens."""
    name, *arguments = command
    done = run_command(name, COMMAND_TIMEOUT_S, *arguments, options=_options(topology, options), own_session=True)
    return Mended(_told(done), done.stdout if done else "", "" if done and done.returncode == 0 else last_line(done))


def _options(topology: Topology, options: Mapping[str, str]) -> Mapping[str, str]:
    return {**options, "INSTANCE": topology.instance}


def _told(done: subprocess.CompletedProcess[str] | None) -> list[Step]:
    """Return the steps that a failover or a switchover tells of."""
    try:
        return [Step(**step) for step in json.loads(done.stdout if done else "")["steps"]]
    except (json.JSONDecodeError, KeyError, TypeError):
        return []


class _Hit:
    """The second fault, which waits for its moment in a thread of its own; it does not outlive the command."""

    def __init__(self, topology: Topology, process: subprocess.Popen[str], second: SecondFault) -> None:
        self.steps: list[Step] = []
        self._topology = topology
        self._process = process
        self._second = second
        self._over = threading.Event()
        self._began_s = time.monotonic()

    @contextmanager
    def at(self, at_s: float) -> Iterator[None]:
        """Hit so many seconds after the beginning, unless what is within is over by then."""
        thread = threading.Thread(target=self._wait_and_hit, args=(at_s,))
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _wait_and_hit(self, at_s: float) -> None:
        hit = {REPLICA_KILLED: self._kill, REPLICA_FROZEN: self._freeze}.get(self._second.what, self._kill_command)
        if self._over.wait(at_s):
            self._note("the command was over before the second fault")
        else:
            hit()

    def _note(self, what: str) -> None:
        self.steps.append(Step(what, round(time.monotonic() - self._began_s, 3)))

    def _kill_command(self) -> None:
        # What it has started dies with it, as it would with the machine.
        kill(self._process)
        self._note("the command was killed")

    def _kill(self) -> None:
        if victim := self._replica():
            containers.kill(self._topology.container(victim))
            self._note(f"{victim.name} was killed")

    def _freeze(self) -> None:
        if victim := self._replica():
            containers.pause(self._topology.container(victim))
            self._note(f"{victim.name} froze")
            self._over.wait(FROZEN_S)
            containers.unpause(self._topology.container(victim))
            self._note(f"{victim.name} goes on")

    def _replica(self) -> Node | None:
        """Return a running replica; the seed says which. None where none runs."""
        running = {state.name for state in containers.containers(self._topology.project) if state.status == "running"}
        there = [node for node in self._topology.replicas if self._topology.container(node) in running]
        if not there:
            self._note("no replica runs that could be hit")
            return None
        return random.Random(self._second.seed).choice(there)  # noqa: S311 - storms, not secrets
