"""What topology-up makes of servers that are shards: schemas, gates, and the first shard map."""

import itertools

from wavetank.servers.node import Servers
from wavetank.sharding.catalogue import Catalogue, PublishedMap
from wavetank.sharding.directory import miscounted, recount
from wavetank.sharding.errors import ShardingError
from wavetank.sharding.gates import bounds, highest_gate, read_gates, set_gate
from wavetank.sharding.map_state import MapState, last_prepared, read_map_state
from wavetank.sharding.maps.factory import make_map
from wavetank.sharding.reshard.decision import decided
from wavetank.sharding.reshard.ledger import AtWorkError, Ledger
from wavetank.sharding.schema import make_missing, shard_statements, sharding_statements
from wavetank.threads import side_by_side
from wavetank.topology.model import Shard


def establish(servers: Servers, *, dry_run: bool = False) -> list[str]:
    """Make what the shards lack, each on its source, and publish the first map where there is none.

    Nothing is dropped and no row is changed but a gate's: one that is gone, or not where it may be,
    is set to the newest map.

    Returns:
        What was made, or with `dry_run` would be, as "server: what".

    Raises:
        ShardingError: the map that there is cannot be read here.
        UnreachableError: a source does not answer.
    """
    made = make_schemas(servers, dry_run=dry_run)
    if dry_run:
        return made
    news = [*_publish_first(servers), *_let_go_on(servers)]
    map_state, prepared = read_map_state(servers), last_prepared(servers)
    gates = side_by_side(lambda shard: _make_gates(servers, shard, map_state, prepared), servers.topology.shards)
    return [*made, *news, *itertools.chain.from_iterable(gates), *_recount(servers)]


def make_schemas(servers: Servers, *, dry_run: bool = False) -> list[str]:
    """Make the schemas, tables and routines that the shards lack; return what was made, or with `dry_run` would be.

    Raises:
        UnreachableError: a source does not answer.
    """
    made = side_by_side(lambda shard: _make_schemas(servers, shard, dry_run=dry_run), servers.topology.shards)
    return list(itertools.chain.from_iterable(made))


def _make_schemas(servers: Servers, shard: Shard, *, dry_run: bool) -> list[str]:
    name = shard.source.name
    first = shard == servers.topology.shards[0]
    statements = [*sharding_statements(catalogue=first), *shard_statements(shard)]
    return [f"{name}: {each}" for each in make_missing(servers[name], statements, dry_run=dry_run)]


def _publish_first(servers: Servers) -> list[str]:
    catalogue = Catalogue(servers)
    if catalogue.server.value("SELECT COUNT(*) FROM sharding.maps", account="admin"):
        return []
    topology = servers.topology
    numbers = tuple(shard.number for shard in topology.shards)
    # A map that is gone says nothing about where rows are; the first one may only be made where there are none.
    if holding := [shard for shard in topology.shards if _holds_rows(servers, shard)]:
        raise ShardingError(
            f"{catalogue.server.name} has lost the shard map, and shard {holding[0].number} holds rows: "
            "it can only be restored from a copy of sharding.maps"
        )
    for shard in topology.shards:
        # Of a catalogue that is gone, with all rows.
        servers[shard.source.name].execute("DELETE FROM sharding.cutovers")
    catalogue.publish(make_map(topology.shard_by, numbers), after=0)
    return [f"{catalogue.server.name}: shard map 1, by {topology.shard_by}"]


def _let_go_on(servers: Servers) -> list[str]:
    """Publish the version that gates wait for and nobody will publish: what a resharding left that was killed.

    Or what the catalogue has lost with its server. Where a cut-over is decided, the map that is wanted is another one
    than the newest, and only make reshard publishes it, which sees to the rows as well.
    """
    catalogue = Catalogue(servers)
    try:
        with Ledger(catalogue.server, catalogue.directory.find).alone(wait_s=0):
            newest = catalogue.read()
            if not (gate := awaited(servers, newest)):
                return []
            found = catalogue.publish(newest.map, newest.pending, after=newest.version, at_least=gate)
    except AtWorkError:
        return []
    return [f"{catalogue.server.name}: shard map {found.version}, for which gates waited"]


def awaited(servers: Servers, newest: PublishedMap) -> int:
    """Return the version that gates wait for and nobody will publish, 0 where there is none or a map is decided for it.

    To be asked while no resharding is at work: then the map in force is to be published by that number.

    Raises:
        UnreachableError: a source does not answer.
    """
    gate = highest_gate(servers)
    return 0 if gate <= newest.version or decided(servers, newest) else gate


def _holds_rows(servers: Servers, shard: Shard) -> bool:
    server = servers[shard.source.name]
    return bool(server.value(f"SELECT EXISTS (SELECT 1 FROM {shard.schema}.customers)", account="admin"))


def _recount(servers: Servers) -> list[str]:
    """Let a directory that has miscounted count anew."""
    server = Catalogue(servers).server
    if not miscounted(server):
        return []
    recount(lambda statement: server.query(statement, account="admin"))
    return [f"{server.name}: customers of the directory counted"]


def _make_gates(servers: Servers, shard: Shard, map_state: MapState, prepared: int) -> list[str]:
    """Raise the gates that are lower than they may be: so that whoever has an older map asks for the newest.

    One that is higher waits for a version that is decided: to lower it would let clients write where rows have left.
    """
    server, version = servers[shard.source.name], map_state.newest.version
    found, made = read_gates(server), []
    for gate, (low, high) in bounds(version, prepared, under_way=map_state.under_way).items():
        if found.get(gate, -1) < low:
            # Where rows are on their way, nobody writes to those until the resharding has gone on.
            set_gate(server, gate, high)
            made.append(f"{server.name}: gate {gate} at {high}")
    return made
