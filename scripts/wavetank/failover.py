"""The source is gone: agree on it, choose the replica that has most, fence the old one, promote.

Whether a source is dead is never one's own word alone: as long as a replica still hears from it, it is not.
"""

import contextlib
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from wavetank import containers
from wavetank.errors import UnreachableError, UsageError, WaitedInVain
from wavetank.failover_log import Failover, FailoverLog
from wavetank.gtid import count_transactions, union
from wavetank.node import Server, Servers
from wavetank.promotion import Timeline, close, open_promoted, record_promotion, wait_for_followers
from wavetank.proxy_switch import share_reads
from wavetank.replication import channels_of, wait_for_transactions
from wavetank.switchover import Change
from wavetank.topology import Node
from wavetank.waiting import wait_until

# A server that takes longer to answer, in seconds, does not.
ANSWER_TIMEOUT_S = 2
# How long a source may say nothing to a replica: it sends heartbeats once a second.
SILENCE_S = 3.0
# How long to wait for all witnesses to agree, and for what has been received to be applied.
AGREE_S = 10.0
APPLY_S = 60.0
# How long an old source that answers may take to close: one that waits for receipts in vain takes longer.
FENCE_S = 2

_WITNESS = """
    SELECT SERVICE_STATE AS receiver, RECEIVED_TRANSACTION_SET AS received, @@GLOBAL.gtid_executed AS executed,
           TIMESTAMPDIFF(MICROSECOND, GREATEST(LAST_HEARTBEAT_TIMESTAMP, LAST_QUEUED_TRANSACTION_END_QUEUE_TIMESTAMP),
                         NOW(6)) / 1e6 AS silent_s
      FROM performance_schema.replication_connection_status WHERE CHANNEL_NAME = %s
"""


@dataclass(frozen=True)
class Witness:
    """What a replica says of its source, and what it has."""

    node: Node
    receiver: str
    silent_s: float
    applier: str
    delay_s: int
    received: str
    executed: str

    @property
    def unfit(self) -> str:
        """Why this replica must not become the source, '' where it may."""
        if self.applier != "ON":
            return "does not apply"
        return f"is delayed by {self.delay_s} s" if self.delay_s else ""

    @property
    def transactions(self) -> int:
        """How many transactions the replica has executed or received."""
        return count_transactions(union(self.executed, self.received))

    @property
    def hears(self) -> bool:
        """Whether the source has said something to this replica within SILENCE_S."""
        return self.receiver == "ON" and self.silent_s <= SILENCE_S


class SourceAnswersError(UsageError):
    """A source that was to be replaced is not gone."""


def fail_over(servers: Servers, name: str = "", *, force: bool = False) -> Change:
    """Replace a source that is gone by the replica that has most of its transactions.

    `name` says which, where several do not answer. `force` does it although the source answers, or although
    another failover was a moment ago. Interrupted, it is finished by running it again; topology-up finishes it,
    too, once the new source is recorded.

    Raises:
        SourceAnswersError: the source is not gone.
        UsageError: no replica can take its place, it is not said which source's, or a failover was a moment ago.
    """
    log = FailoverLog(servers.instance)
    timeline = Timeline()
    if begun := log.unfinished(servers.topology):
        return _open_and_follow(servers, log, begun, timeline)
    with Servers(servers.topology, ANSWER_TIMEOUT_S) as impatient:
        source = _source_to_replace(impatient, name)
        if not force:
            log.refuse_haste(source)
        witnesses = _agree(impatient, source, force=force)
        answers = force and _answers(impatient[source.name])
    names = ", ".join(witness.node.name for witness in witnesses)
    timeline.add(
        f"asked to replace {source.name} by one of {names}" if force else f"{source.name} is gone, say {names}"
    )
    chosen = choose(witnesses)
    timeline.add(f"{chosen.node.name} has most")
    _fence(servers, source, answers=answers)
    timeline.add(f"{source.name} fenced")
    _apply_what_was_received(servers, chosen)
    timeline.add(f"{chosen.node.name} has applied all that it received")
    begun = log.begin(source.name, chosen.node.name)
    record_promotion(servers, chosen.node.name)
    heard = [witness.node.name for witness in witnesses]
    absent = [node.name for node in servers.topology.nodes if node.name not in heard]
    return _open_and_follow(servers, log, begun, timeline, absent)


def _open_and_follow(
    servers: Servers, log: FailoverLog, begun: Failover, timeline: Timeline, absent: Collection[str] = ()
) -> Change:
    open_promoted(servers, begun.new, begun.old, timeline, {begun.old, *absent})
    log.finish(begun)
    silent = wait_for_followers(servers, begun.new, fenced=begun.old)
    timeline.add("all that answer replicate")
    if not silent:
        share_reads(servers)
    return Change(begun.old, begun.new, tuple(timeline.steps), tuple(silent))


def _source_to_replace(servers: Servers, name: str) -> Node:
    """Return the source called `name`, without a name the only one, or the only one that does not answer."""
    topology = servers.topology
    if topology.peers:
        raise UsageError("its sources replicate from each other: make topology-up ACTIVE= gives another one the writes")
    if name and not topology.node(name).is_source:
        names = ", ".join(node.name for node in topology.sources)
        raise UsageError(f"{name} is not a source, which {names} {'are' if len(topology.sources) > 1 else 'is'}")
    candidates = (topology.node(name),) if name else topology.sources
    if len(candidates) > 1:
        candidates = tuple(node for node in candidates if not _answers(servers[node.name]))
    if not candidates:
        raise SourceAnswersError("all sources answer: make switchover TO= says which one to replace")
    if len(candidates) > 1:
        raise UsageError(
            f"{', '.join(node.name for node in candidates)} do not answer: NODE= says which one to replace"
        )
    (source,) = candidates
    if not topology.replicas_of(source):
        raise UsageError(f"{source.name} has no replica that could take its place")
    return source


def _agree(servers: Servers, source: Node, *, force: bool) -> list[Witness]:
    """Return what the replicas that answer say, once none of them hears from a source that does not answer us.

    Raises:
        SourceAnswersError: it does.
        UsageError: a replica hears from the source, or there is no witness.
    """

    def look() -> list[Witness]:
        if not force and _answers(servers[source.name]):
            raise SourceAnswersError(
                f"{source.name} answers: make switchover TO= moves the writes in order; FORCE=1 replaces it even so"
            )
        return list(ask_witnesses(servers, source))

    def agreed(found: list[Witness]) -> bool:
        return bool(found) and (force or not any(witness.hears for witness in found))

    seen: list[Witness] = []

    def look_again() -> bool:
        seen[:] = look()
        return agreed(seen)

    with contextlib.suppress(WaitedInVain):
        wait_until("the witnesses to agree", look_again, timeout_s=AGREE_S, interval_s=0.05)
    if not seen:
        raise UsageError(f"no replica of {source.name} answers, so that none can take its place")
    if not agreed(seen):
        hearing = ", ".join(witness.node.name for witness in seen if witness.hears)
        raise UsageError(
            f"{source.name} does not answer here, but {hearing} hears from it: a source that only we cannot reach is "
            "not dead; FORCE=1 replaces it even so"
        )
    return seen


def ask_witnesses(servers: Servers, source: Node) -> Iterator[Witness]:
    """Yield what each replica of `source` that answers says of it, in the inventory's order."""

    def ask(node: Node) -> Witness | None:
        server = servers[node.name]
        try:
            for name, row in channels_of(server).items():
                if row["HOST"] == source.name:
                    told = server.query(_WITNESS, [name])[0]
                    return Witness(
                        node, told["receiver"], float(told["silent_s"] or SILENCE_S), row["applier"],
                        int(row["DELAY_S"]), told["received"], told["executed"],
                    )  # fmt: skip
        except UnreachableError:
            pass
        return None

    replicas = servers.topology.replicas_of(source)
    with ThreadPoolExecutor(max(1, len(replicas))) as pool:
        yield from filter(None, pool.map(ask, replicas))


def choose(witnesses: Sequence[Witness]) -> Witness:
    """Return the witness to promote: of those that are neither broken nor delayed the one that has most.

    Of several that have as much, the inventory's first.

    Raises:
        UsageError: there is none; the message says why not which.
    """
    reasons = {witness.node.name: witness.unfit for witness in witnesses if witness.unfit}
    fit = [witness for witness in witnesses if not witness.unfit]
    if not fit:
        raise UsageError(
            "no replica can take its place: " + ", ".join(f"{name} {why}" for name, why in reasons.items())
        )
    return max(fit, key=lambda witness: witness.transactions)


def _answers(server: Server) -> bool:
    try:
        server.query("SELECT 1")
    except UnreachableError:
        return False
    return True


def _fence(servers: Servers, source: Node, *, answers: bool) -> None:
    """Make sure that the old source takes no more writes: by its own word, else by the end of its process.

    When it is started again it is closed, as every server is, and a replica.
    """
    if answers:
        with contextlib.suppress(UnreachableError, UsageError):
            close(servers[source.name], FENCE_S)
            return
    container = servers.topology.container(source)
    states = {state.name: state.status for state in containers.containers(servers.topology.project)}
    if states.get(container) not in (None, "exited", "created", "dead"):
        containers.kill(container)


def _apply_what_was_received(servers: Servers, chosen: Witness) -> None:
    wait_for_transactions(
        servers[chosen.node.name],
        chosen.received,
        f"{chosen.node.name} to apply what it received",
        timeout_s=APPLY_S,
        hint="the same command goes on",
    )
