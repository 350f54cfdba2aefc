"""The catalogue: the shard map and its versions, on the source of the first shard, for any number of readers."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wavetank.servers.node import Row, Server, Servers, StatementError, query_on
from wavetank.sharding.directory import Ask, CachedDirectory, recount
from wavetank.sharding.errors import FutureMapError, OutdatedMapError, ShardingError
from wavetank.sharding.gates import Gate
from wavetank.sharding.maps.factory import document_of, read_map
from wavetank.sharding.maps.listed import DirectoryMap, Find
from wavetank.sharding.maps.shape import ShardMap, moved
from wavetank.topology.model import Topology
from wavetank.waiting import wait_until

NEWEST = "SELECT version, document, pending FROM sharding.maps ORDER BY version DESC LIMIT 1"
# A client that was refused at the cut-over looks this often for the next version.
POLL_S = 0.01
NO_SUCH_TABLE = 1146
# A server that took the catalogue over may lack versions that its predecessor has published, and that clients know. It
# leaves out more numbers than those can be, so that no number ever stands for two maps.
LEFT_OUT = 1000
_PUBLISHER = "SELECT server = @@server_uuid AS ours FROM sharding.publications WHERE version = %s"
_DECIDED = "SELECT version, document FROM sharding.cutovers WHERE version > %s ORDER BY version DESC LIMIT 1"


@dataclass(frozen=True)
class PublishedMap:
    """A version of the map; `pending` is the one that follows it, for as long as rows move."""

    version: int
    map: ShardMap
    pending: ShardMap | None = None

    def gate_of(self, key: Any) -> Gate:  # noqa: ANN401
        """Return through which gate of shard_of(key) one who works on `key` has to go."""
        return "move" if self.pending and moved(self.map, self.pending, key) else "stay"


def published(row: Row, find: Find | None = None) -> PublishedMap:
    """Return what a row of NEWEST says.

    Raises:
        ShardingError: it is not a map that this version of Wavetank can read.
    """
    pending = read_map(json.loads(row["pending"]), find) if row["pending"] else None
    return PublishedMap(int(row["version"]), read_map(json.loads(row["document"]), find), pending)


class CatalogueReader:
    """Reads maps, by whatever way the caller has to the catalogue's server."""

    def __init__(self, ask: Ask, instance: str) -> None:
        """Take what runs a statement, and the instance's name for errors; nothing is read yet."""
        self._ask = ask
        self._instance = instance
        self.directory = CachedDirectory(ask)

    def read(self) -> PublishedMap:
        """Return the newest version.

        Raises:
            ShardingError: there is none, or it cannot be read here.
            UnreachableError: the server does not answer.
        """
        try:
            rows = self._ask(NEWEST, [])
        except StatementError as error:
            if error.errno != NO_SUCH_TABLE:
                raise
            rows = []
        if not rows:
            raise ShardingError(f"{self._instance} has no shard map: make topology-up publishes one")
        found = published(rows[0], self.directory.find)
        self.directory.use(found.version)
        return found

    def refuse_future(self, version: int) -> None:
        """Refuse a version that has never been published.

        Raises:
            FutureMapError: `version` is such a one.
        """
        newest = self.read().version
        if version > newest:
            raise FutureMapError(
                f"map version {version} is from the future: the catalogue of {self._instance} "
                f"has {newest}; whoever gave it knows another instance"
            )

    def wait_for(self, version: int, timeout_s: float = 10.0) -> PublishedMap:
        """Return the newest map once it is `version` or later.

        Raises:
            WaitedInVain: it was not within `timeout_s` seconds.
        """

        def look() -> PublishedMap:
            return self.read()

        return wait_until(
            f"shard map {version}",
            look,
            timeout_s=timeout_s,
            interval_s=POLL_S,
            good=lambda found: found.version >= version,
            hint="a resharding that was interrupted goes on with the same make reshard",
        )


class Catalogue(CatalogueReader):
    """Reads and publishes maps. `account` needs SELECT on the schema sharding; publishing is admin's."""

    def __init__(self, servers: Servers, account: str = "admin") -> None:
        """Take the servers; nothing is read yet.

        Raises:
            ShardingError: the topology has no shards.
        """
        self._servers = servers
        refuse_unsharded(servers.topology)
        super().__init__(
            lambda statement, parameters: self.server.query(statement, parameters, account=account),
            servers.topology.instance,
        )

    @property
    def server(self) -> Server:
        """The source of the first shard, whichever server that is by now."""
        return self._servers[self._servers.topology.shards[0].source.name]

    def publish(
        self, shard_map: ShardMap, pending: ShardMap | None = None, *, after: int, at_least: int = 0
    ) -> PublishedMap:
        """Make `shard_map` the version that follows version `after`, which must be the newest.

        It is `at_least` so high: where gates wait for a version that this server has never seen. A directory changes in
        the same transaction: publishing the map that was pending makes next_shard the shard, and publishing the old one
        again forgets it.

        Raises:
            OutdatedMapError: somebody else has published since `after`, or has decided what is to be published.
        """
        arrived = isinstance(shard_map, DirectoryMap) and shard_map.stage == "next_shard"
        if isinstance(shard_map, DirectoryMap):
            shard_map = shard_map.settled()
        find = self.directory.find
        documents = [json.dumps(document_of(shard_map)), json.dumps(document_of(pending)) if pending else None]
        server = self.server
        with server.connection("admin") as connection:

            def run(statement: str, *parameters: Any) -> list[Row]:  # noqa: ANN401
                return query_on(connection, statement, parameters, node=server.name)

            run("START TRANSACTION")
            lock_newest(run, after)
            _refuse_other_than_decided(run, after, shard_map, pending)
            version = max(_next(run, after), at_least)
            run("INSERT INTO sharding.maps (version, document, pending) VALUES (%s, %s, %s)", version, *documents)
            run("INSERT INTO sharding.publications VALUES (%s, @@server_uuid)", version)
            if isinstance(shard_map, DirectoryMap):
                _direct(run, shard_map, pending, arrived=arrived)
            run("COMMIT")
        self.directory.use(version)
        return PublishedMap(version, read_map(json.loads(documents[0] or ""), find), pending)

    def published_here(self, version: int) -> bool:
        """Return whether this very server has published a version: then it has not lost what came after it."""
        return bool(self.server.value(_PUBLISHER, [version], account="admin"))


Run = Callable[..., list[Row]]


def lock_newest(run: Run, expected: int) -> None:
    """Keep everybody else from publishing until the transaction ends.

    Raises:
        OutdatedMapError: the newest version is not `expected`.
    """
    newest = run("SELECT COALESCE(MAX(version), 0) AS version FROM sharding.maps FOR UPDATE")[0]["version"]
    if newest != expected:
        raise OutdatedMapError(f"map version {newest} has been published since {expected}: read it and begin anew")


def _next(run: Run, after: int) -> int:
    """Return the version that follows `after`; what was published before it was noted by whom counts as ours."""
    rows = run(_PUBLISHER, after)
    return after + (1 if not rows or rows[0]["ours"] else LEFT_OUT)


def _refuse_other_than_decided(run: Run, after: int, shard_map: ShardMap, pending: ShardMap | None) -> None:
    """Refuse what would take back a cut-over that is decided, and may be published any moment."""
    for row in run(_DECIDED, after):
        if pending or json.loads(row["document"])["map"] != document_of(shard_map):
            raise OutdatedMapError(f"the cut-over to map version {row['version']} is decided: make reshard finishes it")


def _direct(run: Run, now: ShardMap, pending: ShardMap | None, *, arrived: bool) -> None:
    """Make the directory that of `now`: which shards it has, who is where, and how many."""
    after = pending.shards if pending else now.shards
    for shard in sorted({*now.shards, *after}):
        state = "leaving" if shard not in after else "active" if shard in now.shards else "joining"
        run(
            "INSERT INTO sharding.shard_directory (shard, state) VALUES (%s, %s) AS new "
            "ON DUPLICATE KEY UPDATE state = new.state",
            shard,
            state,
        )
    run(f"DELETE FROM sharding.shard_directory WHERE shard NOT IN ({','.join(map(str, {*now.shards, *after}))})")
    if not pending:
        there = "shard = next_shard, " if arrived else ""
        run(f"UPDATE sharding.customer_shard_mapping SET {there}next_shard = NULL WHERE next_shard IS NOT NULL")
    recount(run)


def refuse_unsharded(topology: Topology) -> None:
    """Refuse an instance without shards.

    Raises:
        ShardingError: it has none.
    """
    if not topology.shards:
        raise ShardingError(
            f"{topology.instance} ({topology.name}) has no shards: its inventory gives no host a shard; "
            "make topology-up TOPOLOGY=four-shard does"
        )
