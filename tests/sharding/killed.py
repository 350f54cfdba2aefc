"""Reshard an instance, and do damage at moments of it: python killed.py INSTANCE TO MOMENT[:NODE]...

A moment is a phase, or "copy rows" once some rows of a phase are done. What dies then is this process, or, where one is
named, the container of a node.
"""

import os
import signal
import sys

from wavetank.machine import containers
from wavetank.servers.node import Servers
from wavetank.sharding.reshard.ledger import PHASES
from wavetank.sharding.reshard.run import reshard
from wavetank.topology.instance import Instance


class Killer:
    """Watches a resharding, and kills what is to die at its moments."""

    def __init__(self, servers: Servers, moments: list[str]) -> None:
        self._topology = servers.topology
        self._moments = [moment.partition(":") for moment in moments]
        self._phase = ""

    def phase(self, name: str) -> None:
        # What lies between phases has no rows of its own.
        if name in PHASES:
            self._phase = name
        self._kill_at(name)

    def rows(self, done: int, total: int) -> None:
        if 0 < done < total:
            self._kill_at(f"{self._phase} rows")

    def say(self, line: str) -> None:
        pass

    def _kill_at(self, now: str) -> None:
        for moment, _, node in self._moments:
            if moment == now and node:
                containers.kill(self._topology.container(self._topology.node(node)))
            elif moment == now:
                os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    with Servers(Instance(sys.argv[1]).topology()) as servers:
        # A topology without replicas is resharded as it is.
        alone = not servers.topology.replicas
        reshard(servers, int(sys.argv[2]), Killer(servers, sys.argv[3:]), without_replica=alone)
