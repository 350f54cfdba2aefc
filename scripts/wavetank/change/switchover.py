"""A planned change of the source: the old one is closed, the new one has everything, then it is opened."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from wavetank.change.change_lock import only_change
from wavetank.change.change_plan import Plan
from wavetank.change.failover_log import Failover, FailoverLog
from wavetank.change.finishing import finish, open_and_follow
from wavetank.change.role_transition import Change, close, record_promotion, replaced_source
from wavetank.change.timeline import Timeline
from wavetank.errors import UnreachableError, UsageError
from wavetank.servers.gtid import count_transactions, subtract
from wavetank.servers.node import Server, Servers, silent_ones
from wavetank.servers.replication import is_replicating, known_transactions
from wavetank.topology.model import Node

# More than this would be a long time without a writer: the replica first has to come nearer by itself.
MOST_BEHIND = 1000
CATCH_UP_S = 10


@dataclass(frozen=True)
class PlannedSwitchover:
    """A switchover that can be done: from whom to whom, who does not answer, and how far the new one is behind.

    Attributes:
        old: the source.
        to: who takes its place.
        silent: who else does not answer, and so will not follow.
        behind: how many transactions the new one lacks as yet.
    """

    old: Node
    to: str
    silent: tuple[str, ...]
    behind: int


def switch_over(servers: Servers, to: str) -> Change:
    """Let the replica `to` take the place of its source, with no transaction lost and no two servers open.

    Interrupted before the new source is recorded, the old one is still the source: it is closed, and this or
    topology-up opens it again. Interrupted later, this or topology-up finishes it.

    Raises:
        UsageError: it cannot be done without losing something; the old source takes writes as before.
        UnreachableError: one of the two does not answer.
    """
    with only_change(servers):
        begun = begun_by(servers, to)
        return finish(servers, begun) if begun else _switch(servers, check_switchover(servers, to))


def _switch(servers: Servers, planned: PlannedSwitchover) -> Change:
    to = planned.to
    old, timeline = planned.old, Timeline()
    with _opened_again_unless_recorded(servers, old):
        close(servers[old.name])
        timeline.add(f"{old.name} closed")
        executed = _catch_up(servers, old, to)
        timeline.add(f"{to} has every transaction of {old.name}")
        # A planned change is nothing that another one should wait for: it was long ago.
        begun = Failover(old.name, to, at=0.0)
        FailoverLog(servers.instance).begin(begun, executed)
        record_promotion(servers, to)
    change = open_and_follow(servers, begun, timeline, absent=planned.silent, held=executed)
    return Change(change.old, change.new, change.steps, tuple(dict.fromkeys([*planned.silent, *change.silent])))


def plan_switchover(servers: Servers, to: str) -> Plan:
    """Return what switch_over() would do, or why it would refuse; nothing is changed."""
    if begun := begun_by(servers, to):
        step = f"{to} was recorded as the source instead of {begun.old}: it would be opened"
        return Plan(begun.old, to, steps=(step,))
    try:
        planned = check_switchover(servers, to)
    except (UsageError, UnreachableError) as refusal:
        return Plan(new=to, refused=str(refusal))
    old = planned.old.name
    steps = (
        f"{old} would be closed, and {to} would get the {planned.behind} transactions that it lacks as yet",
        f"{to} would become the source instead of {old}",
        *(f"{name} does not answer and would follow with the next make topology-up" for name in planned.silent),
    )
    return Plan(old, to, steps=steps)


def begun_by(servers: Servers, to: str) -> Failover | None:
    """Return the change that has made `to` the recorded source and was not finished, None where there is none."""
    begun = FailoverLog(servers.instance).unfinished(servers.topology)
    return next((each for each in begun if each.new == to), None)


def check_switchover(servers: Servers, to: str) -> PlannedSwitchover:
    """Return the change that would let `to` take its source's place; nothing is changed yet.

    Raises:
        UsageError: it cannot be done without losing something.
    """
    old = replaced_source(servers.topology, to)
    # They are logged in to as those who change them are: no step has to later.
    silent = tuple(node.name for node in silent_ones(servers, servers.topology.nodes, "admin"))
    if lost := {old.name, to} & set(silent):
        raise UsageError(f"{', '.join(sorted(lost))} does not answer: make failover is for a source that is gone")
    behind = _refuse_unfit(servers[old.name], servers[to])
    refuse_prepared(servers[old.name])
    return PlannedSwitchover(old, to, silent, behind)


def _refuse_unfit(source: Server, replica: Server) -> int:
    """Return how many transactions a replica is behind, where that is no reason against it."""
    if not is_replicating(replica):
        raise UsageError(f"{replica.name} does not replicate: make status says why, make topology-up mends it")
    # The replica is asked first: what it has by then, a healthy source has had before, or is committing.
    mine = replica.value("SELECT @@GLOBAL.gtid_executed")
    committing, executed = known_transactions(source)
    if errant := subtract(mine, committing, executed):
        raise UsageError(
            f"{replica.name} has {count_transactions(errant)} errant transactions, which {source.name} never had "
            f"({errant}): make topology-up REBUILD={replica.name} drops them"
        )
    behind = count_transactions(subtract(executed, mine))
    if behind > MOST_BEHIND:
        raise UsageError(
            f"{replica.name} is {behind} transactions behind {source.name}, which would be long without a writer: "
            f"wait until it is at most {MOST_BEHIND}"
        )
    return behind


def refuse_prepared(source: Server) -> None:
    """Refuse where a prepared XA transaction waits: a closed server commits it all the same, and alone has that then.

    Raises:
        UsageError: there is one.
    """
    if prepared := source.query("XA RECOVER", account="admin"):
        raise UsageError(
            f"{source.name} holds {len(prepared)} prepared XA transactions, which could be committed there after it is "
            "closed: XA RECOVER lists them; commit them or roll them back first"
        )


@contextlib.contextmanager
def _opened_again_unless_recorded(servers: Servers, old: Node) -> Iterator[None]:
    """Whatever ends the change before its record, Ctrl-C included, leaves the old source as it was: open."""
    try:
        yield
    except BaseException as error:
        # What is recorded is what counts, and it is written in one step: an interruption may be before or after it.
        if servers.instance.topology().node(old.name).is_source:
            _open_again(servers[old.name], error)
        raise


def _open_again(old: Server, error: BaseException) -> None:
    try:
        old.execute("SET GLOBAL read_only = OFF")
    except UnreachableError as gone:
        raise UsageError(
            f"{error}; and {old.name}, which is still the source, does not answer any more: make topology-up brings it "
            "back, make failover replaces it"
        ) from gone


def _catch_up(servers: Servers, old: Node, to: str) -> str:
    """Let the replica `to` have everything of a closed source; return that GTID set."""
    executed = str(servers[old.name].value("SELECT @@GLOBAL.gtid_executed"))
    refuse_prepared(servers[old.name])
    if servers[to].value("SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, %s)", [executed, CATCH_UP_S], account="admin"):
        raise UsageError(
            f"{to} did not get the last transactions of {old.name} within {CATCH_UP_S} s: {old.name} takes writes again"
        )
    return executed
