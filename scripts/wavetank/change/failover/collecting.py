"""After the fence: what was chosen gets every transaction that is to be had, before it is recorded as the source.

Everybody is asked anew in each round, since what was seen before the fence is old, and since servers can die
meanwhile: another one is chosen then, or what only the dead one had is named.
"""

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from wavetank.change.failover.candidate_selection import (
    Choice,
    PriorKnowledge,
    ReplicaState,
    choose,
    errant_transactions,
    some,
)
from wavetank.change.failover.detection import FETCH, ask_replicas
from wavetank.change.fencing import Fence
from wavetank.errors import UnreachableError
from wavetank.servers.gtid import is_subset, subtract, union
from wavetank.servers.node import Servers
from wavetank.servers.replication import ACCOUNT, PASSWORD_NAME, change_statement, channels_of, set_delay
from wavetank.topology.model import Channel, Node
from wavetank.waiting import wait_until

# How long to wait for what has been received, or is fetched from others, to be applied.
APPLY_S = 60.0
# How long a source that was closed by its own word may take to send what it has.
SEND_S = 10.0

Note = Callable[[str], None]


@dataclass
class Collector:
    """Lets the chosen replica of a fenced source apply and fetch what is to be had.

    Attributes:
        servers: of which an answer does not take long.
        source: the one that was fenced.
        known: what is known beside what is asked; it grows with each round.
        excused: the replicas that do not answer and cannot have acknowledged anything.
        fenced: how.
        force: whether something may be given up.
        note: is told what is done.
    """

    servers: Servers
    source: Node
    known: PriorKnowledge
    excused: Collection[str]
    fenced: Fence
    force: bool
    note: Note

    def collect(self) -> Choice:
        """Return the choice once its replica has executed all that is to be had.

        Raises:
            NoCandidateError: nobody can have all of it any more; the message says what is missing.
            WaitedInVain: it took too long.
        """
        # What a source that was closed has, and can still send.
        self._own = executed_by(self.servers, self.source) if self.fenced is Fence.CLOSED else ""
        self._sending_ends_s = time.monotonic() + SEND_S
        (choice,) = wait_until(
            f"a replica of {self.source.name} to apply everything that was received",
            lambda: list(self._next_step()),
            timeout_s=APPLY_S,
            interval_s=0.01,
            hint="the same command goes on",
        )
        if alone := subtract(self._own, choice.promotion.replica.executed):
            self.note(f"{self.source.name} alone has {some(alone)}")
        return choice

    def _next_step(self) -> Iterator[Choice]:
        """Ask everybody, choose, and take one step; yield the choice where there is nothing left to do."""
        replicas = list(ask_replicas(self.servers, self.source))
        self.known = with_seen(self.known, replicas)
        if self.fenced is not Fence.GONE:
            # It may have got an acknowledgement from one that has died since.
            self.known = replace(self.known, absent=absent_ones(self.servers, self.source, replicas, self.excused))
        choice = choose(replicas, self.known, force=self.force)
        self.known = replace(self.known, chosen=choice.node.name)
        if is_subset(choice.target, choice.promotion.replica.executed) and not self._may_receive(choice, replicas):
            yield choice
            return
        with contextlib.suppress(UnreachableError):
            self._advance(choice, {each.name: each for each in replicas})

    def _may_receive(self, choice: Choice, replicas: Sequence[ReplicaState]) -> bool:
        """Return whether the old source may still send something that the chosen one lacks."""
        if not any(each.hears for each in replicas) or time.monotonic() > self._sending_ends_s:
            return False
        # The end of a process reaches its replicas a moment later, after all that was on its way.
        return self.fenced is not Fence.CLOSED or not is_subset(self._own, choice.promotion.replica.executed)

    def _advance(self, choice: Choice, replicas: Mapping[str, ReplicaState]) -> None:
        """Let the first donor apply what is wanted of it, then the chosen one fetch it; what it received it applies."""
        chosen = choice.promotion.replica
        for name, gtids in choice.promotion.donors[:1]:
            donor = replicas[name]
            if not is_subset(gtids, donor.executed):
                if donor.delay_s or donor.applier != "ON":
                    set_delay(self.servers[name], 0)
                    self.note(f"{name} applies at once")
            elif chosen.fetches_from != name:
                _fetch(self.servers, chosen.name, name)
                self.note(f"{chosen.name} fetches {some(gtids)} from {name}")


def with_seen(known: PriorKnowledge, replicas: Sequence[ReplicaState]) -> PriorKnowledge:
    """Return what is known once these have been heard, should they not answer another time."""
    errant = errant_transactions(replicas, known.began_with)
    seen = {each.name: subtract(each.holdings, errant.get(each.name, "")) for each in replicas}
    return replace(
        known, seen=dict(known.seen) | {name: union(gtids, known.seen.get(name, "")) for name, gtids in seen.items()}
    )


def absent_ones(
    servers: Servers, source: Node, replicas: Sequence[ReplicaState], excused: Collection[str]
) -> tuple[str, ...]:
    """Return the replicas of a source that do not answer, but for those that cannot have acknowledged anything."""
    there = {each.name for each in replicas} | set(excused)
    return tuple(node.name for node in servers.topology.replicas_of(source) if node.name not in there)


def restarted_ones(replicas: Sequence[ReplicaState], excused: Collection[str]) -> tuple[str, ...]:
    """Return the replicas that may have lost what they acknowledged, but for those that were seen before."""
    doubtful = (each for each in replicas if each.direct and each.from_source and not each.heard)
    return tuple(each.name for each in doubtful if each.name not in excused)


def executed_by(servers: Servers, node: Node) -> str:
    """Return what a server has executed, '' where it does not answer."""
    try:
        return str(servers[node.name].value("SELECT @@GLOBAL.gtid_executed"))
    except UnreachableError:
        return ""


def _fetch(servers: Servers, name: str, donor: str) -> None:
    """Let a server replicate from a donor, too, by a channel beside its own: no relay log is discarded for it."""
    channel, server = Channel(FETCH, donor), servers[name]
    if FETCH in channels_of(server):
        server.execute(f"STOP REPLICA FOR CHANNEL '{FETCH}'")
    server.query(change_statement(channel), {PASSWORD_NAME: servers.instance.password(ACCOUNT)}, account="admin")
    server.execute(f"START REPLICA FOR CHANNEL '{FETCH}'")
