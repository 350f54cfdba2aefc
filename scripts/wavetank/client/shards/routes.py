"""The ways to the shards of an instance: for each a router, which knows who its source is now, and its pools."""

import contextlib
import threading
from collections.abc import Iterator

from wavetank.client.splitting import (
    Answer,
    Bounds,
    NoServerError,
    PoolFigures,
    PoolSize,
    PoolTimeoutError,
    Router,
    router_of,
)
from wavetank.client.splitting.driver import ConnectionGoneError, timed_out
from wavetank.client.splitting.pools import PooledConnection
from wavetank.errors import UnreachableError
from wavetank.servers.node import Parameters, Row, StatementError
from wavetank.servers.statement_kinds import Kind
from wavetank.sharding.errors import OutcomeUnknownError, ShardUnavailableError
from wavetank.topology.instance import Instance

# So often a read is asked again whose connection broke.
MOST_READS = 3


class Routes:
    """A router a shard, made when somebody first wants to go there; may be shared by threads."""

    def __init__(self, instance: Instance, bounds: Bounds | None = None, pool_size: PoolSize | None = None) -> None:
        """Take the instance; no connection is opened yet."""
        self._instance = instance
        self._bounds = bounds
        self._size = pool_size
        self._lock = threading.Lock()
        self._routers: dict[int, Router] = {}

    def to(self, number: int) -> Router:
        """Return the router of a shard.

        Raises:
            UsageError: the instance has no such shard.
            ShardUnavailableError: none of its servers answers.
        """
        with self._lock:
            if number not in self._routers:
                self._routers[number] = self._start(number)
            return self._routers[number]

    def numbers(self) -> list[int]:
        """Return the shards that the instance has now, those among them that hold nothing."""
        return [shard.number for shard in self._instance.topology().shards]

    def has_source(self, number: int) -> bool:
        """Return whether a server of a shard takes writes, as it was seen last."""
        try:
            return bool(self.to(number).source)
        except ShardUnavailableError:
            return False

    def source(self, number: int) -> "Source":
        """Return the way to whichever server is a shard's source."""
        return Source(self, number)

    def figures(self) -> list[PoolFigures]:
        """Return what each pool is doing and has done."""
        with self._lock:
            return [figures for router in self._routers.values() for figures in router.figures()]

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            while self._routers:
                self._routers.popitem()[1].close()

    def _start(self, number: int) -> Router:
        # Read anew: a shard may have been added since, and a failover leaves another source first in the list.
        shard = self._instance.topology().shard(number)
        router = router_of(
            self._instance,
            nodes=[node.name for node in (shard.source, *shard.replicas)],
            bounds=self._bounds,
            pool_size=self._size,
            database=shard.schema,
        )
        with unavailable(number):
            return router.__enter__()


class Source:
    """Whichever server is a shard's source: statements that are each a transaction of their own, under no gate."""

    def __init__(self, routes: Routes, shard: int) -> None:
        """Take the routes and the shard's number."""
        self._routes = routes
        self._shard = shard

    def query(self, statement: str, parameters: Parameters = ()) -> list[Row]:
        """Run one statement and return its rows; see answer()."""
        return self.answer(statement, parameters).rows

    def answer(self, statement: str, parameters: Parameters = ()) -> Answer:
        """Run one statement.

        Raises:
            StatementError: the server refuses it.
            ShardUnavailableError: it was not carried out.
            OutcomeUnknownError: the connection broke during a write.
        """
        router = self._routes.to(self._shard)
        reads = router.kinds.of(statement, with_parameters=bool(parameters)) is Kind.READ
        for _ in range(MOST_READS if reads else 1):
            try:
                with source_connection(router, self._shard) as pooled:
                    return router.run_on(pooled, statement, parameters)
            except ConnectionGoneError as error:
                gone = str(error)
            except StatementError as error:
                if not timed_out(error):
                    raise
                gone = f"{router.source} did not answer in time"
        if reads:
            raise ShardUnavailableError(f"shard {self._shard}: {gone}")
        raise OutcomeUnknownError(f"shard {self._shard}: {gone}, and nobody can say whether it was carried out")


@contextlib.contextmanager
def source_connection(router: Router, shard: int) -> Iterator[PooledConnection]:
    """Check out a connection to a shard's source; waits for one that takes writes as long as the router's bounds say.

    Raises:
        ShardUnavailableError: there is none.
    """
    pooled = checkout_source(router, shard)
    try:
        yield pooled
    finally:
        pooled.checkin()


def checkout_source(router: Router, shard: int) -> PooledConnection:
    """Check out a connection to a shard's source, to be checked in; see source_connection()."""
    with unavailable(shard):
        return router.checkout_source()


@contextlib.contextmanager
def unavailable(shard: int) -> Iterator[None]:
    """Name the shard where routing says that there is no server, or no connection to be had."""
    try:
        yield
    except (NoServerError, PoolTimeoutError, UnreachableError) as error:
        raise ShardUnavailableError(f"shard {shard}: {error}") from error
