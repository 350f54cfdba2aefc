"""Is a source gone, and who says so? Everybody is asked at once, and an answer may not take long.

Whether a source is dead is never one's own word alone: as long as a replica still hears from it, it is not.
"""

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from wavetank.change.failover.candidate_selection import SILENCE_S, ReplicaState
from wavetank.change.failover_log import Failover
from wavetank.errors import UnreachableError, UsageError, WaitedInVain
from wavetank.servers.gtid import union
from wavetank.servers.node import Row, Servers, answers, silent_ones
from wavetank.threads import side_by_side
from wavetank.topology.model import Node
from wavetank.waiting import wait_until

# A server that takes longer to answer, in seconds, does not.
ANSWER_TIMEOUT_S = 2
# What was said longer ago, in seconds, is asked anew before it is decided upon.
STALE_S = 0.5
# How long to wait for all replicas to agree.
AGREE_S = 10.0
# The channel by which a candidate gets what others have beside its source: its own is left alone.
FETCH = "fetch"

# A server that replicates from nobody has one row, too.
_REPLICA_STATE = r"""
    SELECT me.*, c.CHANNEL_NAME AS channel, c.HOST AS host, r.SERVICE_STATE AS receiver, a.SERVICE_STATE AS applier,
           ac.DESIRED_DELAY AS delay_s,
           (SELECT COUNT(*) FROM performance_schema.replication_applier_status_by_worker w
             WHERE w.CHANNEL_NAME = c.CHANNEL_NAME AND w.LAST_ERROR_NUMBER <> 0) AS applier_errors,
           r.RECEIVED_TRANSACTION_SET AS received, r.SOURCE_UUID AS source_uuid,
           TIMESTAMPDIFF(MICROSECOND,
                         GREATEST(r.LAST_HEARTBEAT_TIMESTAMP, r.LAST_QUEUED_TRANSACTION_END_QUEUE_TIMESTAMP),
                         NOW(6)) / 1e6 AS silent_s
      FROM (SELECT @@GLOBAL.gtid_executed AS executed, @@GLOBAL.gtid_purged AS purged) me
      LEFT JOIN (performance_schema.replication_connection_configuration c
                 JOIN performance_schema.replication_connection_status r USING (CHANNEL_NAME)
                 JOIN performance_schema.replication_applier_status a USING (CHANNEL_NAME)
                 JOIN performance_schema.replication_applier_configuration ac USING (CHANNEL_NAME))
             ON c.HOST <> ''
"""


class SourceAnswersError(UsageError):
    """A source that was to be replaced is not gone."""


@dataclass(frozen=True)
class Analysis:
    """orchestrator's replication analysis: whether the source answers, and what each replica says of it."""

    answers: bool
    replicas: tuple[ReplicaState, ...]

    @property
    def hearing(self) -> str:
        """The names of those that still hear from the source."""
        return ", ".join(replica.name for replica in self.replicas if replica.hears)


def source_to_replace(servers: Servers, begun: Sequence[Failover], name: str) -> Node:
    """Return the recorded source that `name` means; without a name the only one, or the only one that needs it.

    A source needs it that does not answer, or that has been recorded by one of the failovers `begun`, which is to be
    finished. `name` may also be the one that was replaced by such a failover.

    Raises:
        SourceAnswersError: none needs it.
        UsageError: several do, or it cannot be replaced.
    """
    topology = servers.topology
    if topology.peers:
        raise UsageError("its sources replicate from each other: make topology-up ACTIVE= gives another one the writes")
    if name:
        heirs = {failover.old: failover.new for failover in begun}
        node = topology.node(name)
        if not node.is_source and name not in heirs:
            names = ", ".join(node.name for node in topology.sources)
            raise UsageError(f"{name} is not a source, which {names} {'are' if len(topology.sources) > 1 else 'is'}")
        return node if node.is_source else topology.node(heirs[name])
    if len(topology.sources) == 1:
        return topology.sources[0]
    silent = silent_ones(servers, topology.sources)
    instead_of = {failover.new: failover.old for failover in begun}
    needing = [node for node in topology.sources if node in silent or node.name in instead_of]
    if not needing:
        raise SourceAnswersError("all sources answer: make switchover TO= says which one to replace")
    if len(needing) > 1:
        raise UsageError(_which(needing, silent, instead_of))
    return needing[0]


def _which(needing: Iterable[Node], silent: Sequence[Node], instead_of: dict[str, str]) -> str:
    """Return the question which of several sources is meant."""
    gone = [node.name for node in needing if node in silent]
    begun = [f"{node.name} has begun to replace {instead_of[node.name]}" for node in needing if node not in silent]
    parts = [f"{', '.join(gone)} {'do' if len(gone) > 1 else 'does'} not answer"] if gone else []
    return f"{', '.join([*parts, *begun])}: NODE= says which one to replace"


def refuse_without_replica(servers: Servers, source: Node) -> None:
    """Refuse a source that nobody could replace.

    Raises:
        UsageError: it has no replica.
    """
    if not servers.topology.replicas_of(source):
        raise UsageError(f"{source.name} has no replica that could take its place")


def agree(servers: Servers, source: Node, *, force: bool) -> Analysis:
    """Return what was found once none of those that answer hears from a source that does not answer us.

    With `force` it is what was found at the first analysis in which anybody answered.

    Raises:
        SourceAnswersError: the source answers, and `force` was not said.
        UsageError: a replica hears from the source, or none answers.
    """
    analyses: list[Analysis] = []

    def analyse_again() -> bool:
        analyses[:] = [analyse(servers, source)]
        if analyses[0].answers and not force:
            raise SourceAnswersError(
                f"{source.name} answers: make switchover TO= moves the writes in order; FORCE=1 replaces it even so"
            )
        return bool(analyses[0].replicas) and (force or not analyses[0].hearing)

    with contextlib.suppress(WaitedInVain):
        wait_until("the replicas to agree", analyse_again, timeout_s=AGREE_S, interval_s=0.01)
    (seen,) = analyses
    if not seen.replicas:
        raise UsageError(f"no replica of {source.name} answers, so that none can take its place")
    if seen.hearing and not force:
        raise UsageError(
            f"{source.name} does not answer here, but {seen.hearing} hears from it: a source that only we cannot reach "
            "is not dead; FORCE=1 replaces it even so"
        )
    return seen


def analyse(servers: Servers, source: Node) -> Analysis:
    """Ask the source whether it is there, and everybody behind it what they have, all at once.

    One that is frozen, or just ends, is waited for. What the others said is old by then, so they are asked once more:
    who heard from it when the waiting began may have heard nothing since.
    """
    began_s = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        there = pool.submit(answers, servers[source.name])
        replicas = tuple(ask_replicas(servers, source))
        answered = there.result()
    old = time.monotonic() - began_s > STALE_S
    if not answered and (old or any(replica.hears for replica in replicas)):
        replicas = tuple(ask_replicas(servers, source))
    return Analysis(answered, replicas)


def ask_replicas(servers: Servers, source: Node) -> Iterator[ReplicaState]:
    """Yield what each server behind `source` that answers says of it and has, in the inventory's order."""
    behind = [node for node in servers.topology.tree(source) if node != source]
    direct = servers.topology.replicas_of(source)

    def ask(node: Node) -> ReplicaState | None:
        try:
            rows = servers[node.name].query(_REPLICA_STATE)
        except UnreachableError:
            return None
        return _read(node, rows, source, node in direct)

    answered = zip(behind, side_by_side(ask, behind), strict=True)
    found = {node.name: replica for node, replica in answered if replica}
    yield from (found[node.name] for node in servers.topology.nodes if node.name in found)


def _read(node: Node, rows: Sequence[Row], source: Node, direct: bool) -> ReplicaState:  # noqa: FBT001 - an attribute
    # The channel to the source, else the one that is not for fetching.
    row = min(rows, key=lambda each: (each["host"] != source.name, each["channel"] == FETCH))
    fetching = (each["host"] for each in rows if each["channel"] == FETCH and each["receiver"] != "OFF")
    return ReplicaState(
        node,
        receiver=row["receiver"] or "OFF",
        silent_s=float(row["silent_s"] or SILENCE_S),
        applier=row["applier"] or "",
        delay_s=int(row["delay_s"] or 0),
        received=union(*(each["received"] for each in rows if each["received"])),
        executed=row["executed"],
        purged=row["purged"],
        host=row["host"] or "",
        from_source=row["host"] == source.name,
        direct=direct,
        source_uuid=row["source_uuid"] or "",
        applier_errors=int(row["applier_errors"]),
        heard=row["silent_s"] is not None,
        fetches_from=next(fetching, ""),
    )
