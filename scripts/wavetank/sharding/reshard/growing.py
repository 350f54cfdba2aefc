"""The servers that a resharding needs, brought up as topology-up would."""

import os
import subprocess
import sys
from pathlib import Path

from wavetank.errors import UsageError
from wavetank.servers.node import Servers
from wavetank.sharding.catalogue import Catalogue, refuse_unsharded
from wavetank.sharding.reshard.ledger import Ledger
from wavetank.sharding.reshard.next_map import check_count
from wavetank.topology.instance import HOME, Instance
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
    command = [str(Path(sys.executable).with_name("wavetank")), "up"]
    environment = {**os.environ, "INSTANCE": instance.name, "SHARDS": str(to)}
    # What the caller was asked for is about this command, not about that one.
    environment.pop("TO", None)
    done = subprocess.run(command, cwd=HOME, env=environment, check=False, stdout=subprocess.DEVNULL if quiet else None)
    if done.returncode:
        raise UsageError(f"topology-up SHARDS={to} did not succeed, and no row has moved: make topology-up says why")
    return instance.topology()


def _refuse_other(topology: Topology, to: int) -> None:
    """Refuse before servers are made for it what would be refused afterwards."""
    with Servers(topology) as servers:
        catalogue = Catalogue(servers)
        Ledger(catalogue.server, catalogue.directory.find).refuse_other(to)
