"""The source is gone: agree on it, choose who has everything, fence the old one, collect, record, open.

It can be killed after each step, and servers can die in each: the same command goes on with what is there then.
"""

from dataclasses import dataclass, replace
from time import time

from wavetank.change.change_lock import only_change
from wavetank.change.failover.candidate_selection import Choice, PriorKnowledge, choose, some
from wavetank.change.failover.collecting import Collector, absent_ones, restarted_ones, with_seen
from wavetank.change.failover.detection import (
    ANSWER_TIMEOUT_S,
    Analysis,
    agree,
    refuse_without_replica,
    source_to_replace,
)
from wavetank.change.failover_log import Failover, FailoverLog
from wavetank.change.fencing import Fence, fence
from wavetank.change.finishing import finish, open_and_follow
from wavetank.change.role_transition import Change, greeting, record_promotion
from wavetank.change.timeline import Timeline
from wavetank.servers.node import Servers, answers
from wavetank.topology.model import Node


@dataclass(frozen=True)
class FailoverRequest:
    """What is to be done: a source to replace, or, where there is a record of it, a failover to finish, or nothing."""

    source: Node
    begun: Failover | None = None
    done: Failover | None = None


def fail_over(servers: Servers, name: str = "", *, force: bool = False) -> Change:
    """Replace a source that is gone by a replica that has, or can get, every transaction that is to be had.

    `name` says which, where several do not answer. `force` does it although the source answers, although another
    failover was a moment ago, or although something is given up. Interrupted, it is finished by running it again;
    topology-up finishes it, too, once the new source is recorded. With `name` it may have been done before, which is
    said; without, whoever is the source by then would be replaced.

    Raises:
        SourceAnswersError: the source is not gone.
        UsageError: no replica can take its place, it is not said which source's, or a failover was a moment ago.
        UnreachableError: the new source died after it was recorded; the same command takes another one.
    """
    timeline = Timeline()
    with only_change(servers):
        impatient = servers.hurried(ANSWER_TIMEOUT_S)
        log = FailoverLog(servers.instance)
        request = failover_request(impatient, log, name)
        if request.done:
            timeline.add(f"{request.done.new} has taken the place of {request.done.old} before")
            return Change(request.done.old, request.done.new, tuple(timeline.steps), done_before=True)
        if request.begun:
            return finish(servers, request.begun)
        analysis = detect(impatient, log, request.source, force=force)
        return _replace(servers, impatient, log, request.source, analysis, force=force, timeline=timeline)


def _replace(  # noqa: PLR0913 - what is known of a failover by then
    servers: Servers,
    impatient: Servers,
    log: FailoverLog,
    source: Node,
    analysis: Analysis,
    *,
    force: bool,
    timeline: Timeline,
) -> Change:
    """Replace a source of which it is agreed that it is to be replaced."""
    known = what_is_known(impatient, log, source, analysis)
    choice = choose(analysis.replicas, known, force=force)
    names = ", ".join(replica.name for replica in analysis.replicas if replica.direct)
    gone = f"{source.name} is gone, say {names}"
    timeline.add(f"asked to replace {source.name} by one of {names}" if force else gone)
    timeline.add(choice.why)
    log.give_up(source.name, known.seen)
    others = [replica.name for replica in analysis.replicas if replica.direct and replica.name != choice.node.name]
    with greeting(servers, [choice.node.name, *others]):
        fenced = fence(servers, source, answers=analysis.answers)
        timeline.add(f"{source.name} fenced")
        known = replace(known, chosen=choice.node.name)
        collector = Collector(impatient, source, known, log.excused(source), fenced, force, timeline.add)
        choice = collector.collect()
    _note_collected(choice, timeline)
    begun = _record(servers, log, source, choice, collector)
    return open_and_follow(
        servers, begun, timeline, absent=collector.known.absent, held=choice.target, fenced=source.name
    )


def failover_request(servers: Servers, log: FailoverLog, name: str) -> FailoverRequest:
    """Return what is to be done, for the source that `name` means; see source_to_replace() for what it raises."""
    if name and (done := log.finished(servers.topology, servers.topology.node(name).name)):
        return FailoverRequest(servers.topology.node(done.new), done=done)
    begun = log.unfinished(servers.topology)
    source = source_to_replace(servers, begun, name)
    refuse_without_replica(servers, source)
    record = next((failover for failover in begun if failover.new == source.name), None)
    # A new source that has died itself is replaced as any other.
    return FailoverRequest(source, record if record and answers(servers[source.name]) else None)


def detect(servers: Servers, log: FailoverLog, source: Node, *, force: bool) -> Analysis:
    """Return what was found once it is agreed that a source is gone; for what is refused see agree() and the log."""
    if not force:
        log.refuse_in_recovery_block(source)
    return agree(servers, source, force=force)


def what_is_known(servers: Servers, log: FailoverLog, source: Node, analysis: Analysis) -> PriorKnowledge:
    """Return what is known of a source beside what was found."""
    seen, excused = log.seen(source), log.excused(source)
    known = PriorKnowledge(
        began_with=log.began_with(servers.topology, source),
        seen=seen,
        absent=absent_ones(servers, source, analysis.replicas, excused),
        restarted=restarted_ones(analysis.replicas, {*seen, *excused}),
        acknowledgements=servers.topology.semi_sync,
        replicas=len(servers.topology.replicas_of(source)),
    )
    return with_seen(known, analysis.replicas)


def _note_collected(choice: Choice, timeline: Timeline) -> None:
    timeline.add(f"{choice.node.name} has applied all that is to be had")
    for name, gtids in choice.left_behind.items():
        timeline.add(f"{some(gtids)} that {name} alone has, and never got from its source, stay behind")


def _record(servers: Servers, log: FailoverLog, source: Node, choice: Choice, collector: Collector) -> Failover:
    # A process that was ended replicates from nobody; one that was closed is told to in a moment.
    silent = () if collector.fenced is Fence.CLOSED else (source.name,)
    begun = Failover(source.name, choice.node.name, time(), seen=collector.known.seen, silent=silent)
    log.begin(begun, choice.target)
    record_promotion(servers, choice.node.name)
    return begun
