"""A transaction on one shard, whose gates it holds from its beginning to its end."""

import contextlib
from collections.abc import Iterable
from typing import Any, NoReturn

from wavetank.client.shards.routes import checkout_source
from wavetank.client.splitting import Answer, Router
from wavetank.client.splitting.driver import ConnectionGoneError, takes_no_writes, timed_out
from wavetank.errors import UsageError
from wavetank.servers.node import Parameters, StatementError
from wavetank.servers.statement_kinds import Kind, first_words
from wavetank.sharding.errors import OutcomeUnknownError, TransactionLostError
from wavetank.sharding.gates import HOLD
from wavetank.sharding.xa import ClosedServerError

START = "START TRANSACTION"
# What leaves the transaction open, and with it the gate shut behind us. DDL commits, as does START TRANSACTION.
_STAYS_INSIDE = frozenset(
    str.split("""
    ( call delete desc describe do explain insert release replace savepoint select set show table update with
    """)
)


class GateRefusedError(Exception):
    """The shard wants a newer map: version `least`."""

    def __init__(self, least: int) -> None:
        """Keep the version."""
        super().__init__(f"map version {least} is wanted")
        self.least = least


class Session:
    """For one thread and one transaction. Statements mean the shard's schema where they name none."""

    def __init__(self, router: Router, shard: int) -> None:
        """Take a connection to the shard's source.

        Raises:
            ShardUnavailableError: there is none.
        """
        self.shard = shard
        self._router = router
        self._pooled = checkout_source(router, shard)
        self.server = self._pooled.server
        self.wrote = False
        # Why nothing more can be run.
        self._over = ""
        self._ended = False

    def enter(self, start: str, gates: Iterable[str], version: int) -> None:
        """Begin the transaction under a version of the map, and hold the gates that it goes through.

        Raises:
            GateRefusedError: the shard wants a newer map.
            ClosedServerError: the server is no source any more.
            ConnectionGoneError, StatementError: it was not begun.
        """
        self.run(start)
        for gate in sorted(gates):
            (row,) = self.run(HOLD, [gate]).rows
            if row["closed"]:
                self._router.recheck_servers()
                raise ClosedServerError(f"{self.server} takes no writes")
            if row["least"] > version:
                raise GateRefusedError(row["least"])

    def execute(self, statement: str, parameters: Parameters = ()) -> Answer:
        """Run one statement in the transaction.

        Raises:
            StatementError: the server refuses it; the transaction is as before.
            UsageError: it would end the transaction, or these are several statements.
            TransactionLostError: the transaction is undone, all of it; it may be begun again.
            OutcomeUnknownError: the statement has ended the transaction by itself.
        """
        self._refuse_if_over()
        _refuse_end(statement)
        kind = self._router.kinds.of(statement, with_parameters=bool(parameters))
        self._pooled.touched = self._pooled.touched or kind is Kind.STATE
        self.wrote = self.wrote or kind is not Kind.READ
        try:
            answer = self.run(statement, parameters)
        except ConnectionGoneError as error:
            self._lose(str(error), error)
        except StatementError as error:
            self._judge(error)
            raise
        if not self._pooled.connection.in_transaction:
            # A procedure that commits.
            self._doubt("the statement ended the transaction", None)
        return answer

    def commit(self) -> None:
        """End the transaction.

        Raises:
            TransactionLostError: it is undone.
            OutcomeUnknownError: the connection broke while the server committed.
        """
        self._refuse_if_over()
        try:
            self.run("COMMIT")
        except ConnectionGoneError as error:
            self._doubt_commit(str(error), error)
        except StatementError as error:
            if timed_out(error):
                self._doubt_commit(f"{self.server} did not answer in time", error)
            self._judge(error)
            raise
        self._ended = True

    def undo(self, *ends: str) -> None:
        """Undo the transaction, by these statements where ROLLBACK is not the one; never raises for a server."""
        for statement in ends or ("ROLLBACK",):
            with contextlib.suppress(ConnectionGoneError, StatementError):
                if not self._pooled.broken:
                    self.run(statement)

    def give_up(self) -> None:
        """Let the server undo what is open here: it does when the connection closes."""
        self._pooled.broken = True

    def close(self) -> None:
        """Give the connection back."""
        self._ended = True
        self._pooled.checkin()

    def run(self, statement: str, parameters: Parameters = ()) -> Answer:
        """Run one statement, whatever it does to the transaction; raises what the driver does."""
        return self._router.run_on(self._pooled, statement, parameters)

    def query(self, statement: str, parameters: Parameters = ()) -> list[dict[str, Any]]:
        """Run one statement, as run(), and return its rows."""
        return self.run(statement, parameters).rows

    def _refuse_if_over(self) -> None:
        if self._over:
            raise TransactionLostError(self._over)
        if self._ended:
            raise UsageError("this transaction has ended: begin another")

    def _judge(self, error: StatementError) -> None:
        """Find out whether an error has ended the transaction; a deadlock does, and says so to nobody."""
        if timed_out(error):
            self._lose(f"{self.server} did not answer in time", error)
        if takes_no_writes(error):
            self._router.recheck_servers()
            self._lose(f"{self.server} takes no writes any more", error)
        with contextlib.suppress(ConnectionGoneError, StatementError):
            # The refusal does not say whether a transaction is open; the answer to this does.
            self.run("DO 0")
        if self._pooled.broken or not self._pooled.connection.in_transaction:
            self._lose(f"{self.server}: {error.msg}", error)

    def _lose(self, why: str, cause: Exception | None = None) -> NoReturn:
        self._over = f"shard {self.shard}: {why}; the transaction is undone: begin it again"
        raise TransactionLostError(self._over) from cause

    def _doubt_commit(self, why: str, cause: Exception) -> None:
        if self.wrote:
            self._doubt(f"{why} while it committed", cause)

    def _doubt(self, why: str, cause: Exception | None) -> NoReturn:
        self._over = f"shard {self.shard}: {why}: look what is there before you begin again"
        raise OutcomeUnknownError(self._over) from cause


def _refuse_end(statement: str) -> None:
    words = first_words(statement)
    inside = words[0] in _STAYS_INSIDE or (words[0] == "rollback" and "to" in words)
    if not inside:
        raise UsageError(f"{words[0].upper()} would end the transaction, and with it what keeps it on its shard")
