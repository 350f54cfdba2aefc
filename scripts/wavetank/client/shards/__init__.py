"""What an application uses: transactions where their key's rows are, whatever moves meanwhile; docs/sharding.md."""

from wavetank.client.shards.session import Session
from wavetank.client.shards.shards import Shards, Transaction, connect
from wavetank.client.splitting import Answer, Bounds, PoolFigures, PoolSize
from wavetank.sharding.errors import (
    AcrossShardsError,
    FutureMapError,
    KeyTypeError,
    OutcomeUnknownError,
    OutdatedMapError,
    ShardingError,
    ShardUnavailableError,
    TransactionLostError,
    UnfinishedError,
    UnknownCustomerError,
)

__all__ = [
    "AcrossShardsError",
    "Answer",
    "Bounds",
    "FutureMapError",
    "KeyTypeError",
    "OutcomeUnknownError",
    "OutdatedMapError",
    "PoolFigures",
    "PoolSize",
    "Session",
    "ShardUnavailableError",
    "ShardingError",
    "Shards",
    "Transaction",
    "TransactionLostError",
    "UnfinishedError",
    "UnknownCustomerError",
    "connect",
]
