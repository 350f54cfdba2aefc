"""Customers of shards who come through a proxy: all that they do is what docs/topologies/four-shard-proxysql.md says.

They know the map, and the port of a proxy, which knows nothing of keys: by the schema of its session a client says
which shard it means. Each transaction first holds its shard's gates, for the version of the map that it was told.
"""

import contextlib
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wavetank.client.shards.cached_map import CachedMap
from wavetank.drills.traffic.client_route import PATIENCE_S
from wavetank.errors import UnreachableError, UsageError, WaitedInVain
from wavetank.servers.accounts import APP_ACCOUNT
from wavetank.servers.node import Connection, Parameters, Row, Server, StatementError, query_on
from wavetank.sharding.catalogue import PublishedMap
from wavetank.sharding.errors import AcrossShardsError, OutcomeUnknownError, ShardUnavailableError
from wavetank.topology.instance import Instance
from wavetank.topology.model import Topology
from wavetank.topology.proxies import PROXYSQL, proxysqls
from wavetank.waiting import wait_until

if TYPE_CHECKING:
    from wavetank.client.shards import Shards

START = "START TRANSACTION"
HOLD = "CALL sharding.HoldGates(%s)"
CATALOGUE = 1
# How long a transaction tries to begin, in seconds.
ENTER_TIMEOUT_S = 15.0
_WANTED = re.compile(r"map version (\d+) is wanted")
# Opens a connection in the schema of a shard.
Opener = Callable[[int], Connection]


@dataclass(frozen=True)
class Rows:
    """What a statement returned."""

    rows: list[Row]


class Session:
    """A transaction on one shard, while its gates are held."""

    def __init__(self, connection: Connection, shard: int) -> None:
        """Take the connection."""
        self._connection = connection
        self.shard = shard

    def execute(self, statement: str, parameters: Parameters = ()) -> Rows:
        """Run one statement in the transaction.

        Raises:
            StatementError: it is refused. A proxy that has lost its server says so in this way, and what follows
                would be outside of the transaction: so nothing may follow any refusal.
            UnreachableError: the proxy went away.
        """
        return Rows(query_on(self._connection, statement, parameters, node=f"shard {self.shard}"))

    def at(self, _key: Any) -> "Session":  # noqa: ANN401
        """Return the session for a key of the transaction: all are on one shard."""
        return self


class ProxiedShards:
    """May be shared by threads, each of which has connections of its own, one to a shard."""

    def __init__(self, shards: "Shards", instance: str, opener: Opener) -> None:
        """Read the map.

        Args:
            shards: makes ids, and assigns customers where the map is a directory.
            instance: what complaints call it.
            opener: opens a connection to a proxy, in the schema of a shard.
        """
        self._shards = shards
        self._opener = opener
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._all: list[Connection] = []
        self.new_id = shards.new_id
        self.assign = shards.assign
        self._cached_map = CachedMap(self._ask, instance)

    @property
    def published(self) -> PublishedMap:
        """The map as it is known here."""
        return self._cached_map.current

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            while self._all:
                self._all.pop().close()

    @contextlib.contextmanager
    def at(self, key: Any) -> Iterator[Session]:  # noqa: ANN401
        """Begin a transaction where the key's rows are; raises what transaction() does."""
        with self.transaction([key]) as session:
            yield session

    def read(self, key: Any, statement: str, parameters: Parameters = ()) -> Rows:  # noqa: ANN401
        """Read what is current, on the source, under its gates; raises what transaction() does."""
        with self.transaction([key]) as session:
            return session.execute(statement, parameters)

    @contextlib.contextmanager
    def transaction(self, keys: Iterable[Any], *, across: bool = False) -> Iterator[Session]:
        """Begin a transaction for keys that are all on one shard; it is committed at the end, undone by an exception.

        Raises:
            UsageError: `across` is asked for, which is the library's.
            AcrossShardsError: the keys are on several shards.
            ShardUnavailableError: it could not be begun in time; nothing was done.
            OutcomeUnknownError: it was not answered when it was to be committed.
        """
        if across:
            raise UsageError("a transaction across shards is the client library's, not a proxy's")
        session = self._begin(list(keys))
        try:
            yield session
        except BaseException:
            # Without a ROLLBACK: the connection ends, and the transaction with it.
            self._drop(session.shard)
            raise
        try:
            session.execute("COMMIT")
        except (UnreachableError, StatementError) as error:
            self._drop(session.shard)
            raise OutcomeUnknownError(f"shard {session.shard}: {error} while it committed") from error

    def _ask(self, statement: str, parameters: Sequence[Any]) -> list[Row]:
        """Read the catalogue. A replica may answer: gates refuse whoever knows too little."""
        for attempt in (1, 2):
            try:
                return query_on(self._connection(CATALOGUE), statement, parameters, node=f"shard {CATALOGUE}")
            except (UnreachableError, StatementError):
                # A connection that is kept may have been broken for long.
                self._drop(CATALOGUE)
                if attempt == 2:  # noqa: PLR2004
                    raise
        raise AssertionError  # the last attempt returns or raises

    def _begin(self, keys: Sequence[Any]) -> Session:
        complaint = ""

        def attempt() -> Session | None:
            nonlocal complaint
            published = self._cached_map.current
            shards = {published.map.shard_of(key) for key in keys}
            if len(shards) != 1:
                raise AcrossShardsError(f"the keys {keys} are on {len(shards)} shards")
            (number,) = shards
            try:
                session = Session(self._connection(number), number)
                session.execute(START)
                session.execute(HOLD, [published.version])
            except (UnreachableError, StatementError) as error:
                self._drop(number)
                complaint = str(error)
                if wanted := _WANTED.search(complaint):
                    self._cached_map.wait_for(int(wanted[1]))
                return None
            return session

        try:
            session = wait_until("a transaction to begin", attempt, timeout_s=ENTER_TIMEOUT_S, interval_s=0.01)
        except WaitedInVain as error:
            raise ShardUnavailableError(f"{error}: {complaint}") from error
        assert session is not None  # noqa: S101 - it was waited for
        return session

    def _connection(self, number: int) -> Connection:
        mine: dict[int, Connection] = self._mine.__dict__.setdefault("connections", {})
        if number not in mine:
            mine[number] = self._opener(number)
            with self._lock:
                self._all.append(mine[number])
        return mine[number]

    def _drop(self, number: int) -> None:
        connection = self._mine.__dict__.setdefault("connections", {}).pop(number, None)
        if connection is not None:
            with self._lock, contextlib.suppress(ValueError):
                self._all.remove(connection)
            connection.close()


def refuse_route(via: str, topology: Topology) -> None:
    """Refuse a way by which no customers of shards come.

    Raises:
        UsageError: it is not through a ProxySQL, or there is none.
    """
    if via != PROXYSQL:
        raise UsageError(f"via={via} is no way for customers of shards: {PROXYSQL}, or none for the client library")
    if not proxysqls(topology.proxies):
        raise UsageError(f"via={via} needs a ProxySQL in front of the servers, which {topology.instance} has not")


def through_proxies(shards: "Shards", name: str) -> ProxiedShards:
    """Return the shards of an instance as clients of the ProxySQL in front of them see them.

    A thread keeps to one of several. `shards` makes ids and assigns customers.
    """
    instance = Instance(name)
    topology = instance.topology()
    endpoints = [Server(proxy.name, proxy.port, instance) for proxy in proxysqls(topology.proxies)]

    def opener(number: int) -> Connection:
        endpoint = endpoints[threading.get_ident() % len(endpoints)]
        # Asked anew: a shard may have been added since.
        return endpoint.connect(APP_ACCOUNT, PATIENCE_S, database=instance.topology().shard(number).schema)

    return ProxiedShards(shards, name, opener)
