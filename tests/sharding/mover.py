"""What moves keys without their rows, for tests of who may still write them."""

from wavetank.servers.node import Server, Servers
from wavetank.sharding.catalogue import Catalogue, PublishedMap
from wavetank.sharding.gates import GATES, Gate, set_gate
from wavetank.waiting import wait_until


class Mover:
    """Does to map and gates what a resharding does, and moves no rows."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self.catalogue = Catalogue(servers)
        self.before = self.catalogue.read()

    def raise_gates(self, gate: Gate, least: int, *shards: int) -> None:
        for number in shards:
            set_gate(self._servers[self._servers.topology.shard(number).source.name], gate, least)

    def prepare(self) -> PublishedMap:
        """Let it be known that all of shard 2 is about to move to shard 1."""
        now = self.catalogue.read()
        pending = self.catalogue.publish(now.map, now.map.remove(2), after=now.version)
        for gate in GATES:
            self.raise_gates(gate, pending.version, 1, 2)
        return pending

    def cut(self) -> int:
        """Refuse who writes to moving keys; return the version that they wait for."""
        version = self.catalogue.read().version + 1
        self.raise_gates("move", version, 2)
        return version

    def arrive(self) -> None:
        now = self.catalogue.read()
        assert now.pending
        self.catalogue.publish(now.pending, after=now.version)

    def go_back(self) -> None:
        now = self.catalogue.read()
        back = self.catalogue.publish(self.before.map, after=now.version)
        for gate in GATES:
            self.raise_gates(gate, back.version, 1, 2)


def wait_for_lock(server: Server) -> None:
    """Wait until somebody waits for a lock, which can only be the gate."""
    waiting = "SELECT COUNT(*) FROM performance_schema.data_lock_waits"
    wait_until("a wait for the gate", lambda: server.value(waiting, account="admin"), timeout_s=20)
