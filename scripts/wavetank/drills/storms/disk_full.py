"""The source's disk is full: it answers, reads go on, and no write ever ends."""

import dataclasses
import re
import time

from wavetank.change.drift import find_drift, wait_for_replication, wait_for_servers
from wavetank.change.timeline import Step, Timeline
from wavetank.checks.asking import ask_all
from wavetank.drills.drill import Drill, Options, Say, demand_green
from wavetank.drills.outage import DETECT_S, OutageDrill, replace_source
from wavetank.drills.storms.source_killed import concerns
from wavetank.drills.traffic.promises import Promises
from wavetank.errors import UnreachableError, UsageError
from wavetank.machine import containers, disk
from wavetank.servers.node import Servers
from wavetank.topology.memory_sizing import MIB
from wavetank.waiting import wait_until

__all__ = ["MENDED_BY", "PROMISES", "STORM", "concerns", "prepare"]

STORM = "The source's disk fills while clients write: commits wait for space. The best replica takes its place."
# The source is given up with what its replicas have not received.
PROMISES = Promises(may_lose=True)
MENDED_BY = "up"
# How long an instance may take to be itself again after its source was restarted.
SETTLE_S = 60.0
# What the server writes into its error log, each once: the binary log waits for space, InnoDB fails for want of it.
_COMPLAINTS = """
    SELECT DATA AS said, MIN(LOGGED) AS first FROM performance_schema.error_log
     WHERE LOGGED >= %s AND (DATA LIKE '%%isk is full%%' OR DATA LIKE '%%No space left on device%%')
     GROUP BY DATA ORDER BY first
"""
_SAID = re.compile("disk is full|No space left on device", re.IGNORECASE)
# A disk with less than that left is full: no file of the server's grows by less.
FULL = MIB


def prepare(servers: Servers, options: Options, say: Say) -> Drill:
    """Move the source to a small disk, and fill that."""
    return FullDisk(servers, options, say)


class FullDisk(OutageDrill):
    """A source that waits for somebody to free some space, and is replaced instead."""

    def __init__(self, servers: Servers, options: Options, say: Say) -> None:
        """Choose the server; nothing is changed yet."""
        self._source = servers.topology.sources[0].name
        self._disk: disk.Disk | None = None
        self._since = ""
        self._filled_s = 0.0
        self._left: int | None = None
        super().__init__(
            servers, options, say, storm=self._fill, cure=self._replace, promises=PROMISES, undo=self._take_back
        )

    def baseline(self) -> None:
        """Give the source a small disk, which takes a restart, then measure what clients do when all is well."""
        topology = self._servers.topology
        container = topology.container(topology.sources[0])
        small = disk.disks(topology.project).get(container)
        if small is None:
            raise UsageError(f"the engine knows no volume {container}, which would be moved to a small disk")
        small.refuse_unfit()
        demand_green(self._servers)
        self._disk = small
        self._say(f"moving {self._source} to a small disk")
        small.shrink()
        open_again(self._servers, self._source)
        super().baseline()

    def _fill(self, servers: Servers) -> None:
        self._since = str(servers[self._source].value("SELECT NOW(6)"))
        self._filled_s = time.time()
        if self._disk:
            self._disk.fill()
            self._left = self._disk.left()

    def _replace(self, servers: Servers) -> tuple[Step, ...]:
        """Kill the source as soon as it says that its disk is full, and fail over.

        It cannot be closed while a commit waits, and of space that is freed it takes note within a minute only.
        """
        timeline = Timeline()
        self.facts["the source said"] = wait_until(
            f"{self._source} to run out of space",
            lambda: complaints(servers, self._source, self._since, self._filled_s),
            timeout_s=DETECT_S,
            interval_s=0.05,
        )
        timeline.add(f"{self._source} says that its disk is full")
        containers.kill(servers.topology.container(servers.topology.node(self._source)))
        timeline.add(f"{self._source} killed: it cannot be closed while a commit waits for space")
        begun = timeline.steps[-1].at_s
        later = replace_source(servers)
        return (*timeline.steps, *(dataclasses.replace(step, at_s=round(begun + step.at_s, 3)) for step in later))

    def shortcomings(self) -> list[str]:
        """Say how much was left of the disk: a server that is gone says nothing of why."""
        if self._left is None:
            return ["nobody measured what was left of the small disk: the storm did nothing"]
        self.facts["left of the disk"] = f"{self._left:,} bytes"
        if self._left < FULL:
            return []
        return [f"the small disk was not full: {self._left:,} bytes were left of it"]

    def _take_back(self) -> None:
        if self._disk:
            self._disk.restore()


def complaints(servers: Servers, name: str, since: str, since_s: float) -> list[str]:
    """Return what a server has said of a lack of space since a moment, by its clock and by the epoch's seconds."""
    try:
        return [row["said"] for row in servers[name].query(_COMPLAINTS, [since])]
    except UnreachableError:
        # InnoDB ends the process where it can do nothing else. That it is gone proves nothing; what it said last does.
        log = containers.log_since(servers.topology.container(servers.topology.node(name)), since_s)
        return [line for line in log.splitlines() if _SAID.search(line)]


def open_again(servers: Servers, name: str) -> None:
    """Make a server that was restarted what the inventory says, and wait until its replicas have found it again."""
    wait_for_servers(servers)
    for drift in find_drift(servers):
        if drift.node == name:
            servers[name].execute(*drift.statements)
    wait_for_replication(servers)
    # The checks look at what was written a moment ago, too: a heartbeat, acknowledgements.
    wait_until("every check to be green", lambda: ask_all(servers).proven, timeout_s=SETTLE_S, interval_s=0.5)
