"""The servers that a resharding needs, brought up as topology-up would."""

import subprocess

from wavetank.errors import UsageError
from wavetank.own_command import topology_up
from wavetank.servers.node import Servers
from wavetank.sharding.catalogue import Catalogue, refuse_unsharded
from wavetank.sharding.reshard.ledger import Ledger
from wavetank.sharding.reshard.next_map import check_count
from wavetank.topology.instance import Instance
from wavetank.topology.model import Topology


def with_servers_for(instance: Instance, to: int, *, quiet: bool = False) -> Topology:
    """Return the instance's topology with servers for `to` shards; topology-up makes those that are missing.

    Raises:
        UsageError: there cannot be so many, another resharding is under way, or topology-up did not succeed.
    """
    check_count(to)
    topology = instance.topology()
    refuse_unsharded(topology)
    if to <= len(topology.shards):
        return topology
    _refuse_other(topology, to)
    if topology_up(instance.name, subprocess.DEVNULL if quiet else None, SHARDS=str(to)):
        raise UsageError(f"topology-up SHARDS={to} did not succeed, and no row has moved: make topology-up says why")
    return instance.topology()


def _refuse_other(topology: Topology, to: int) -> None:
    """Refuse before servers are made for it what would be refused afterwards."""
    with Servers(topology) as servers:
        catalogue = Catalogue(servers)
        Ledger(catalogue.server, catalogue.directory.find).refuse_other(to)
