"""One piece of work of an application: its statements, each sent where it belongs, and its own writes seen."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol, Self

from wavetank.client.splitting.driver import Answer, ConnectionGoneError, takes_no_writes, timed_out
from wavetank.client.splitting.errors import (
    MissingTransactionsError,
    NoServerError,
    OutcomeUnknownError,
    RoutingError,
    TransactionLostError,
)
from wavetank.client.splitting.pools import PooledConnection
from wavetank.client.splitting.settings import Bounds
from wavetank.client.splitting.tokens import checked
from wavetank.errors import UsageError
from wavetank.servers.gtid import intervals
from wavetank.servers.node import Parameters, StatementError
from wavetank.servers.statement_kinds import Kind, Kinds

if TYPE_CHECKING:
    from wavetank.servers.node import Connection

# How often a write that was refused because its server takes none is tried on the one that does.
MOST_MOVES = 3
_EXECUTED = "SELECT @@GLOBAL.gtid_executed"
_WAIT = "SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, %s)"
_MISSING = "SELECT GTID_SUBTRACT(%s, @@GLOBAL.gtid_executed)"


class Shared(Protocol):
    """What all sessions share, as far as one of them uses it: Router."""

    bounds: Bounds
    kinds: Kinds

    def checkout_replica(self, tried: set[str]) -> PooledConnection | None:
        """Check out a connection to the replica whose turn it is, None where all that are fit are in `tried`."""

    def checkout_source(self) -> PooledConnection:
        """Check out a connection to the server that takes writes.

        Raises:
            NoServerError: none did in time.
            PoolTimeoutError: all connections to it are in use.
        """

    def run_on(self, pooled: PooledConnection, statement: str, parameters: Parameters = ()) -> Answer:
        """Run one statement on a connection that is checked out.

        Raises:
            ConnectionGoneError, StatementError: as run() of the driver.
        """

    def recheck_servers(self) -> None:
        """Find out now who takes writes: the source has just refused one."""


class Session:
    """For one thread. From its first write on it keeps that connection to the source until it is closed."""

    def __init__(self, router: Shared, after: str = "") -> None:
        """Begin; Router.session() is the way to have one that ends.

        Raises:
            UsageError: `after` is no set of GTIDs.
        """
        self._router = router
        self._source: PooledConnection | None = None
        # A replica's, during a transaction that is read-only.
        self._replica: PooledConnection | None = None
        # The server's session holds what later statements may need: all go there.
        self._has_state = False
        # Why nothing more can be run: at all, and until the end of transaction()'s block.
        self._over = ""
        self._doomed = ""
        self._in_block = False
        self._gtids = checked(after)
        self._wrote = False
        # The server that acknowledged writes whose GTIDs are not among self._gtids yet, '' where none did.
        self._wrote_on = ""
        # Those whose servers have self._gtids: while one lasts, its server is not another that was made anew.
        self._caught_up: set[Connection] = set()

    def run(self, statement: str, parameters: Parameters = ()) -> Answer:
        """Run one statement where it belongs.

        Raises:
            StatementError: the server refuses it, or it took too long.
            UsageError: these are several statements, or none.
            NoServerError, PoolTimeoutError: it was not carried out.
            MissingTransactionsError: nor was it: the source lacks what this session must see.
            TransactionLostError: it was not, and what the transaction did before it is undone.
            OutcomeUnknownError: the connection to the source broke while it wrote.
        """
        if self._over or self._doomed:
            raise TransactionLostError(self._over or self._doomed)
        if self._source and self._source.broken:
            self._leave_source(self._source, bound=self._is_bound(self._source), why="the connection broke")
        kind = self._router.kinds.of(statement, with_parameters=bool(parameters))
        if self._replica:
            return self._in_read_only_transaction(self._replica, statement, parameters)
        if self._has_state or self._in_transaction() or kind in (Kind.WRITE, Kind.STATE):
            return self._on_source(kind, statement, parameters)
        if kind is Kind.READ_ONLY_TRANSACTION:
            return self._begin_read_only(statement)
        return self._read(statement, parameters)

    @contextlib.contextmanager
    def transaction(self, *, read_only: bool = False) -> Iterator[Self]:
        """Begin a transaction, on the source, or on one replica if it is read-only; an exception undoes it.

        If the server goes away in it, every statement fails until its end: none is carried out outside of it.

        Raises:
            UsageError: there is one already.
        """
        if self._in_block:
            raise UsageError("a transaction inside another would end that: MySQL has none")
        self.run("START TRANSACTION READ ONLY" if read_only else "START TRANSACTION")
        self._in_block = True
        try:
            yield self
        except BaseException:
            # Where the transaction is lost, that is refused at once.
            with contextlib.suppress(StatementError, OutcomeUnknownError, RoutingError):
                self.run("ROLLBACK")
            raise
        else:
            self.run("COMMIT")
        finally:
            self._in_block, self._doomed = False, ""

    @property
    def gtids(self) -> str:
        """The transactions that a read must see to see what this session wrote; for a later session's `after`."""
        if self._wrote:
            source = self._source = self._source or self._checkout_source()
            try:
                self._learn_gtids(source)
            except ConnectionGoneError as error:
                self._leave_source(source, bound=False, why=str(error))
                raise NoServerError(f"{error}; what this session wrote cannot be told") from error
        return self._gtids

    def close(self) -> None:
        """Undo a transaction that is open, and give the connections back."""
        for pooled in (self._source, self._replica):
            if pooled:
                pooled.checkin()
        self._source = self._replica = None
        self._over = "this session is closed"

    # --- what must be seen

    def _learn_gtids(self, source: PooledConnection) -> None:
        """Read what a source has; the driver drops the GTID in its OK (session_track_gtids): all stands for ours."""
        self._gtids = str(self._router.run_on(source, _EXECUTED).value).replace("\n", "")
        self._wrote, self._wrote_on = False, ""
        self._caught_up = {source.connection}

    def _checkout_source(self) -> PooledConnection:
        """Check out a connection to a source that has all that this session must see.

        Raises:
            MissingTransactionsError: the one there is has not, also after it was waited for.
            NoServerError, PoolTimeoutError: there is none.
        """
        pooled = self._router.checkout_source()
        try:
            self._demand_past(pooled)
        except ConnectionGoneError as error:
            pooled.checkin()
            raise NoServerError(str(error)) from error
        except BaseException:
            pooled.checkin()
            raise
        return pooled

    def _demand_past(self, source: PooledConnection) -> None:
        if self._wrote_on not in ("", source.server):
            raise MissingTransactionsError(
                f"this session wrote on {self._wrote_on}, which went away; whether {source.server}, which takes the "
                "writes now, has that, nobody can say: begin another session and look"
            )
        if self._has_past(source):
            return
        missing = str(self._router.run_on(source, _MISSING, [self._gtids]).value).replace("\n", "")
        # What is this topology's lacks its end only.
        none_of_it = intervals(missing) == intervals(self._gtids.lower())
        why = "they are of another topology" if none_of_it else "lost in a failover, or not applied yet"
        raise MissingTransactionsError(
            f"{source.server} lacks {missing}, which this session must see: {why}; who can do without it begins "
            "another session, without after="
        )

    def _has_past(self, pooled: PooledConnection) -> bool:
        """Say whether a server has what must be seen; wait for it a little."""
        if not self._gtids or pooled.connection in self._caught_up:
            return True
        if self._router.run_on(pooled, _WAIT, [self._gtids, self._router.bounds.own_writes]).value != 0:
            return False
        self._caught_up.add(pooled.connection)
        return True

    # --- on the source

    def _in_transaction(self) -> bool:
        return self._source is not None and not self._source.broken and self._source.connection.in_transaction

    def _is_bound(self, source: PooledConnection) -> bool:
        """Return whether the server's session holds what another one would not have."""
        return self._has_state or self._in_block or source.connection.in_transaction

    def _on_source(self, kind: Kind, statement: str, parameters: Parameters) -> Answer:
        for _ in range(MOST_MOVES):
            source = self._source = self._source or self._checkout_source()
            bound = self._is_bound(source)
            if kind is Kind.STATE:
                self._has_state = source.touched = True
            try:
                answer = self._router.run_on(source, statement, parameters)
            except StatementError as error:
                if timed_out(error) and kind is not Kind.READ:
                    self._wrote = True
                    raise OutcomeUnknownError(f"{source.server} did not answer in time: {error.msg}") from error
                if not takes_no_writes(error):
                    raise
                self._learn_before_leaving(source)
                self._router.recheck_servers()
                self._leave_source(source, bound=bound, why=f"{source.server} takes no writes any more")
            except ConnectionGoneError as error:
                self._wrote = self._wrote or kind is not Kind.READ
                self._leave_source(source, bound=bound and kind is Kind.READ, why=str(error))
                raise OutcomeUnknownError(str(error)) from error
            else:
                if not (kind is Kind.READ or source.connection.in_transaction):
                    self._wrote, self._wrote_on = True, source.server
                return answer
        raise NoServerError(f"{MOST_MOVES} servers that seemed to take writes refused this one")

    def _learn_before_leaving(self, source: PooledConnection) -> None:
        """Ask a source that takes no writes any more what it has: the next one must have what was written here."""
        if self._wrote_on:
            with contextlib.suppress(ConnectionGoneError, StatementError):
                self._learn_gtids(source)

    def _leave_source(self, source: PooledConnection, *, bound: bool, why: str) -> None:
        """Give the source's connection up; where it held something that is now lost, the session is over."""
        source.broken = True
        source.checkin()
        self._source = None
        if self._has_state:
            self._over = f"{why}; what this session kept there is lost: begin another"
        undone = f"{why}; the transaction is undone: begin it again"
        if self._in_block:
            self._doomed = undone
        if bound:
            raise TransactionLostError(self._over or undone)

    # --- on a replica

    def _read(self, statement: str, parameters: Parameters) -> Answer:
        tried: set[str] = set()
        while pooled := self._checkout_fresh_replica(tried):
            tried.add(pooled.server)
            try:
                return self._router.run_on(pooled, statement, parameters)
            except ConnectionGoneError:
                continue
            finally:
                pooled.checkin()
        return self._read_source(statement, parameters)

    def _checkout_fresh_replica(self, tried: set[str]) -> PooledConnection | None:
        """Check out a replica that has what this session wrote; None where the next one in turn has not, or none is."""
        while pooled := self._router.checkout_replica(tried):
            try:
                if not self.gtids or self._has_past(pooled):
                    return pooled
            except ConnectionGoneError:
                pooled.checkin()
                tried.add(pooled.server)
            except BaseException:
                pooled.checkin()
                raise
            else:
                pooled.checkin()
                return None
        return None

    def _read_source(self, statement: str, parameters: Parameters) -> Answer:
        pooled = self._source or self._checkout_source()
        try:
            return self._router.run_on(pooled, statement, parameters)
        except ConnectionGoneError as error:
            raise NoServerError(f"{error}, and no replica was fit for the read") from error
        finally:
            if pooled is not self._source:
                pooled.checkin()

    def _begin_read_only(self, statement: str) -> Answer:
        pooled = self._checkout_fresh_replica(set()) or self._checkout_source()
        self._replica = pooled
        return self._in_read_only_transaction(pooled, statement, ())

    def _in_read_only_transaction(self, pooled: PooledConnection, statement: str, parameters: Parameters) -> Answer:
        # What else it may run there, the server refuses: it may still set a variable.
        pooled.touched = True
        try:
            return self._router.run_on(pooled, statement, parameters)
        except ConnectionGoneError as error:
            why = f"{error}; begin the transaction again"
            self._doomed = why if self._in_block else ""
            raise TransactionLostError(why) from error
        finally:
            if pooled.broken or not pooled.connection.in_transaction:
                self._replica = None
                pooled.checkin()
