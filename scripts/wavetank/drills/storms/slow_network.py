"""The network of the source is slow and loses packets: nobody is gone, and everybody waits."""

import time
from functools import partial

from wavetank.change.timeline import Step, Timeline
from wavetank.drills.drill import Drill, Options, Say, let_traffic_run
from wavetank.drills.outage import OutageDrill
from wavetank.drills.storms.source_killed import concerns
from wavetank.drills.traffic.log import READ, WRITE
from wavetank.drills.traffic.promises import Promises
from wavetank.drills.traffic.slowness import most_behind, per_second
from wavetank.machine import network
from wavetank.machine.network import Slowness
from wavetank.servers.node import Servers
from wavetank.servers.replication import channels_of, replicates
from wavetank.waiting import wait_until

__all__ = ["MENDED_BY", "PROMISES", "STORM", "concerns", "prepare"]

STORM = "The source's network is slow and loses packets, towards its replicas and its clients; nobody is replaced."
PROMISES = Promises()
MENDED_BY = "up"
SLOWNESS = Slowness(delay_ms=40, jitter_ms=10, loss_percent=2, rate_kbit=768)
# How long it lasts.
LAST_S = 6.0
# How long replication may take to be itself again.
SETTLE_S = 60.0


def prepare(servers: Servers, options: Options, say: Say) -> Drill:
    """Slow the source's network; what does it, the report says."""
    return SlowNetwork(servers, options, say)


class SlowNetwork(OutageDrill):
    """A source that everybody reaches late."""

    def __init__(self, servers: Servers, options: Options, say: Say) -> None:
        """Choose the server; nothing is changed yet."""
        self._container = servers.topology.container(servers.topology.sources[0])
        self._lost = 0
        self._ended_s = 0.0
        super().__init__(
            servers,
            options,
            say,
            storm=self._slow,
            cure=self._sit_it_out,
            promises=PROMISES,
            undo=partial(network.quicken, [self._container]),
        )

    def _slow(self, _: Servers) -> None:
        self.facts["slowed by"] = network.slow(self._container, SLOWNESS)
        self._say(f"slowed by {self.facts['slowed by']}")

    def _sit_it_out(self, servers: Servers) -> tuple[Step, ...]:
        """Replace nobody, since the source is not gone; then wait until replication is itself again."""
        timeline = Timeline()
        timeline.add("the source's network is slow")
        let_traffic_run(LAST_S)
        self._lost = network.packets_lost(self._container)
        network.quicken([self._container])
        self._ended_s = time.monotonic()
        timeline.add("the network is itself again")
        wait_until("all to replicate", lambda: all_replicate(servers), timeout_s=SETTLE_S, interval_s=0.05)
        timeline.add("all replicate")
        return tuple(timeline.steps)

    def shortcomings(self) -> list[str]:
        """Say how much was done meanwhile; a network that lost no packet was not slow."""
        log, storm_s, ended_s = self._traffic.log, self._storm_s, self._ended_s
        if ended_s:
            self.facts["during"] = (
                f"{per_second(log.all(), WRITE, storm_s, ended_s):.0f} writes and "
                f"{per_second(log.all(), READ, storm_s, ended_s):.0f} reads a second"
            )
        behind = most_behind(self._lag.seen, log, storm_s)
        self.facts["most behind"] = {name: f"{behind_s:.3f} s" for name, behind_s in behind.items()}
        self.facts["packets lost"] = self._lost
        return [] if self._lost else ["no packet was lost: the storm did nothing"]


def all_replicate(servers: Servers) -> bool:
    """Return whether every replica is connected to its source and applies."""
    return all(
        replicates(row) for node in servers.topology.replicas for row in channels_of(servers[node.name]).values()
    )
