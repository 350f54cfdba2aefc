"""What the shard map says of each shard, for the picture of an instance."""

from dataclasses import dataclass

from wavetank.errors import UnreachableError, UsageError
from wavetank.servers.node import Server, StatementError
from wavetank.sharding.catalogue import CatalogueReader
from wavetank.sharding.map_report import state_of
from wavetank.topology.model import Topology


@dataclass(frozen=True)
class ShardMapStatus:
    """The newest map as its server reports it; `unread` says why it could not be read.

    Attributes:
        kind: by what it divides.
        states: each shard of the inventory as in the map, joining, leaving or spare.
    """

    version: int = 0
    kind: str = ""
    states: tuple[tuple[int, str], ...] = ()
    unread: str = ""

    def title(self, shard: int) -> str:
        """Return what a server of `shard` is called; one that is in the map needs no other word."""
        state = dict(self.states).get(shard, "")
        return f"shard {shard}" + (f", {state}" if state not in ("", "in the map") else "")

    @property
    def line(self) -> str:
        """The map in a line."""
        if self.unread:
            return f"shard map: {self.unread}"
        of = {state: [str(shard) for shard, each in self.states if each == state] for _, state in self.states}
        return f"shard map {self.version}, by {self.kind}: " + "; ".join(
            f"{', '.join(shards)} {state}" for state, shards in of.items()
        )


def ask_shard_map(topology: Topology, server: Server) -> ShardMapStatus:
    """Ask the first shard's source for the newest map."""
    reader = CatalogueReader(server.query, topology.instance)
    try:
        newest = reader.read()
    except (UnreachableError, UsageError, StatementError) as error:
        return ShardMapStatus(unread=" ".join(str(error).split()))
    states = tuple((shard.number, state_of(newest, shard.number)) for shard in topology.shards)
    return ShardMapStatus(newest.version, newest.map.kind, states)
