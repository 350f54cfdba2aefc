"""A stalled resharding: it is under way, and no process is at work on it."""

from dataclasses import dataclass

from wavetank.servers.node import Servers
from wavetank.sharding.catalogue import Catalogue
from wavetank.sharding.gates import highest_gate
from wavetank.sharding.reshard.decision import decided
from wavetank.sharding.reshard.ledger import Ledger, at_work


@dataclass(frozen=True)
class Stalled:
    """A stalled resharding: what is the matter, and which command goes on with it."""

    what: str
    step: str


def find_stalled(servers: Servers) -> Stalled | None:
    """Return the stalled resharding, None where there is none.

    Raises:
        UnreachableError: a shard's source does not answer.
    """
    catalogue = Catalogue(servers)
    # Asked before and after: what was seen in between is nobody's then who began or ended meanwhile.
    if at_work(catalogue.server):
        return None
    resharding, newest = Ledger(catalogue.server).under_way(), catalogue.read()
    decision, gate = decided(servers, newest), highest_gate(servers)
    if not (resharding or newest.pending or decision) or at_work(catalogue.server):
        return None
    title = f"the resharding {resharding.title} ({resharding.phase})" if resharding else "a resharding"
    to = len(resharding.after) if resharding else len((newest.pending or newest.map).shards)
    if decision:
        return Stalled(
            f"{title} is stalled, its cut-over to map {decision.version} is decided, and map {newest.version} the "
            "newest",
            f"make reshard TO={len(decision.shards)} publishes it",
        )
    if gate > newest.version:
        return Stalled(
            f"{title} is stalled, and customers who move cannot write: their gate waits for map {gate}",
            f"make reshard TO={to} goes on, make topology-up lets them write until then",
        )
    return Stalled(f"{title} is stalled", f"make reshard TO={to} goes on, make reshard-abort takes it back")
