"""A transaction on several shards: a branch on each, prepared, decided on, committed; docs/sharding.md."""

from collections.abc import Mapping
from typing import Any

from wavetank.client.shards.routes import Routes
from wavetank.client.shards.session import Session
from wavetank.client.splitting.driver import ConnectionGoneError
from wavetank.errors import WaitedInVain
from wavetank.servers.node import StatementError
from wavetank.sharding import xa
from wavetank.sharding.errors import (
    OutcomeUnknownError,
    ShardingError,
    ShardUnavailableError,
    TransactionLostError,
    UnfinishedError,
)
from wavetank.waiting import wait_until

# How long a branch that is decided on is tried to be committed, in seconds; then it is left to `shard recover`.
FINISH_TIMEOUT_S = 10.0
RECOVER = "wavetank shard recover ends it"


class TwoPhaseCommit:
    """The end of a transaction across shards; `step` is told of every one that has been taken."""

    def __init__(
        self, gtrid: str, sessions: Mapping[int, Session], routes: Routes, catalogue: int, step: xa.Step
    ) -> None:
        """Take the sessions, each in a branch called after its shard; decisions are kept on shard `catalogue`."""
        self._gtrid = gtrid
        self._sessions = dict(sorted(sessions.items()))
        self._branches = {number: xa.Branch(gtrid, number) for number in self._sessions}
        self._routes = routes
        self._catalogue = routes.source(catalogue)
        self._shards = xa.listed(tuple(self._sessions))
        self._step = step

    def commit(self) -> None:
        """Commit on all shards, or on none.

        Raises:
            TransactionLostError: on none.
            UnfinishedError: it is decided and will be on all, once those that do not answer are recovered.
            OutcomeUnknownError: nobody can say now; recovery ends it, either way and alike on all.
        """
        try:
            self._prepare()
        except (ConnectionGoneError, StatementError, TransactionLostError, OutcomeUnknownError) as error:
            self.undo()
            raise TransactionLostError(f"{_line(error)}; the transaction is undone on all shards") from error
        if self._decided() == xa.ROLLBACK:
            self.undo()
            raise TransactionLostError(
                f"{self._gtrid} was given up by a recovery before it was decided: it is undone on all shards"
            )
        self._step("decided")
        self._finish()
        self._forget()

    def undo(self) -> None:
        """Undo it on all shards; what does not answer undoes it itself, or is recovered."""
        for number, session in self._sessions.items():
            xid = self._branches[number].xid
            session.undo(f"XA END {xid}", f"XA ROLLBACK {xid}")
            session.give_up()

    def _prepare(self) -> None:
        for number, session in self._sessions.items():
            session.execute(xa.NOTE_BRANCH, [self._gtrid, number])
            self._step(f"noted on shard {number}")
        for number, session in self._sessions.items():
            session.run(f"XA END {self._branches[number].xid}")
            session.run(f"XA PREPARE {self._branches[number].xid}")
            self._step(f"prepared on shard {number}")

    def _decided(self) -> xa.Verdict:
        """Enter the decision; where that failed, find out what was entered, or that nothing ever will be."""
        try:
            xa.decide(self._catalogue, self._gtrid, self._shards)
        except (StatementError, ShardUnavailableError, OutcomeUnknownError):
            return self._settled()
        return xa.COMMIT

    def _settled(self) -> xa.Verdict:
        for _ in range(2):
            try:
                return xa.settle(self._catalogue, self._gtrid, self._shards)
            except OutcomeUnknownError:
                continue
            except ShardUnavailableError:
                break
        for session in self._sessions.values():
            session.give_up()
        raise OutcomeUnknownError(f"{self._gtrid}: the catalogue does not say what was decided; {RECOVER}")

    def _finish(self) -> None:
        """Commit the branches; over a connection of its own where the one that prepared it is gone."""
        there = {number: self._finish_here(number, session) for number, session in self._sessions.items()}
        late = [number for number, done in there.items() if done is None]
        there |= {number: self._finish_late(number) for number in late}
        silent = [number for number, done in there.items() if done is None]
        lost = [number for number, done in there.items() if done is False]
        if silent:
            raise UnfinishedError(
                f"{self._gtrid} is decided to commit, and {_shards(silent)} does not answer: {RECOVER}"
            )
        if lost:
            raise UnfinishedError(
                f"{self._gtrid} is committed, but not on {_shards(lost)}, where its branch is lost: it was on a server "
                "that was replaced before its replica had it"
            )

    def _finish_here(self, number: int, session: Session) -> bool | None:
        """Return whether a shard is as decided, None where that is not known."""
        try:
            there = xa.finish(session, self._branches[number], xa.COMMIT)
        except (ConnectionGoneError, StatementError, xa.ClosedServerError):
            session.give_up()
            return None
        self._step(f"committed on shard {number}")
        return there

    def _finish_late(self, number: int) -> bool | None:
        def look() -> tuple[bool, ...]:
            try:
                return (xa.finish(self._routes.source(number), self._branches[number], xa.COMMIT),)
            except (ShardingError, StatementError, xa.ClosedServerError):
                return ()

        try:
            return wait_until(f"shard {number}", look, timeout_s=FINISH_TIMEOUT_S)[0]
        except WaitedInVain:
            return None

    def _forget(self) -> None:
        try:
            xa.forget(self._catalogue, self._gtrid)
        except (ShardingError, StatementError):
            # It is done; a recovery finds the row and removes it.
            return
        self._step("forgotten")


def _shards(numbers: list[int]) -> str:
    return f"shard {', '.join(map(str, numbers))}"


def _line(error: Any) -> str:  # noqa: ANN401
    return str(getattr(error, "msg", None) or error)
