"""What becomes of transactions across shards whose client is gone: `wavetank shard recover`."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from wavetank.errors import UnreachableError, UsageError
from wavetank.servers.node import Row, Server, Servers
from wavetank.sharding import xa
from wavetank.sharding.errors import ShardingError
from wavetank.topology.model import Shard

# A transaction that is younger may still have a client, in seconds.
LEAST_AGE_S = 30.0
LOST = (
    "decided to commit, and its branch went with a server that was replaced; write it there by hand, then delete its "
    "row from sharding_work.decisions"
)
_DECISIONS = "SELECT gtrid, verdict, shards FROM sharding_work.decisions"
# A verdict to roll back stays for longer than any client can take to come with its own, so that it comes too late.
_OLD = "INTERVAL 1 DAY"
_PURGE_DECISIONS = f"DELETE FROM sharding_work.decisions WHERE verdict = 'rollback' AND decided_at < NOW() - {_OLD}"
_PURGE_BRANCHES = f"DELETE FROM sharding_work.branches WHERE noted_at < NOW() - {_OLD}"


class Admin:
    """A server as xa asks it: as admin, who may see and end everybody's branches."""

    def __init__(self, server: Server) -> None:
        """Take the server."""
        self.server = server

    def query(self, statement: str, parameters: Any = ()) -> list[Row]:  # noqa: ANN401
        """Run one statement and return its rows."""
        return self.server.query(statement, parameters, account="admin")


@dataclass(frozen=True)
class Recovered:
    """What became of one transaction; `outcome` is committed, rolled back, lost, waiting or not ours."""

    gtrid: str
    outcome: str
    shards: tuple[int, ...]
    why: str

    @property
    def line(self) -> str:
        """The outcome as people read it."""
        return f"{self.gtrid}: {self.outcome} on shard {', '.join(map(str, self.shards))}: {self.why}"


@dataclass
class Recovery:
    """What a recovery did; `silent` are the shards that did not answer."""

    transactions: list[Recovered] = field(default_factory=list)
    silent: list[int] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether nothing is in doubt any more."""
        return not self.silent and all(each.outcome in {"committed", "rolled back"} for each in self.transactions)

    def lines(self) -> Iterator[str]:
        """Yield what people read."""
        for each in self.transactions:
            yield each.line
        for number in self.silent:
            yield f"shard {number} does not answer: what is in doubt there stays so; run it again when it does"
        if not (self.transactions or self.silent):
            yield "no transaction across shards is in doubt"

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return {"complete": self.complete, **asdict(self)}


def recover(servers: Servers, older_than_s: float = LEAST_AGE_S) -> Recovery:
    """End every transaction across shards that is in doubt: as was decided, and rolled back where nothing was.

    Raises:
        UsageError: the topology has no shards, or the age is none.
        UnreachableError: the catalogue's server does not answer: there are the decisions.
    """
    shards = servers.topology.shards
    if not shards:
        raise ShardingError(f"{servers.topology.instance} has no shards: it is a {servers.topology.name} topology")
    if older_than_s < 0:
        raise UsageError(f"older-than={older_than_s:g} is not a number of seconds")
    return _Recoverer(servers, shards, older_than_s).run()


class _Recoverer:
    def __init__(self, servers: Servers, shards: Iterable[Shard], older_than_s: float) -> None:
        self._sources = {shard.number: Admin(servers[shard.source.name]) for shard in shards}
        self._catalogue = self._sources[min(self._sources)]
        self._older_than_s = older_than_s
        self._found = Recovery()

    def run(self) -> Recovery:
        decided = {row["gtrid"]: row for row in self._catalogue.query(_DECISIONS)}
        prepared = self._prepared()
        mine = {branch.gtrid for branch in prepared if branch.ours}
        for branch in prepared:
            if not branch.ours:
                self._say(branch.gtrid, "not ours", [branch.shard], "another program prepared it, and has to end it")
        # What was rolled back everywhere keeps its row for a day.
        open_ = mine | {gtrid for gtrid, row in decided.items() if row["verdict"] == xa.COMMIT}
        for gtrid in sorted(open_):
            self._end(gtrid, [branch for branch in prepared if branch.gtrid == gtrid], decided.get(gtrid))
        if self._found.complete:
            self._purge()
        return self._found

    def _prepared(self) -> list[xa.Branch]:
        branches = []
        for number, source in self._sources.items():
            try:
                listed = xa.branches(source)
            except UnreachableError:
                self._found.silent.append(number)
                continue
            branches += [each if each.ours else xa.Branch(each.gtrid, number, ours=False) for each in listed]
        return branches

    def _end(self, gtrid: str, branches: list[xa.Branch], decision: Row | None) -> None:
        """End one transaction, as far as its shards answer."""
        numbers = [branch.shard for branch in branches]
        if not decision and branches[0].age_s(time.time()) < self._older_than_s:
            self._say(gtrid, "waiting", numbers, f"it is younger than {self._older_than_s:g} s: its client may live")
            return
        if not decision and self._found.silent:
            self._say(gtrid, "waiting", numbers, "nothing was decided that is known, and not all shards answer")
            return
        verdict, why = self._verdict(gtrid, numbers, decision)
        involved = _numbers(decision) if decision else numbers
        there = {number: self._carry_out(xa.Branch(gtrid, number), verdict) for number in involved}
        lost = [number for number, done in there.items() if done is False]
        waiting = [number for number, done in there.items() if done is None]
        if lost:
            self._say(gtrid, "lost", lost, LOST)
        elif waiting:
            self._say(gtrid, "waiting", waiting, f"to be ended by {verdict}, and no server there takes it now")
        else:
            if verdict == xa.COMMIT:
                xa.forget(self._catalogue, gtrid)
            self._say(gtrid, "committed" if verdict == xa.COMMIT else "rolled back", involved, why)

    def _verdict(self, gtrid: str, numbers: list[int], decision: Row | None) -> tuple[xa.Verdict, str]:
        if decision:
            return decision["verdict"], "as was decided"
        if self._committed_somewhere(gtrid):
            return xa.COMMIT, "as another shard has it, although the decision is lost"
        verdict = xa.settle(self._catalogue, gtrid, xa.listed(tuple(numbers)))
        return verdict, "nothing was decided" if verdict == xa.ROLLBACK else "as was decided meanwhile"

    def _committed_somewhere(self, gtrid: str) -> bool:
        return any(xa.was_committed(source, gtrid) for source in self._sources.values())

    def _carry_out(self, branch: xa.Branch, verdict: xa.Verdict) -> bool | None:
        """Return whether the shard is as decided then; None where nobody can say now."""
        if branch.shard in self._found.silent:
            return None
        try:
            return xa.finish(self._sources[branch.shard], branch, verdict)
        except (UnreachableError, xa.ClosedServerError):
            return None

    def _purge(self) -> None:
        self._catalogue.query(_PURGE_DECISIONS)
        for source in self._sources.values():
            source.query(_PURGE_BRANCHES)

    def _say(self, gtrid: str, outcome: str, shards: Iterable[int], why: str) -> None:
        self._found.transactions.append(Recovered(gtrid, outcome, tuple(shards), why))


def _numbers(decision: Row) -> list[int]:
    return [int(number) for number in str(decision["shards"]).split(",")]
