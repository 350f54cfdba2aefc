"""Reads and writes split over a replication topology inside an application: docs/routing.md."""

from wavetank.client.splitting.driver import Answer
from wavetank.client.splitting.errors import (
    MissingTransactionsError,
    NoServerError,
    OutcomeUnknownError,
    PoolTimeoutError,
    RoutingError,
    TransactionLostError,
)
from wavetank.client.splitting.of_instance import router_of
from wavetank.client.splitting.pools import PoolFigures
from wavetank.client.splitting.router import Router
from wavetank.client.splitting.session import Session
from wavetank.client.splitting.settings import Access, Account, Bounds, Endpoint, PoolSize

__all__ = [
    "Access",
    "Account",
    "Answer",
    "Bounds",
    "Endpoint",
    "MissingTransactionsError",
    "NoServerError",
    "OutcomeUnknownError",
    "PoolFigures",
    "PoolSize",
    "PoolTimeoutError",
    "Router",
    "RoutingError",
    "Session",
    "TransactionLostError",
    "router_of",
]
