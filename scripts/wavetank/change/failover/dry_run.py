"""Who would win a failover, why, and what would be lost: everybody is asked, and nothing is changed."""

from collections.abc import Sequence

from wavetank.change.change_plan import Candidate, Plan
from wavetank.change.failover.candidate_selection import Choice, PriorKnowledge, Promotion, choose, weigh
from wavetank.change.failover.collecting import executed_by
from wavetank.change.failover.detection import ANSWER_TIMEOUT_S, Analysis, agree, analyse
from wavetank.change.failover.run import failover_request, what_is_known
from wavetank.change.failover_log import FailoverLog
from wavetank.errors import UsageError
from wavetank.servers.gtid import subtract, union
from wavetank.servers.node import Servers
from wavetank.topology.model import Node


def plan_failover(servers: Servers, name: str = "", *, force: bool = False) -> Plan:
    """Return what fail_over() would do with the same arguments, or why it would refuse."""
    log = FailoverLog(servers.instance)
    impatient = servers.hurried(ANSWER_TIMEOUT_S)
    try:
        request = failover_request(impatient, log, name)
    except UsageError as refusal:
        return Plan(refused=str(refusal))
    if request.done:
        return Plan(request.done.old, request.done.new, steps=(f"{request.done.new} is the source already",))
    if request.begun:
        step = f"{request.begun.new} was recorded as the source instead of {request.begun.old}: it would be opened"
        return Plan(request.begun.old, request.begun.new, steps=(step,))
    try:
        if not force:
            log.refuse_in_recovery_block(request.source)
        found, refused = agree(impatient, request.source, force=force), ""
    except UsageError as refusal:
        # Who would win is worth knowing before it comes to that.
        found, refused = analyse(impatient, request.source), str(refusal)
    known = what_is_known(impatient, log, request.source, found)
    plan = _weighed(request.source, found, known, force=force, refused=refused)
    own = executed_by(impatient, request.source) if found.answers else ""
    return _with_own(plan, request.source, found, own)


def _weighed(source: Node, found: Analysis, known: PriorKnowledge, *, force: bool, refused: str) -> Plan:
    promotions = weigh(found.replicas, known)
    candidates = tuple(map(candidate_of, promotions))
    try:
        choice = choose(found.replicas, known, force=force)
    except UsageError as refusal:
        return Plan(source.name, refused=refused or str(refusal), candidates=candidates)
    return Plan(
        source.name,
        choice.node.name,
        choice.why,
        refused,
        candidates,
        tuple(_steps(source, choice, answers=found.answers)),
        tuple(_lost(choice).items()),
    )


def _lost(choice: Choice) -> dict[str, str]:
    """Return what is given up and what is left behind, by the server that has it."""
    lost: dict[str, str] = {}
    for name, gtids in (*choice.promotion.holders, *choice.left_behind.items()):
        lost[name] = union(lost.get(name, ""), gtids)
    return lost


def _steps(source: Node, choice: Choice, *, answers: bool) -> Sequence[str]:
    name = choice.node.name
    return [
        f"{source.name} would be {'closed' if answers else 'fenced'}",
        *(f"{name} would fetch {gtids} from {donor}" for donor, gtids in choice.promotion.donors),
        f"{name} would become the source instead of {source.name}",
    ]


def _with_own(plan: Plan, source: Node, found: Analysis, own: str) -> Plan:
    """Say what the old source has alone, as far as it can be asked."""
    if plan.refused:
        return plan
    if not found.answers:
        unknown = f"{source.name} does not answer: what it has and never sent, nobody knows"
        return Plan(**{**vars(plan), "unknown": unknown})
    alone = subtract(own, *(replica.holdings for replica in found.replicas))
    if not alone:
        return plan
    if found.hearing:
        unknown = f"{source.name} alone has {alone} as yet: it is waited for, as {found.hearing} can receive it"
        return Plan(**{**vars(plan), "unknown": unknown})
    return Plan(**{**vars(plan), "lost": (*plan.lost, (source.name, alone))})


def candidate_of(promotion: Promotion) -> Candidate:
    """Return what --dry-run says of a promotion."""
    replica = promotion.replica
    return Candidate(
        replica.name,
        replica.unfit,
        replica.executed.replace("\n", ""),
        subtract(replica.received, replica.executed),
        promotion.errant,
        promotion.donors,
        promotion.given_up,
    )
