"""What sessions share: who is who, a pool for each server and account, and the kinds of statements."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Self

from wavetank.client.splitting.driver import Answer, ConnectionGoneError, is_sound_after, run
from wavetank.client.splitting.errors import NoServerError, PoolTimeoutError
from wavetank.client.splitting.health_monitor import Health, HealthMonitor
from wavetank.client.splitting.pools import Pool, PooledConnection, PoolFigures
from wavetank.client.splitting.session import Session
from wavetank.client.splitting.settings import Access, Account, Bounds, Endpoint, PoolSize
from wavetank.client.splitting.weighted_round_robin import Picker
from wavetank.errors import UnreachableError, UsageError
from wavetank.servers.node import Connection, Login, Parameters, open_connection
from wavetank.servers.statement_kinds import Kinds
from wavetank.waiting import wait_until

Opener = Callable[[Login, int], Connection]


class Router:
    """Splits reads and writes over the servers of one replication topology; may be shared by threads.

    with Router(endpoints, access) as router, router.session() as session:
        session.run("INSERT ...")
    """

    def __init__(  # noqa: PLR0913 - all but the first two are named
        self,
        endpoints: Sequence[Endpoint],
        access: Access,
        *,
        bounds: Bounds | None = None,
        pool_size: PoolSize | None = None,
        safe_functions: Iterable[str] = (),
        opener: Opener = open_connection,
    ) -> None:
        """State what there is; nothing is connected yet.

        Args:
            endpoints: the servers, in any order. Where two take writes, the first is the source.
            access: who comes to them.
            bounds: how long is too long.
            pool_size: of each pool; every server has one for reads and one for writes.
            safe_functions: stored functions that write nothing, named as the statements do.
            opener: opens a connection for a login, whose answers may take so many seconds.

        Raises:
            UsageError: there are no endpoints, or two of one name.
        """
        names = [each.name for each in endpoints]
        if not names or len(set(names)) < len(names):
            raise UsageError(f"a router needs servers, each with a name of its own, not {names}")
        self.bounds = bounds or Bounds()
        self.kinds = Kinds(safe_functions)
        self._access = access
        self._size = pool_size or PoolSize()
        self._open = opener
        self._picker = Picker()
        self._pools: dict[tuple[str, str], Pool] = {}
        self._lock = threading.Lock()
        self._monitor = HealthMonitor(
            endpoints,
            lambda each: opener(access.login(each, access.watcher), self.bounds.look_timeout),
            self.bounds,
            access.heartbeat,
        )
        self._monitor.on_failure = self._cut

    def __enter__(self) -> Self:
        """Check every server, then go on in the background.

        Raises:
            NoServerError: none of them answers.
        """
        self._monitor.start()
        if all(seen.why for seen in self.health().values()):
            self.close()
            raise NoServerError("; ".join(seen.why for seen in self.health().values()))
        return self

    def __exit__(self, *_: object) -> None:
        """Close every connection."""
        self.close()

    def close(self) -> None:
        """End the health checks, and close every connection; those that are checked out, when they come back."""
        self._monitor.stop()
        for pool in self._all_pools():
            pool.close()

    @contextmanager
    def session(self, after: str = "") -> Iterator[Session]:
        """Return a session, for one thread and one piece of work; `after` is a set of GTIDs that its reads must see."""
        session = Session(self, after)
        try:
            yield session
        finally:
            session.close()

    def health(self) -> dict[str, Health]:
        """Return what was seen last of each server, by name."""
        return self._monitor.health()

    @property
    def source(self) -> str:
        """The name of the server that takes writes, '' while none does."""
        endpoint = self._monitor.source()
        return endpoint.name if endpoint else ""

    @property
    def replicas(self) -> set[str]:
        """The names of the servers that get reads now."""
        return {each.name for each in self._monitor.replicas() if each.weight > 0}

    def figures(self) -> list[PoolFigures]:
        """Return what each pool is doing and has done."""
        return [pool.figures() for pool in self._all_pools()]

    # --- for sessions

    def checkout_replica(self, tried: set[str]) -> PooledConnection | None:
        """Check out a connection to the replica whose turn it is, None where all that are fit are in `tried`."""
        while endpoint := self._picker.pick([each for each in self._monitor.replicas() if each.name not in tried]):
            began = time.monotonic()
            try:
                return self._pool(endpoint, self._access.reader).checkout()
            except UnreachableError:
                self._monitor.check(endpoint.name, began)
            except PoolTimeoutError:
                pass
            tried.add(endpoint.name)
        return None

    def checkout_source(self) -> PooledConnection:
        """Check out a connection to the server that takes writes; wait for one to take them where there is none.

        Raises:
            NoServerError: none did in time.
            PoolTimeoutError: all connections to it are in use.
        """
        pooled: list[PooledConnection] = []
        complaints: list[str] = []

        def look() -> bool:
            began = time.monotonic()
            if endpoint := self._monitor.source():
                try:
                    pooled.append(self._pool(endpoint, self._access.writer).checkout())
                except UnreachableError as error:
                    complaints.append(str(error))
                    self._monitor.check(endpoint.name, began)
            return bool(pooled)

        try:
            wait_until("a server that takes writes", look, timeout_s=self.bounds.new_source, interval_s=0.05)
        except UsageError as error:
            seen = [f"{name}: {each.why or 'takes no writes'}" for name, each in self.health().items()]
            raise NoServerError("; ".join([str(error), *(complaints[-1:] or seen)])) from error
        return pooled[0]

    def run_on(self, pooled: PooledConnection, statement: str, parameters: Parameters = ()) -> Answer:
        """Run one statement on a connection that is checked out; where that breaks, its server is checked at once.

        Raises:
            ConnectionGoneError, StatementError: as run() of the driver; the connection is reused only if sound.
        """
        pooled.count_statement()
        began = time.monotonic()
        try:
            return run(pooled.server, pooled.connection, statement, parameters)
        except BaseException as error:
            pooled.broken = pooled.broken or not is_sound_after(error)
            if isinstance(error, ConnectionGoneError):
                self._monitor.check(pooled.server, began)
            raise

    def recheck_servers(self) -> None:
        """Find out now who takes writes: the source has just refused one."""
        self._monitor.check_all()

    def _pool(self, endpoint: Endpoint, account: Account) -> Pool:
        with self._lock:
            key = (endpoint.name, account.user)
            if key not in self._pools:
                login = self._access.login(endpoint, account)
                self._pools[key] = Pool(*key, lambda: self._open(login, self.bounds.statement), self._size)
            return self._pools[key]

    def _all_pools(self) -> list[Pool]:
        with self._lock:
            return list(self._pools.values())

    def _cut(self, server: str) -> None:
        for pool in self._all_pools():
            if pool.server == server:
                pool.cut()
