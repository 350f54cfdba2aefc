"""Reads and writes split over a replication topology inside an application: docs/routing.md."""

from wavetank.routing.driver import Answer
from wavetank.routing.errors import (
    MissingTransactionsError,
    NoServerError,
    OutcomeUnknownError,
    PoolTimeoutError,
    RoutingError,
    TransactionLostError,
)
from wavetank.routing.of_instance import router_of
from wavetank.routing.pools import PoolFigures
from wavetank.routing.router import Router
from wavetank.routing.session import Session
from wavetank.routing.settings import Access, Account, Bounds, Endpoint, PoolSize

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
