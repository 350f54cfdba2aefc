"""Which shards can have rows for a WHERE: a key that it demands is on one."""

from collections.abc import Iterator

from sqlglot import exp

from wavetank.sharding.errors import KeyTypeError, UnknownCustomerError
from wavetank.sharding.maps.shape import ShardMap
from wavetank.sharding.query.scope import Scope, condition_of, conjuncts

# Keys of other types are compared by collation: 'de' finds 'DE', and only the server knows.
_PRUNED_BY = "customer_id"


def shards_for(select: exp.Select, scope: Scope, shard_map: ShardMap) -> tuple[int, ...]:
    """Return the shards to ask, in order: one for what is the same on all."""
    if not scope.sharded:
        return shard_map.shards[:1]
    wanted = set(shard_map.shards)
    for keys in _keys(select, scope, shard_map.column):
        wanted &= set(_shards_of(keys, shard_map))
    # Somebody has to say how nothing looks.
    return tuple(sorted(wanted)) or shard_map.shards[:1]


def _keys(select: exp.Select, scope: Scope, column: str) -> Iterator[list[int]]:
    """Yield the keys of each part of the WHERE that demands one of some."""
    for condition in conjuncts(condition_of(select)):
        if isinstance(condition, exp.EQ):
            sides = [condition.left.unnest(), condition.right.unnest()]
            sides.sort(key=lambda side: not isinstance(side, exp.Column))
            compared, values = sides[0], sides[1:]
        elif isinstance(condition, exp.In) and condition.expressions:
            compared, values = condition.this, condition.expressions
        else:
            continue
        whole = all(isinstance(value, exp.Literal) and value.is_int for value in values)
        if whole and scope.table_sharded_by(compared) and compared.name == column == _PRUNED_BY:
            yield [int(value.name) for value in values]


def _shards_of(keys: list[int], shard_map: ShardMap) -> Iterator[int]:
    for key in keys:
        try:
            yield shard_map.shard_of(key)
        except UnknownCustomerError:
            continue
        except KeyTypeError:
            # No customer can have it, and which error that is, if any, is the servers' to say.
            yield from shard_map.shards
