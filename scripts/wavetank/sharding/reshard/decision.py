"""The decision to cut over: once it is noted, the new map will be in force, whichever server dies.

The map is published on one server, and clients write by it at once; a replica that takes that server's place may never
have heard of it. So the decision is noted first, on the catalogue's server, which lets one of two that want to publish
have their way, and then on all shards that have a part in it. Whoever finds it there publishes the map, again if need
be. It is never taken back: before it is noted, nobody writes the moving keys any more, and their rows are compared, and
on a replica of each shard; as long as it is noted, nobody can publish anything else.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wavetank.errors import UnreachableError, UsageError, WaitedInVain
from wavetank.servers.gtid import count_transactions
from wavetank.servers.node import Row, Servers, StatementError, query_on
from wavetank.sharding.catalogue import PublishedMap, lock_newest
from wavetank.sharding.maps.factory import document_of, read_map
from wavetank.sharding.maps.listed import DirectoryMap
from wavetank.sharding.maps.shape import ShardMap
from wavetank.sharding.reshard.closing import publish
from wavetank.sharding.reshard.moves import ReshardingContext
from wavetank.sharding.side_by_side import on_each
from wavetank.threads import side_by_side
from wavetank.waiting import wait_until

# How long the catalogue's server may take to come back, for as long as keys are closed and all is decided.
CONCLUDE_S = 10.0
_NEWEST = "SELECT version, document FROM sharding.cutovers ORDER BY version DESC LIMIT 1"
_NOTE = "REPLACE INTO sharding.cutovers (version, document) VALUES (%s, %s)"


@dataclass(frozen=True)
class Decision:
    """A cut-over that will be.

    Attributes:
        version: of the map, as closed gates wait for it.
        map: the new map, as a document.
        before: the shards of the old map.
        executed: what each shard's source had executed when all rows had come, and its replicas, too.
    """

    version: int
    map: Mapping[str, Any]
    before: tuple[int, ...]
    executed: Mapping[int, str]

    @property
    def shards(self) -> tuple[int, ...]:
        """The shards of the new map."""
        return read_map(self.map).shards

    @property
    def text(self) -> str:
        """The decision as a table holds it."""
        return json.dumps({"map": self.map, "before": self.before, "executed": self.executed})

    @classmethod
    def read(cls, row: Row) -> "Decision":
        """Read what a table holds."""
        document = json.loads(row["document"])
        executed = {int(shard): gtids for shard, gtids in document["executed"].items()}
        return cls(int(row["version"]), document["map"], tuple(document["before"]), executed)


def settled(shard_map: ShardMap) -> Mapping[str, Any]:
    """Return the document of a map as it is in force, not as it is pending."""
    return document_of(shard_map.settled() if isinstance(shard_map, DirectoryMap) else shard_map)


def newest_decision(servers: Servers) -> Decision | None:
    """Return the newest decision that any shard knows of, None where rows have never moved.

    Raises:
        UnreachableError: a shard's source does not answer, which might be the one that knows.
    """
    found = on_each(servers, servers.topology.shards, lambda _, server: server.query(_NEWEST, account="admin"))
    decisions = [Decision.read(row) for rows in found.values() for row in rows]
    return max(decisions, key=lambda each: each.version, default=None)


def decided(servers: Servers, published: PublishedMap) -> Decision | None:
    """Return a decision that is newer than the catalogue, whose map must be published, None where there is none."""
    decision = newest_decision(servers)
    return decision if decision and decision.version > published.version else None


def decided_map(decision: Decision, published: PublishedMap) -> ShardMap:
    """Return the map that a decision is about: the one that is pending in the catalogue, else as the decision has it.

    Raises:
        UsageError: it is a directory, and who moves was written beside the pending map that is lost.
    """
    if published.pending and settled(published.pending) == decision.map:
        return published.pending
    found = read_map(decision.map)
    if isinstance(found, DirectoryMap):
        raise UsageError(
            f"the cut-over to map version {decision.version} is decided, and the catalogue has lost who moves by it "
            f"(its newest is {published.version}): restore sharding.customer_shard_mapping, nothing was removed"
        )
    return found


def conclude(context: ReshardingContext, decision: Decision, shard_map: ShardMap, after: int) -> PublishedMap:
    """Note the decision where no single server that dies can lose it, then publish the map.

    Raises:
        OutdatedMapError: somebody else has published since version `after`, and nothing was decided.
        UsageError: it cannot be published now. Where it may have been noted, keys stay closed until it is.
    """

    def attempt() -> PublishedMap | Exception:
        try:
            newest = context.catalogue.read()
            if newest.version >= decision.version and settled(newest.map) == decision.map:
                return newest
            _note_at_catalogue(context, decision, after)
            _note_elsewhere(context, decision)
            return publish(context, shard_map, None, after=after, at_least=decision.version)
        except (UnreachableError, StatementError) as error:
            return error

    def concluded(found: object) -> bool:
        return isinstance(found, PublishedMap)

    try:
        found = wait_until("the catalogue", attempt, timeout_s=CONCLUDE_S, interval_s=0.2, good=concluded)
    except WaitedInVain as error:
        raise UsageError(
            f"the cut-over to map version {decision.version} could not be concluded ({error}): moving keys stay "
            "closed until make reshard goes on"
        ) from error
    assert isinstance(found, PublishedMap)  # noqa: S101 - it was waited for
    return found


def _note_at_catalogue(context: ReshardingContext, decision: Decision, after: int) -> None:
    server = context.catalogue.server
    with server.connection("admin") as connection:

        def run(statement: str, *parameters: Any) -> list[Row]:  # noqa: ANN401
            return query_on(connection, statement, parameters, node=server.name)

        run("START TRANSACTION")
        lock_newest(run, after)
        run(_NOTE, decision.version, decision.text)
        run("COMMIT")


def _note_elsewhere(context: ReshardingContext, decision: Decision) -> None:
    """Note it on all other shards; one of them that answers is enough for the decision to outlive the catalogue.

    Raises:
        UnreachableError, StatementError: none took it.
    """
    others = [number for number in context.shards if number != context.catalogue_shard]

    def note(number: int) -> Exception | None:
        try:
            context.source(number).query(_NOTE, [decision.version, decision.text], account="admin")
        except (UnreachableError, StatementError) as error:
            return error
        return None

    if not others:
        return
    failed = side_by_side(note, others)
    if all(failed):
        raise next(filter(None, failed))


def refuse_loss(context: ReshardingContext, decision: Decision, shards: Sequence[int]) -> None:
    """Refuse to remove anything while a source lacks what its shard had at the cut-over.

    Raises:
        UsageError: one does: it was promoted without what a replica of it had.
    """
    for number in sorted(set(shards) & decision.executed.keys()):
        server = context.source(number)
        missing = str(server.value("SELECT GTID_SUBTRACT(%s, @@GLOBAL.gtid_executed)", [decision.executed[number]]))
        if missing:
            raise UsageError(
                f"{server.name} lacks {count_transactions(missing)} transactions that shard {number} had at the "
                f"cut-over to map version {decision.version} ({''.join(missing.split())}): nothing is removed from "
                "where the rows were until a server that has them is its source"
            )
