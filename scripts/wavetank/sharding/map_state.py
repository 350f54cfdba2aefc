"""The state of the shard map: the newest map, and those by which rows still lie while a resharding is under way."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from wavetank.errors import UsageError
from wavetank.servers.node import Server, Servers, StatementError
from wavetank.sharding.catalogue import NO_SUCH_TABLE, Catalogue, PublishedMap, published
from wavetank.sharding.maps.shape import ShardMap
from wavetank.sharding.schema import make_missing, shard_statements, sharding_statements
from wavetank.sharding.side_by_side import on_each, shards_of
from wavetank.topology.model import Shard

_LAST_TWO = "SELECT version, document, pending FROM sharding.maps ORDER BY version DESC LIMIT 2"
_OPEN = "SELECT COUNT(*) FROM sharding.reshardings WHERE ended_at IS NULL"


@dataclass(frozen=True)
class MapState:
    """The newest map, and what else a row may lie by while a resharding is under way: in copy, or not yet removed."""

    newest: PublishedMap
    others: tuple[ShardMap, ...] = ()
    under_way: bool = False

    @property
    def without_trace(self) -> bool:
        """Whether customers are being removed of whom a directory no longer knows where they came from."""
        by_directory = any(each.sql_shard(each.column) is None for each in self.maps)
        return by_directory and self.under_way and self.newest.pending is None

    @property
    def maps(self) -> tuple[ShardMap, ...]:
        """Every map by which a row may lie where it does."""
        return (self.newest.map, *self.others)


def read_map_state(servers: Servers) -> MapState:
    """Return by which maps rows may lie now.

    Raises:
        ShardingError: there is no map, or it cannot be read here.
        UnreachableError: the catalogue's server does not answer.
    """
    catalogue = Catalogue(servers)
    newest = catalogue.read()
    try:
        under_way = bool(catalogue.server.value(_OPEN, account="admin")) or newest.pending is not None
    except StatementError as error:
        if error.errno != NO_SUCH_TABLE:
            raise
        under_way = newest.pending is not None
    if not under_way:
        return MapState(newest)
    rows = catalogue.server.query(_LAST_TWO, account="admin")
    all_ = [published(row, catalogue.directory.find) for row in rows]
    others = [each for version in all_ for each in (version.map, version.pending) if each and each != newest.map]
    return MapState(newest, tuple(others), under_way=True)


def last_prepared(servers: Servers) -> int:
    """Return the last version that had a map pending, 0 where rows have never moved."""
    statement = "SELECT COALESCE(MAX(version), 0) FROM sharding.maps WHERE pending IS NOT NULL"
    return int(Catalogue(servers).server.value(statement, account="admin"))


def map_state_for_check(servers: Servers, shards: Sequence[Shard]) -> MapState | None:
    """Return the map's state for a check of `shards`, None where a table or the map is missing: other checks say so."""
    first = servers.topology.shards[0]

    def lacks(shard: Shard, server: Server) -> bool:
        statements = [*sharding_statements(catalogue=shard == first), *shard_statements(shard)]
        return bool(make_missing(server, statements, dry_run=True))

    if any(on_each(servers, [first, *(shard for shard in shards if shard != first)], lacks).values()):
        return None
    with contextlib.suppress(UsageError):
        map_state = read_map_state(servers)
        shards_of(servers.topology, map_state.newest.map)
        return map_state
    return None


MOVING = "rows are on their way between shards"


def why_unsettled(map_state: MapState | None) -> str:
    """Return why it is not so that each row has one place, from what map_state_for_check() has returned."""
    return (
        MOVING if map_state else "there is no shard map, or a table is missing, which shard_map or shard_schema reports"
    )
