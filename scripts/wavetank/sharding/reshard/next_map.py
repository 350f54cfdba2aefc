"""Which map a resharding leads to, and what there must not be before it begins."""

from collections.abc import Sequence

from wavetank.errors import UsageError
from wavetank.sharding.errors import ShardingError
from wavetank.sharding.maps.shape import ShardMap
from wavetank.sharding.reshard.moves import ReshardingContext
from wavetank.topology.model import MOST_SHARDS


def check_count(to: int) -> None:
    """Refuse a number of shards that there cannot be.

    Raises:
        UsageError: it is one.
    """
    if not 1 <= to <= MOST_SHARDS:
        raise UsageError(f"to={to} is no number of shards: 1 to {MOST_SHARDS}, as in make reshard TO=5")


def changed_map(old: ShardMap, to: int, there: Sequence[int]) -> ShardMap:
    """Return the map with `to` shards that follows `old`: spare ones are added from the lowest, the highest removed.

    Raises:
        UsageError: there are no spare ones.
    """
    new = old
    spare = sorted(set(there) - set(old.shards))
    while len(new.shards) < to:
        if not spare:
            raise UsageError(f"{to} shards need servers, and there are {len(there)}: make topology-up SHARDS={to}")
        new = new.add(spare.pop(0))
    while len(new.shards) > to:
        new = new.remove(max(new.shards))
    return new


def refuse_disorder(context: ReshardingContext) -> None:
    """Refuse to move rows from where they do not belong, or to where rows are already.

    Raises:
        ShardingError: there are such rows.
    """
    for number in context.shards:
        strays = context.strays(number, context.old)
        if strays:
            some = ", ".join(map(str, strays[:3])) + (", ..." if len(strays) > 3 else "")  # noqa: PLR2004
            raise ShardingError(
                f"shard {number} holds {len(strays)} customers that belong elsewhere ({some}): make check names them; "
                "rows are moved only where all are in their places"
            )
