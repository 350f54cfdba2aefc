"""Who becomes the source: decided from what each server says it has. Nobody is asked here, and nothing is changed."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from wavetank.errors import UsageError
from wavetank.servers.gtid import common, count_transactions, is_subset, subtract, union, without_server
from wavetank.topology.model import Node

# How long a source may say nothing to a replica: it sends heartbeats once a second.
SILENCE_S = 3.0


@dataclass(frozen=True)
class ReplicaState:
    """What a server behind the source says of it, and what it has.

    Attributes:
        node: the server, as it is recorded.
        receiver: the state of its receiver: ON, CONNECTING, OFF.
        silent_s: for how many seconds it has received neither a transaction nor a heartbeat.
        applier: the state of its applier: ON, OFF, '' where it replicates from nobody.
        delay_s: by how many seconds it is told to apply late.
        received: the GTID set that its channel has received.
        executed: the GTID set that it has executed.
        purged: the part of that which its binary logs hold no longer.
        host: from whom it replicates, '' for nobody.
        from_source: whether that is the source in question.
        direct: whether it is recorded as a replica of that source, and not of another replica.
        source_uuid: the UUID of whom it replicates from, '' where it has forgotten it.
        applier_errors: how many errors have stopped its applier.
        heard: whether it has heard from whom it replicates since it was started.
        fetches_from: from whom it fetches beside its source what others have, '' for nobody.
    """

    node: Node
    receiver: str
    silent_s: float
    applier: str
    delay_s: int
    received: str
    executed: str
    purged: str = ""
    host: str = ""
    from_source: bool = True
    direct: bool = True
    source_uuid: str = ""
    applier_errors: int = 0
    heard: bool = True
    fetches_from: str = ""

    @property
    def name(self) -> str:
        """The server's name."""
        return self.node.name

    @property
    def unfit(self) -> str:
        """Why this server must not become the source, '' where it may: one without a channel has nothing to apply."""
        if self.applier == "OFF":
            return "does not apply"
        return f"is delayed by {self.delay_s} s" if self.delay_s else ""

    @functools.cached_property
    def holdings(self) -> str:
        """The GTID set that it has executed or received."""
        return union(self.executed, self.received)

    @property
    def gives(self) -> str:
        """The GTID set that others can have from it: who is late or stopped can be told to apply, who failed not."""
        return self.executed if self.applier_errors else self.holdings

    @property
    def hears(self) -> bool:
        """Whether the source has said something to this server within SILENCE_S."""
        return self.from_source and self.receiver == "ON" and self.silent_s <= SILENCE_S


@dataclass(frozen=True)
class PriorKnowledge:
    """What is known beside what those that answer say.

    Attributes:
        began_with: the GTID set with which it became the source, None where nobody knows any more.
        seen: what servers were seen to have in an earlier analysis, by their names, errant transactions left out.
        absent: the replicas that do not answer and may have acknowledged transactions.
        restarted: those that were started again, have not heard from the source since, and were not seen before: their
            relay logs are gone, and with them what they had acknowledged and not applied.
        acknowledgements: how many a commit waits for, 0 where the replication promises nothing.
        replicas: how many replicas the source has.
        chosen: who was chosen in an earlier analysis, '' for nobody: it stays chosen where nothing speaks against it.
    """

    began_with: str | None = None
    seen: Mapping[str, str] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    restarted: tuple[str, ...] = ()
    acknowledgements: int = 0
    replicas: int = 0
    chosen: str = ""


@dataclass(frozen=True)
class Promotion:
    """What the promotion of one candidate would mean.

    Attributes:
        replica: what it says and has.
        errant: the GTID set that it has and the source never sent.
        lacks: the GTID set that is to be had and that it has not received yet.
        donors: from whom it can get what of that, in this order.
        given_up: the rest: what would be lost.
        holders: who has what of that.
    """

    replica: ReplicaState
    errant: str
    lacks: str
    donors: tuple[tuple[str, str], ...]
    given_up: str
    holders: tuple[tuple[str, str], ...]

    @property
    def cost(self) -> str:
        """What its promotion would give up, as a sentence says it."""
        return "; ".join(f"{some(gtids)}, which {name} has" for name, gtids in self.holders)


@dataclass(frozen=True)
class Choice:
    """The candidate to promote, why it is the one, and whose errant transactions are left behind."""

    promotion: Promotion
    why: str
    left_behind: Mapping[str, str] = field(default_factory=dict)

    @property
    def node(self) -> Node:
        """The server."""
        return self.promotion.replica.node

    @property
    def target(self) -> str:
        """The GTID set that it must have executed before it is promoted."""
        promotion = self.promotion
        return subtract(union(promotion.replica.holdings, promotion.lacks), promotion.given_up)


class NoCandidateError(UsageError):
    """No replica can become the source without losing something, or at all."""


def errant_transactions(replicas: Sequence[ReplicaState], began_with: str | None) -> dict[str, str]:
    """Return by server the transactions that it has and that the source cannot have sent it; none where all is well.

    A source has what it began with, and what it commits under its own UUID since. What a channel has received from it,
    and what two of its replicas have, came from it, too. All else was written on the replica itself. Where nobody
    knows what the source began with, or its UUID, nothing is called errant: it may be what an earlier source wrote.
    """
    uuid = next((replica.source_uuid for replica in replicas if replica.from_source and replica.source_uuid), "")
    if began_with is None or not uuid:
        return {}
    sent = (replica.received for replica in replicas if replica.from_source)
    direct = (replica.holdings for replica in replicas if replica.direct)
    shared = (common(one, other) for one, other in combinations(direct, 2))
    legitimate = union(began_with, *sent, *shared)
    found = {each.name: without_server(subtract(each.holdings, legitimate), uuid) for each in replicas}
    return {name: gtids for name, gtids in found.items() if gtids}


def weigh(replicas: Sequence[ReplicaState], known: PriorKnowledge | None = None) -> list[Promotion]:
    """Return what the promotion of each replica of the source would mean, unfit ones included, in their order."""
    known = known or PriorKnowledge()
    errant = errant_transactions(replicas, known.began_with)
    # One that was restarted has lost what it had received and not applied: what it was seen to have still counts.
    held = dict(known.seen) | {each.name: union(each.holdings, known.seen.get(each.name, "")) for each in replicas}
    regular = union(*(subtract(gtids, errant.get(name, "")) for name, gtids in held.items()))

    def weighed(replica: ReplicaState) -> Promotion:
        mine = errant.get(replica.name, "")
        # Who has errant transactions itself is no better than another one that has others.
        lacks = subtract(union(*held.values()) if mine else regular, replica.holdings)
        donors = tuple(_donors(replica, lacks, [each for each in replicas if each.name not in errant]))
        given_up = subtract(lacks, *(gtids for _, gtids in donors))
        holders = [(name, common(gtids, given_up)) for name, gtids in held.items()]
        return Promotion(replica, mine, lacks, donors, given_up, tuple(each for each in holders if each[1]))

    return [weighed(replica) for replica in replicas if replica.direct]


def _donors(candidate: ReplicaState, lacks: str, others: Sequence[ReplicaState]) -> Iterator[tuple[str, str]]:
    """Yield from whom a candidate can get what of the transactions that it lacks; who gives most comes first."""
    for other in sorted(others, key=lambda each: -count_transactions(common(each.gives, lacks))):
        part = common(other.gives, lacks)
        # Replication starts with the oldest that is lacking: a donor must have all of that still.
        if part and is_subset(other.purged, candidate.holdings):
            lacks = subtract(lacks, part)
            yield other.name, part


def choose(replicas: Sequence[ReplicaState], known: PriorKnowledge | None = None, *, force: bool = False) -> Choice:
    """Return the replica to promote: one that is fit, and has or can get every transaction that is to be had.

    Of several: first one without errant transactions, then one that need not fetch any, then the inventory's first.
    With `force` the one that gives up least is good enough.

    Raises:
        NoCandidateError: there is none; the message says what each choice would give up.
    """
    known = known or PriorKnowledge()
    promotions = weigh(replicas, known)
    fit = [promotion for promotion in promotions if not promotion.replica.unfit]
    if not fit:
        reasons = ", ".join(f"{promotion.replica.name} {promotion.replica.unfit}" for promotion in promotions)
        raise NoCandidateError(f"no replica can take its place: {reasons or 'none answers'}")
    _refuse_doubt(known, force=force)
    best = min(fit, key=lambda promotion: _order(promotion, known))
    if best.given_up and not force:
        costs = ". ".join(f"{each.replica.name} would give up {each.cost}" for each in fit)
        unfit = "".join(f". {each.replica.name} {each.replica.unfit}" for each in promotions if each.replica.unfit)
        raise NoCandidateError(f"no replica has everything: {costs}{unfit}. FORCE=1 takes the one that gives up least")
    errant = errant_transactions(replicas, known.began_with)
    left = {name: gtids for name, gtids in errant.items() if name != best.replica.name}
    return Choice(best, _why(best, fit), left)


def _order(promotion: Promotion, known: PriorKnowledge) -> tuple[int, bool, bool, int]:
    """Return what is less for the better promotion."""
    chosen_before = promotion.replica.name == known.chosen
    return (
        count_transactions(promotion.given_up),
        not chosen_before,
        bool(promotion.errant),
        count_transactions(promotion.lacks),
    )


def _refuse_doubt(known: PriorKnowledge, *, force: bool) -> None:
    """Refuse where something that a client was told is done may have been with those that cannot say so."""
    doubtful = len(known.absent) + len(known.restarted)
    if force or not known.acknowledgements or doubtful < known.acknowledgements:
        return
    reasons = [f"{name} does not answer" for name in known.absent]
    reasons += [f"{name} was started again and has lost what it had only received" for name in known.restarted]
    raise NoCandidateError(
        f"{', '.join(reasons)}: as a commit waits for {known.acknowledgements} of {known.replicas} acknowledgements, "
        "what clients were told is done may be nowhere else. make topology-up brings all servers back, the old source "
        "too; FORCE=1 goes without"
    )


def _why(best: Promotion, fit: Sequence[Promotion]) -> str:
    """Return what a person is told of a choice."""
    name = best.replica.name
    if best.given_up:
        return f"{name} gives up least: {best.cost}"
    if best.donors:
        fetched = " and ".join(f"{some(gtids)} from {donor}" for donor, gtids in best.donors)
        return f"{name} has everything once it has fetched {fetched}"
    if best.errant:
        return f"{name} alone has everything, with {some(best.errant)} that its source never sent"
    return f"{name} has everything" if len(fit) > 1 else f"{name} is the only one that can, and has everything"


def some(gtids: str) -> str:
    """Return a GTID set as a sentence names it, after how many transactions it has."""
    count = count_transactions(gtids)
    return f"{count} transaction{'s' if count > 1 else ''} ({gtids})"
