"""The cut-over: for a moment nobody writes the keys that move, and then their new shards take them.

What was written until the gates were closed is applied and compared, and is on replicas; then it is decided, and the
version that the gates wait for is published with the new map; clients that were refused find it and go on. If anything
does not come about in time the version is published with the old map and the new one still pending: clients go on as
before, and the cut-over is tried again.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

from wavetank.errors import UsageError
from wavetank.servers.node import StatementError
from wavetank.sharding.catalogue import PublishedMap
from wavetank.sharding.gates import GATES, RAISE
from wavetank.sharding.reshard.closing import GATE_S, closed, undisturbed
from wavetank.sharding.reshard.comparing import Comparison, named
from wavetank.sharding.reshard.decision import Decision, conclude, newest_decision, settled
from wavetank.sharding.reshard.following import Follower
from wavetank.sharding.reshard.moves import ReshardingContext
from wavetank.sharding.reshard.replicas import wait_for_replicas
from wavetank.sharding.reshard.rows import Session
from wavetank.threads import side_by_side
from wavetank.waiting import wait_until

LONGEST_TRANSACTION_S = 60.0
LOCK_WAIT_TIMEOUT = 1205
# How long one waits before keys are closed, and then for the logs, for replicas, and for any answer of a server.
NEAR_S = 30.0
DRAIN_S = 5.0
REPLICA_S = 2.0
BLOCKED_PATIENCE_S = 3
# The step at which all is there to decide by.
READY = "ready"
NOTHING_DONE = ": nothing was cut over; make reshard-abort takes all back"


class DiffersError(UsageError):
    """Originals and copies are not the same: the resharding stops, and the old map stays in force."""


@dataclass(frozen=True)
class CutOver:
    """What came of it: the map that is in force now, and for how many seconds moving keys could not be written."""

    published: PublishedMap
    blocked_s: float
    compared: int


def cut_over(
    context: ReshardingContext,
    published: PublishedMap,
    followers: Sequence[Follower],
    comparisons: Sequence[Comparison],
    told: Callable[[str], None] = lambda _: None,
) -> CutOver:
    """Let the new shards take the moving keys; `told` is told each step that it comes to.

    Raises:
        UsageError: a transaction, a log or a replica took too long; everything is as before, it can be tried again.
        DiffersError: a copy is not what its original is.
        UnreachableError: a server does not answer. The same command goes on.
    """
    pending = published.pending
    assert pending is not None  # noqa: S101 - there is something to cut over to
    _wait_until_near(context, followers)
    with context.impatient(BLOCKED_PATIENCE_S) as quick, ExitStack() as steps:
        # Opens the connections that are needed while nobody can write.
        _ = newest_decision(quick.servers)
        with closed(quick, published) as began:
            told("closed")
            _drain(quick, followers)
            compared = _compare(quick, followers, comparisons)
            executed = wait_for_replicas(quick, quick.guarded, REPLICA_S)
            told(READY)
            steps.enter_context(undisturbed())
        decision = Decision(published.version + 1, settled(pending), context.old.shards, executed)
        now = conclude(quick, decision, pending, published.version)
        return CutOver(now, round(time.monotonic() - began, 4), compared)


def _drain(context: ReshardingContext, followers: Sequence[Follower]) -> None:
    """Wait until all that was written before the gates were closed has been applied."""
    due = {
        follower: str(context.source(follower.source_shard).value("SELECT @@GLOBAL.gtid_executed"))
        for follower in followers
    }
    wait_until(
        "the binary logs' last transactions of moving keys",
        lambda: all(follower.reached(gtids) for follower, gtids in due.items()),
        timeout_s=DRAIN_S,
        interval_s=0.002,
        hint="a transaction across shards that is in doubt would be one: wavetank shard recover",
    )


def _compare(context: ReshardingContext, followers: Sequence[Follower], comparisons: Sequence[Comparison]) -> int:
    """Compare the customers that were written since they were compared last; return how many they were.

    Raises:
        DiffersError: a copy is not what its original is.
    """
    touched = {follower.source_shard: follower.progress.take_touched() for follower in followers}
    found = side_by_side(lambda each: each.now(context, each.of(touched[each.source_shard])), comparisons)
    if lines := named(comparisons, found):
        raise DiffersError("; ".join(lines) + NOTHING_DONE)
    return sum(map(len, touched.values()))


def _wait_until_near(context: ReshardingContext, followers: Sequence[Follower]) -> None:
    """Wait until the logs are applied and the replicas are near, so that keys need not be closed for long."""
    executed = {
        each.source_shard: str(context.source(each.source_shard).value("SELECT @@GLOBAL.gtid_executed"))
        for each in followers
    }
    wait_until(
        "the binary logs to be applied",
        lambda: all(each.reached(executed[each.source_shard]) for each in followers),
        timeout_s=NEAR_S,
        interval_s=0.01,
    )
    wait_for_replicas(context, context.guarded, NEAR_S)


def raise_gates(context: ReshardingContext, version: int, shards: Iterable[int]) -> None:
    """Let nobody through any gate of `shards` who knows less than `version`; waits for their transactions.

    Whoever comes while it waits for one that does not end, waits behind it: so it tries again and again, each time
    for GATE_S only.

    Raises:
        WaitedInVain: one of those does not end.
    """
    for number in shards:
        with closing(context.session(number)) as session:
            session.run(f"SET SESSION innodb_lock_wait_timeout = {GATE_S}")
            for gate in GATES:
                wait_until(
                    f"the transactions on {session.name} that hold its gate {gate}",
                    lambda session=session, gate=gate: _raised(session, gate, version),  # type: ignore[misc]
                    timeout_s=LONGEST_TRANSACTION_S,
                    interval_s=0.2,
                    hint="one that does not end is in information_schema.innodb_trx; then the same command goes on",
                )


def _raised(session: Session, gate: str, version: int) -> bool:
    try:
        session.run(RAISE.format(gate=gate, least=version))
    except StatementError as error:
        if error.errno != LOCK_WAIT_TIMEOUT:
            raise
        return False
    return True
