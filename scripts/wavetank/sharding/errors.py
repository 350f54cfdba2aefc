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
