"""What an application uses: statements where their key's rows are, whatever moves meanwhile; docs/sharding.md."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, Self, TypeVar

from wavetank.client.shards.cached_map import CachedMap, Placement, placement_of
from wavetank.client.shards.routes import Routes, source_connection, unavailable
from wavetank.client.shards.session import START, GateRefusedError, Session
from wavetank.client.shards.two_phase_commit import TwoPhaseCommit
from wavetank.client.splitting import Answer, Bounds, PoolFigures, PoolSize, Router
from wavetank.client.splitting.driver import ConnectionGoneError, timed_out
from wavetank.client.splitting.pools import PooledConnection
from wavetank.errors import UsageError, WaitedInVain
from wavetank.servers.node import Parameters, Row, StatementError
from wavetank.servers.statement_kinds import Kind
from wavetank.sharding import xa
from wavetank.sharding.catalogue import PublishedMap
from wavetank.sharding.directory import assign_by
from wavetank.sharding.errors import AcrossShardsError, OutcomeUnknownError, ShardUnavailableError
from wavetank.sharding.gates import LOOK
from wavetank.sharding.ids import (
    ENTER,
    FILL,
    RESERVE,
    USED_UNTIL,
    IdMaker,
    Span,
    most_of,
    reserve_span,
    span_of,
    witnesses_of,
)
from wavetank.sharding.xa import ClosedServerError
from wavetank.topology.instance import find_instance
from wavetank.waiting import wait_until

T = TypeVar("T")
# Where the catalogue is.
CATALOGUE = 1
# How long a transaction tries to begin while its shard has no source, or wants a newer map, in seconds.
ENTER_TIMEOUT_S = 15.0
_MOST_NAMED = 5


def connect(
    instance: str,
    *,
    version: int = 0,
    bounds: Bounds | None = None,
    pool_size: PoolSize | None = None,
) -> "Shards":
    """Return the shards of a running instance; use it as a context, which closes the connections.

    Args:
        instance: its name.
        version: of a map that the caller has heard of; the one that is used will not be older.
        bounds: how long is too long, for each shard.
        pool_size: of each pool; a shard's source has one for writes and one for reads, a replica one for reads.

    Raises:
        UsageError: there is no such instance, or it is not sharded.
        FutureMapError: the catalogue has never published `version`.
        ShardUnavailableError: the catalogue does not answer.
    """
    found = find_instance(instance)
    if not found.topology().shards:
        raise UsageError(f"{found.name} has no shards: it is a {found.topology().name} topology")
    return Shards(Routes(found, bounds, pool_size), found.name, version=version)


class Shards:
    """The shards of an instance; may be shared by threads, its sessions not.

    with connect("four-shard") as shards, shards.at(customer) as session:
        session.execute("INSERT ...")
    """

    def __init__(self, routes: Routes, instance: str, *, version: int = 0, step: xa.Step = lambda _: None) -> None:
        """Read the map; connect() is the way to have one.

        Args:
            routes: the ways to the shards.
            instance: what complaints call it.
            version: of a map that the caller has heard of.
            step: told of each step that a transaction across shards takes.
        """
        self._routes = routes
        self._step = step
        try:
            self._cached_map = CachedMap(routes.source(CATALOGUE).query, instance, version)
        except BaseException:
            routes.close()
            raise
        self._ids = IdMaker(self._reserve)

    def __enter__(self) -> Self:
        """Use as a context."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close every connection."""
        self.close()

    def close(self) -> None:
        """Close every connection; those that are checked out, when they come back."""
        self._routes.close()

    @property
    def published(self) -> PublishedMap:
        """The map as it is known here."""
        return self._cached_map.current

    def figures(self) -> list[PoolFigures]:
        """Return what each pool is doing and has done."""
        return self._routes.figures()

    def new_id(self) -> int:
        """Return an id for a customer or an order that nobody else has or will have; see ids.

        Raises:
            ShardUnavailableError: there are none now: the catalogue, or most of the shards that bear witness, do not
                answer.
            OutcomeUnknownError: the catalogue went away meanwhile; it may be asked again.
        """
        return self._ids.new_id()

    def assign(self, customer: int) -> int:
        """Return the customer's shard where the map is a directory, giving it one if it has none.

        Raises:
            StatementError: the map is no directory.
            ShardUnavailableError, OutcomeUnknownError: as at(); it may be asked for again.
        """
        with source_connection(self._routes.to(CATALOGUE), CATALOGUE) as pooled:
            return assign_by(lambda statement, parameters: self._on_catalogue(pooled, statement, parameters), customer)

    # --- on one shard

    @contextlib.contextmanager
    def at(self, key: Any) -> Iterator[Session]:  # noqa: ANN401 - what the map's column holds
        """Begin a transaction where the key's rows are; it is committed at the end, and undone by an exception.

        Raises:
            KeyTypeError: the map's column holds no such keys.
            ShardUnavailableError: the shard has no source; nothing was done.
            OutdatedMapError: the shard wants a newer map than the catalogue has had in time; nothing was done.
            TransactionLostError: the source was lost; the transaction is undone.
            OutcomeUnknownError: it was lost while it committed.
        """
        with self.transaction([key]) as transaction:
            yield transaction.at(key)

    def read(  # noqa: D417 - statement and parameters are what they are everywhere
        self,
        key: Any,  # noqa: ANN401
        statement: str,
        parameters: Parameters = (),
        *,
        replicas: bool = False,
    ) -> Answer:
        """Run one statement that reads where the key's rows are.

        What it returns was current when it was read.

        Args:
            replicas: let a replica answer, if one is fit: then it may be as old as the router's bounds allow.

        Raises:
            UsageError: it does not only read.
            StatementError: the server refuses it.
            ShardUnavailableError, OutdatedMapError: as at().
        """

        def attempt() -> Answer:
            published = self._cached_map.current
            place = placement_of(published, key)
            router = self._routes.to(place.shard)
            if router.kinds.of(statement, with_parameters=bool(parameters)) is not Kind.READ:
                raise UsageError("read() is for what only reads: use at()")
            with _read_connection(router, place.shard, replicas=replicas) as pooled:
                answer = router.run_on(pooled, statement, parameters)
                # Asked after it: what the map said of this shard then, it said before.
                (gate,) = router.run_on(pooled, LOOK, [place.gate]).rows
                if gate["closed"] and not replicas:
                    router.recheck_servers()
                    raise ClosedServerError(f"{pooled.server} takes no writes")
            if gate["least"] > published.version:
                raise GateRefusedError(gate["least"])
            return answer

        return self._persist(f"a read at {key!r}", attempt)

    # --- on several

    @contextlib.contextmanager
    def transaction(self, keys: Iterable[Any], *, across: bool = False) -> Iterator["Transaction"]:
        """Begin a transaction for several keys; `across` allows that they are on different shards.

        On one shard it is a transaction like any other. On several, it is committed in two phases, on all or on
        none; but another client may see it on one before it sees it on the next.

        Raises:
            AcrossShardsError: the keys are on several shards, and nobody has allowed that.
            UnfinishedError: it is decided, and a shard does not answer.
            TransactionLostError, OutcomeUnknownError and the others: as at().
        """
        wanted = list(keys)
        transaction = self._persist("a transaction to begin", lambda: self._begin(wanted, across=across))
        try:
            yield transaction
        except BaseException:
            transaction.end.undo()
            raise
        else:
            transaction.end.commit()
        finally:
            transaction.close()

    def _begin(self, keys: Sequence[Any], *, across: bool) -> "Transaction":
        published = self._cached_map.current
        places = [placement_of(published, key) for key in keys]
        gates: dict[int, set[str]] = {}
        for place in places:
            gates.setdefault(place.shard, set()).add(place.gate)
        if len(gates) != 1 and not across:
            raise AcrossShardsError(_refusal(keys, places))
        gtrid = xa.new_gtrid() if len(gates) > 1 else ""
        sessions: dict[int, Session] = {}
        try:
            for number in sorted(gates):
                session = sessions[number] = Session(self._routes.to(number), number)
                start = f"XA START {xa.Branch(gtrid, number).xid}" if gtrid else START
                session.enter(start, gates[number], published.version)
                if gtrid:
                    self._step(f"begun on shard {number}")
        except BaseException:
            for session in sessions.values():
                session.give_up()
                session.close()
            raise
        end = (
            TwoPhaseCommit(gtrid, sessions, self._routes, CATALOGUE, self._step)
            if gtrid
            else next(iter(sessions.values()))
        )
        return Transaction(keys, places, sessions, end)

    # --- trying again

    def _persist(self, what: str, attempt: Callable[[], T]) -> T:
        """Do what has not done anything where it fails, until it works: with a newer map, at another source.

        Raises:
            ShardUnavailableError: it did not in time.
        """
        complaints = [""]

        def look() -> list[T]:
            try:
                return [attempt()]
            except GateRefusedError as refusal:
                complaints.append(f"{refusal} all the time")
                self._cached_map.wait_for(refusal.least)
            except (ConnectionGoneError, ClosedServerError) as error:
                complaints.append(str(error))
            except StatementError as error:
                if not timed_out(error):
                    raise
                complaints.append(str(error.msg))
            return []

        try:
            return wait_until(what, look, timeout_s=ENTER_TIMEOUT_S, interval_s=0.01)[0]
        except WaitedInVain as error:
            raise ShardUnavailableError(f"waited {ENTER_TIMEOUT_S:g} s for {what}: {complaints[-1]}") from error

    # --- on the catalogue

    def _reserve(self, first: int) -> Span:
        numbers = witnesses_of(self._routes.numbers())
        try:
            # Asked before a span is recorded: one that nobody may use is lost.
            wait_until(
                f"the sources of {most_of(numbers)} of the shards {numbers}, which must bear witness to new ids",
                lambda: sum(map(self._routes.has_source, numbers)),
                timeout_s=ENTER_TIMEOUT_S, interval_s=0.05, good=lambda count: count >= most_of(numbers),
            )  # fmt: skip
        except WaitedInVain as error:
            raise ShardUnavailableError(str(error)) from error
        return reserve_span(first, self._record, [partial(self._bear_witness, number) for number in numbers])

    def _record(self, first: int) -> Span:
        catalogue = self._routes.source(CATALOGUE)
        if not (reserved := catalogue.answer(RESERVE, [first]).new_id):
            catalogue.query(FILL)
            reserved = catalogue.answer(RESERVE, [first]).new_id
        return span_of(reserved or 0)

    def _bear_witness(self, number: int, span: Span) -> int | None:
        if not self._routes.has_source(number):
            return None
        shard = self._routes.source(number)
        try:
            if shard.answer(ENTER, [span.worker, span.end, span.first]).affected:
                return 0
            return int(shard.answer(USED_UNTIL, [span.worker]).value)
        except (ShardUnavailableError, OutcomeUnknownError, StatementError):
            # A shard that is about to join may lack the table; a source that was closed meanwhile refuses.
            return None

    def _on_catalogue(self, pooled: PooledConnection, statement: str, parameters: Sequence[Any]) -> list[Row]:
        pooled.touched = True
        try:
            return self._routes.to(CATALOGUE).run_on(pooled, statement, parameters).rows
        except ConnectionGoneError as error:
            raise OutcomeUnknownError(f"the catalogue: {error}") from error


class End(Protocol):
    """How a transaction ends."""

    def commit(self) -> None:
        """Make it last."""

    def undo(self) -> None:
        """Undo it."""


class Transaction:
    """A transaction for several keys; for one thread."""

    def __init__(
        self, keys: Sequence[Any], places: Sequence[Placement], sessions: Mapping[int, Session], end: End
    ) -> None:
        """Take the session of each key's shard."""
        self._keys = list(keys)
        self._places = places
        self._sessions = sessions
        self.end = end

    @property
    def shards(self) -> tuple[int, ...]:
        """The shards that take part."""
        return tuple(sorted(self._sessions))

    def at(self, key: Any) -> Session:  # noqa: ANN401
        """Return the session on the shard of one of the keys.

        Raises:
            UsageError: the transaction was begun without this key.
        """
        if key not in self._keys:
            raise UsageError(f"this transaction was begun for {_named(self._keys)}, not for {key!r}: state every key")
        return self._sessions[self._places[self._keys.index(key)].shard]

    def close(self) -> None:
        """Give the connections back."""
        for session in self._sessions.values():
            session.close()


@contextlib.contextmanager
def _read_connection(router: Router, shard: int, *, replicas: bool) -> Iterator[PooledConnection]:
    with unavailable(shard):
        pooled = (router.checkout_replica(set()) if replicas else None) or router.checkout_source()
    try:
        yield pooled
    finally:
        pooled.checkin()


def _refusal(keys: Sequence[Any], places: Sequence[Placement]) -> str:
    if not keys:
        return "a transaction needs the keys that it is about"
    by_shard: dict[int, list[Any]] = {}
    for key, place in zip(keys, places, strict=True):
        by_shard.setdefault(place.shard, []).append(key)
    where = ", ".join(f"{_named(found)} on shard {number}" for number, found in sorted(by_shard.items()))
    return f"{where}: one transaction is on one shard, unless across=True lets it be committed in two phases"


def _named(keys: Sequence[Any]) -> str:
    shown = ", ".join(repr(key) for key in keys[:_MOST_NAMED])
    return f"{shown} and {len(keys) - _MOST_NAMED} more" if len(keys) > _MOST_NAMED else shown
