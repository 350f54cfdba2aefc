"""A replica applies late: its readers see the past, and it must not become the source."""

import time
from functools import partial

from wavetank.change.failover.candidate_selection import choose
from wavetank.change.failover.detection import ask_replicas
from wavetank.change.timeline import Step, Timeline
from wavetank.drills.drill import Drill, Options, Say, let_traffic_run
from wavetank.drills.outage import DETECT_S, OutageDrill
from wavetank.drills.storms.source_killed import concerns
from wavetank.drills.traffic.lag import Lag, lags
from wavetank.drills.traffic.log import WRITE
from wavetank.drills.traffic.promises import Promises
from wavetank.drills.traffic.slowness import most_behind, stale_by_server
from wavetank.errors import UnreachableError, UsageError
from wavetank.servers.node import Servers
from wavetank.servers.replication import channels_of, set_delay
from wavetank.topology.model import Node, Topology
from wavetank.waiting import wait_until

__all__ = ["MENDED_BY", "PROMISES", "STORM", "concerns", "prepare"]

STORM = "A replica applies late under load, and its readers see the past; it catches up when it is let."
PROMISES = Promises()
MENDED_BY = "up"
# By how many seconds the replica is made late.
DELAY_S = 5
# How long it stays so late, once it is.
LAST_S = 4.0
# How long it may take to catch up.
CATCH_UP_S = 60.0
# What is left of its lag then, at most, in seconds, and at most of how much it must have been late.
CAUGHT_UP_S = 1.0
BITE_S = DELAY_S * 0.8
# Between two lines of the lag over time, in seconds.
EVERY_S = 1.0


def prepare(servers: Servers, options: Options, say: Say) -> Drill:
    """Delay the replica that the inventory names first: of several that have as much, a failover takes that one."""
    return LaggingReplica(servers, options, say)


def first_replica(topology: Topology) -> Node:
    """Return the replica that is made late."""
    return topology.replicas_of(topology.sources[0])[0]


class LaggingReplica(OutageDrill):
    """One replica is late for a while; nobody else is."""

    def __init__(self, servers: Servers, options: Options, say: Say) -> None:
        """Choose the replica; nothing is changed yet."""
        self._node = first_replica(servers.topology)
        self._chosen = ""
        self._ended_s = 0.0
        super().__init__(
            servers,
            options,
            say,
            storm=self._hold_back,
            cure=self._let_go,
            promises=PROMISES,
            undo=partial(hurry, servers, self._node),
        )

    def _hold_back(self, servers: Servers) -> None:
        set_delay(servers[self._node.name], DELAY_S)

    def _let_go(self, servers: Servers) -> tuple[Step, ...]:
        """Keep the replica late, ask who would become the source, then let it apply at once."""
        timeline = Timeline()
        timeline.add(f"{self._node.name} applies {DELAY_S} s late from now on")
        wait_until(
            f"{self._node.name} to be late", lambda: self._behind_s() >= BITE_S, timeout_s=DETECT_S, interval_s=0.1
        )
        timeline.add(f"{self._node.name} is {self._behind_s():.1f} s behind")
        self._chosen = candidate(servers)
        timeline.add(f"a failover now would take {self._chosen or 'nobody'}")
        let_traffic_run(LAST_S)
        set_delay(servers[self._node.name], 0)
        timeline.add(f"{self._node.name} applies at once again")
        self._ended_s = time.monotonic()
        wait_until(
            f"{self._node.name} to catch up",
            lambda: self._behind_s() < CAUGHT_UP_S,
            timeout_s=CATCH_UP_S,
            interval_s=0.05,
        )
        timeline.add(f"{self._node.name} has caught up")
        return tuple(timeline.steps)

    def _lags(self, name: str, from_s: float, to_s: float = float("inf")) -> list[Lag]:
        found = lags(self._lag.seen, self._traffic.log.all(WRITE)).get(name, [])
        return [lag for lag in found if from_s <= lag.at_s < to_s]

    def _behind_s(self) -> float:
        return max((lag.behind_s for lag in self._lags(self._node.name, self._storm_s)[-1:]), default=0.0)

    def shortcomings(self) -> list[str]:
        """Return what of the replica's lag is not as it should be, by what it held and what its readers saw."""
        late = self._lags(self._node.name, self._storm_s)
        behind = most_behind(self._lag.seen, self._traffic.log, self._storm_s)
        worst_s = behind.get(self._node.name, 0.0)
        after = [lag.behind_s for lag in late if lag.at_s >= self._ended_s > 0]
        self.facts |= {
            "candidate": self._chosen or "nobody",
            f"lag of {self._node.name}": self._over_time(late),
            "most behind": {name: f"{behind_s:.3f} s" for name, behind_s in behind.items()},
            "reads since": {
                server: f"{answered}, of which stale: {stale}, at most {oldest_s:.3f} s"
                for server, (answered, stale, oldest_s) in stale_by_server(self._traffic.log, self._storm_s).items()
            },
        }
        return unlike_a_late_replica(self._node.name, worst_s, after, self._chosen)

    def _over_time(self, late: list[Lag]) -> list[str]:
        """Return its lag about once in EVERY_S, in seconds since the storm."""
        lines: list[str] = []
        due_s = self._storm_s
        for lag in late:
            if lag.at_s >= due_s:
                lines.append(f"{lag.at_s - self._storm_s:8.3f} s  {lag.behind_s:.3f} s behind")
                due_s = lag.at_s + EVERY_S
        return lines


def unlike_a_late_replica(name: str, worst_s: float, after_s: list[float], chosen: str) -> list[str]:
    """Return what is not as it should be when the replica called `name` was late, a sentence each.

    Args:
        name: the replica that was made late.
        worst_s: by how many seconds it was behind at most.
        after_s: its lags since it was let go.
        chosen: who would have become the source meanwhile, '' for nobody.
    """
    found = []
    if worst_s < BITE_S:
        found.append(f"{name} was at most {worst_s:.3f} s behind, although it was told to be {DELAY_S} s late")
    if min(after_s, default=worst_s) > CAUGHT_UP_S:
        found.append(f"{name} has not caught up: it is {min(after_s, default=worst_s):.3f} s behind at least")
    if chosen == name:
        found.append(f"{name} would have become the source while it was late")
    return found


def candidate(servers: Servers) -> str:
    """Return the replica that a failover would take now, '' where it would take none."""
    try:
        return choose(list(ask_replicas(servers, servers.topology.sources[0]))).node.name
    except UsageError:
        return ""


def hurry(servers: Servers, node: Node) -> None:
    """Let a replica apply at once, unless it does; one that does not answer is topology-up's."""
    server = servers[node.name]
    try:
        if any(row["DELAY_S"] or row["applier"] == "OFF" for row in channels_of(server).values()):
            set_delay(server, 0)
    except UnreachableError:
        return
