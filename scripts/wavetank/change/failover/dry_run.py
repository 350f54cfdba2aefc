"""Who would win a failover, why, and what would be lost: everybody is asked, and nothing is changed."""

from collections.abc import Sequence

from wavetank.change.change_plan import Candidate, Plan
from wavetank.change.failover.candidate_selection import Choice, Known, Option, choose, weigh
from wavetank.change.failover.collecting import executed_by
from wavetank.change.failover.detection import ANSWER_TIMEOUT_S, Analysis, agree, analyse
from wavetank.change.failover.run import find_case, what_is_known
from wavetank.change.failover_log import FailoverLog
from wavetank.errors import UsageError
from wavetank.servers.gtid import subtract, union
from wavetank.servers.node import Servers
from wavetank.topology.model import Node


def plan_failover(servers: Servers, name: str = "", *, force: bool = False) -> Plan:
    """Return what fail_over() would do with the same arguments, or why it would refuse."""
    log = FailoverLog(servers.instance)
    with Servers(servers.topology, ANSWER_TIMEOUT_S) as impatient:
        try:
            case = find_case(impatient, log, name)
        except UsageError as refusal:
            return Plan(refused=str(refusal))
        if case.done:
            return Plan(case.done.old, case.done.new, steps=(f"{case.done.new} is the source already",))
        if case.begun:
            step = f"{case.begun.new} was recorded as the source instead of {case.begun.old}: it would be opened"
            return Plan(case.begun.old, case.begun.new, steps=(step,))
        try:
            if not force:
                log.refuse_in_recovery_block(case.source)
            found, refused = agree(impatient, case.source, force=force), ""
        except UsageError as refusal:
            # Who would win is worth knowing before it comes to that.
            found, refused = analyse(impatient, case.source), str(refusal)
        known = what_is_known(impatient, log, case.source, found)
        plan = _weighed(case.source, found, known, force=force, refused=refused)
        own = executed_by(impatient, case.source) if found.answers else ""
    return _with_own(plan, case.source, found, own)


def _weighed(source: Node, found: Analysis, known: Known, *, force: bool, refused: str) -> Plan:
    options = weigh(found.witnesses, known)
    candidates = tuple(map(candidate_of, options))
    try:
        choice = choose(found.witnesses, known, force=force)
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
    for name, gtids in (*choice.option.holders, *choice.left_behind.items()):
        lost[name] = union(lost.get(name, ""), gtids)
    return lost


def _steps(source: Node, choice: Choice, *, answers: bool) -> Sequence[str]:
    name = choice.node.name
    return [
        f"{source.name} would be {'closed' if answers else 'fenced'}",
        *(f"{name} would fetch {gtids} from {donor}" for donor, gtids in choice.option.donors),
        f"{name} would become the source instead of {source.name}",
    ]


def _with_own(plan: Plan, source: Node, found: Analysis, own: str) -> Plan:
    """Say what the old source has alone, as far as it can be asked."""
    if plan.refused:
        return plan
    if not found.answers:
        unknown = f"{source.name} does not answer: what it has and never sent, nobody knows"
        return Plan(**{**vars(plan), "unknown": unknown})
    alone = subtract(own, *(witness.holdings for witness in found.witnesses))
    if not alone:
        return plan
    if found.hearing:
        unknown = f"{source.name} alone has {alone} as yet: it is waited for, as {found.hearing} can receive it"
        return Plan(**{**vars(plan), "unknown": unknown})
    return Plan(**{**vars(plan), "lost": (*plan.lost, (source.name, alone))})


def candidate_of(option: Option) -> Candidate:
    """Return what --dry-run says of an option."""
    witness = option.witness
    return Candidate(
        witness.name,
        witness.unfit,
        witness.executed.replace("\n", ""),
        subtract(witness.received, witness.executed),
        option.errant,
        option.donors,
        option.given_up,
    )
