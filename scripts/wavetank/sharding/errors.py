"""How sharding says no: one line each, as every refusal."""

from wavetank.errors import UsageError


class ShardingError(UsageError):
    """A key, a map or a shard that cannot be what it is said to be."""


class KeyTypeError(ShardingError):
    """A key that no shard can be named for, because it is not what the map's column holds."""


class UnknownCustomerError(ShardingError):
    """A customer whom the directory has given no shard."""


class FutureMapError(ShardingError):
    """A map version that the catalogue has never published."""


class OutdatedMapError(ShardingError):
    """The map has changed under somebody who cannot simply read the new one and go on."""


# --- what an application may meet, and what it may do then


class ShardUnavailableError(ShardingError):
    """No server of a shard takes what is to be done, and nothing of it was done: it may be tried again."""


class AcrossShardsError(ShardingError):
    """A transaction's keys are on several shards, and nobody has allowed that."""


class TransactionLostError(ShardingError):
    """The transaction is undone, all of it: it may be begun again."""


class OutcomeUnknownError(ShardingError):
    """Nobody can say whether it was carried out: look before it is done again."""


class UnfinishedError(ShardingError):
    """A transaction across shards is decided to commit, and not all of them have it yet."""
