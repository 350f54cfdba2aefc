"""What is on replicas: whatever may be lost with a source must not be relied on.

A replica counts for what it has executed by its own word. One that does not answer counts for nothing.
"""

from collections.abc import Iterable, Sequence

from wavetank.errors import UnreachableError, UsageError, WaitedInVain
from wavetank.servers.node import Server, answers
from wavetank.sharding.reshard.moves import ReshardingContext
from wavetank.threads import side_by_side
from wavetank.waiting import wait_until

HINT = "make status shows why, make topology-up mends; the same command then goes on"


class UnreplicatedError(UsageError):
    """No replica of a shard answers, which waiting does not mend."""


def refuse_unreplicated(context: ReshardingContext, shards: Iterable[int], *, without_replica: bool = False) -> None:
    """Refuse to move rows between shards of which one has no replica that answers.

    `without_replica` is the user's word for those that have none at all.

    Raises:
        UnreplicatedError: one has none.
    """
    numbers = sorted(shards)
    for number in numbers:
        replicas = context.replicas(number)
        if replicas and not any(answers(replica) for replica in replicas):
            raise UnreplicatedError(
                f"of shard {number} no replica answers ({', '.join(replica.name for replica in replicas)}), and rows "
                f"that are on {context.source(number).name} alone are not relied on: make topology-up mends"
            )
    if not without_replica and (alone := [number for number in numbers if not context.replicas(number)]):
        listed = f"shard {alone[0]} has" if len(alone) == 1 else f"shards {', '.join(map(str, alone))} have"
        raise UnreplicatedError(
            f"{listed} no replica, so that a server that dies takes along what has moved to it: "
            "make topology-up REPLICAS=1, or WITHOUT_REPLICA=1 to move rows all the same"
        )


def what_is_missing(replicas: Sequence[Server], gtids: str) -> str:
    """Return why a GTID set does not count as replicated, '' where it does.

    Every replica that answers must have executed it, and one must answer; where there is none, nothing is missing.
    """
    if not replicas:
        return ""
    found = side_by_side(lambda replica: _lacks(replica, gtids), replicas)
    if late := [replica.name for replica, lacks in zip(replicas, found, strict=True) if lacks]:
        return f"{', '.join(late)} not so far"
    if all(lacks is None for lacks in found):
        return f"{', '.join(replica.name for replica in replicas)} not answering"
    return ""


def _lacks(replica: Server, gtids: str) -> bool | None:
    """Return whether a replica lacks some of a GTID set, None where it does not answer."""
    try:
        return not replica.value("SELECT GTID_SUBSET(%s, @@GLOBAL.gtid_executed)", [gtids])
    except UnreachableError:
        return None


def wait_for_replicas(context: ReshardingContext, shards: Iterable[int], timeout_s: float) -> dict[int, str]:
    """Wait until what each shard's source has now is on replicas of it, too; return what that is by shard.

    Raises:
        UnreplicatedError: no replica of a shard answers.
        WaitedInVain: it did not come there in time.
        UnreachableError: a source does not answer.
    """

    def wait(number: int) -> str:
        source, replicas = context.source(number), context.replicas(number)
        due = str(source.value("SELECT @@GLOBAL.gtid_executed"))
        try:
            wait_until(
                f"a replica of {source.name} to have what is there",
                lambda: what_is_missing(replicas, due),
                timeout_s=timeout_s, interval_s=0.005, good=lambda missing: not missing, hint=HINT,
            )  # fmt: skip
        except WaitedInVain as error:
            if not any(map(answers, replicas)):
                raise UnreplicatedError(str(error)) from error
            raise
        return due

    numbers = sorted(shards)
    return dict(zip(numbers, side_by_side(wait, numbers), strict=True))
