"""The shape of every drill that is about an outage: traffic throughout, a storm, what mends it, and the verdict."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from wavetank.checks import ask_all
from wavetank.drills import Options, Say, demand_green
from wavetank.failover import SourceAnswersError, fail_over
from wavetank.failover_log import FailoverLog
from wavetank.instance import HOME, Instance
from wavetank.node import Servers
from wavetank.promotion import Step
from wavetank.reporting.recorded import Recorded
from wavetank.traffic.clients import Traffic, held_ids
from wavetank.traffic.lag import LagSampler
from wavetank.traffic.verdict import Outage, failures, judge
from wavetank.traffic.ways import choose_way
from wavetank.waiting import wait_until

# How long the traffic goes on before the storm, and after what mends it.
BEFORE_S = 3.0
AFTER_S = 3.0
# How long a storm may go unnoticed.
DETECT_S = 30.0
# How long writes may be missing on a replica when the traffic is over.
SETTLE_S = 30

Storm = Callable[[Servers], None]
# What mends it while the traffic goes on: it returns what it did, and when, in seconds since it began.
Cure = Callable[[Servers], tuple[Step, ...]]
# Takes back what the storm did to the network, also where it was ended before it was mended.
Undo = Callable[[], None]


class OutageDrill:
    """Clients write and read at a steady rate while a storm hits and is mended."""

    def __init__(  # noqa: PLR0913, PLR0917 - what the drills differ in
        self,
        servers: Servers,
        options: Options,
        say: Say,
        storm: Storm,
        cure: Cure,
        undo: Undo = lambda: None,
        beside: Sequence[str] = (),
    ) -> None:
        """Know what will happen; nothing is touched yet. Some clients come by the ways `beside` the usual one.

        Raises:
            UsageError: the way that was asked for is none, or not for this instance.
        """
        self._servers = servers
        self._options = options
        self._say = say
        self._storm = storm
        self._cure = cure
        self._undo = undo
        ways = list(dict.fromkeys([choose_way(options.via, servers.topology), *beside]))
        self._traffic = Traffic(self._servers, ways=ways)
        self._lag = LagSampler(self._servers)
        self._storm_s = 0.0
        self._mended_s = 0.0
        self._steps: list[Step] = []
        self._before: dict[str, float] = {}
        self._recorded: Recorded | None = None
        self.facts: dict[str, Any] = {"via": " and ".join(ways)}

    def baseline(self) -> None:
        """Demand a green instance, and measure what its clients do when all is well."""
        demand_green(self._servers)
        self._traffic.start()
        self._lag.start()
        self._rest(BEFORE_S)
        writes, reads = (sum(each.acknowledged for each in self._traffic.log.all(kind)) for kind in ("write", "read"))
        self._before = {"writes_per_s": round(writes / BEFORE_S, 1), "reads_per_s": round(reads / BEFORE_S, 1)}
        self.facts["before"] = f"{writes / BEFORE_S:.0f} writes and {reads / BEFORE_S:.0f} reads a second"

    def storm(self) -> None:
        """Do the damage."""
        self._storm_s = time.monotonic()
        self._storm(self._servers)

    def recovery(self) -> None:
        """Do what mends it under traffic, then let topology-up mend what is left."""
        offset_s = time.monotonic() - self._storm_s
        self._steps = [Step(step.what, round(offset_s + step.at_s, 3)) for step in self._cure(self._servers)]
        self._mended_s = time.monotonic()
        self.facts["steps"] = [f"{step.at_s:8.3f} s  {step.what}" for step in self._steps]
        self._rest(AFTER_S)
        self._traffic.stop()
        self._lag.stop()
        self._undo()
        self._say("mending what is left")
        self._mend()

    def _mend(self) -> None:
        """Bring the instance up; a server that has what nobody else has, or stopped at it, is copied anew."""
        instance = self._servers.topology.instance
        if bring_up(instance) == 0:
            return
        with Servers(Instance(instance).topology()) as servers:
            red = {answer.node for answer in ask_all(servers).red if answer.check == "errant_transactions"}
        self.facts["rebuilt"] = ", ".join(sorted(red)) or "nobody"
        for name in sorted(red):
            bring_up(instance, REBUILD=name)

    def verdict(self) -> list[str]:
        """Judge by the log and by what the servers hold."""
        with Servers(Instance(self._servers.topology.instance).topology()) as servers:
            source, *_ = servers.topology.sources
            verdict = judge(self._traffic.log, held_ids(servers[source.name]), self._storm_s)
            report = ask_all(servers)
        self.facts |= {
            "writes": _outage(verdict.writes),
            "reads": _outage(verdict.reads),
            "one client": _outage(verdict.worst_client),
            "acknowledged": f"{verdict.acknowledged} writes, of which lost: {len(verdict.lost)}",
            "lost": list(verdict.lost) or "none",
            "stale reads": f"{verdict.stale_reads}, at most {verdict.oldest_stale_s:.3f} s behind their own session",
            "errors": dict(verdict.errors) or "none",
            "uncertain": f"{verdict.uncertain} writes failed and are there",
            "checks": report.in_words,
        }
        operations, seen = self._traffic.log.all(), self._lag.seen
        self._recorded = Recorded(operations, seen, self._storm_s, self._mended_s, self._steps, verdict)
        may_lose = not self._servers.topology.semi_sync
        return [*failures(verdict, may_lose=may_lose), *report.doubts()]

    def files(self) -> Mapping[str, Iterator[str]]:
        """Return what belongs beside the report: each operation, each look at a server, and the verdict in figures."""
        verdict = {**self._recorded.verdict.as_dict(), "before": self._before} if self._recorded else {}
        return {
            "operations.jsonl": self._traffic.log.json_lines(),
            "lag.jsonl": self._lag.json_lines(),
            "verdict.json": iter([json.dumps(verdict, indent=2) + "\n"]),
        }

    def recorded(self) -> Recorded | None:
        """Return what the clients and the sampler saw, once there is a verdict on it."""
        return self._recorded

    def calm(self) -> None:
        """End the traffic, and take back what a container's restart would not; topology-up mends the rest."""
        self._traffic.stop()
        self._lag.stop()
        self._undo()

    @staticmethod
    def _rest(seconds: float) -> None:
        over_s = time.monotonic() + seconds
        wait_until("the traffic", lambda: time.monotonic() >= over_s, timeout_s=seconds + 1, interval_s=0.05)


def _outage(outage: Outage | None) -> str:
    return "none any more" if outage is None else f"{outage.seconds:.3f} s without an acknowledged one"


def bring_up(instance: str, **options: str) -> int:
    """Run topology-up as a person would; return its exit code."""
    command = [str(Path(sys.executable).with_name("wavetank")), "up"]
    environment = {**os.environ, "INSTANCE": instance, **options}
    done = subprocess.run(command, cwd=HOME, env=environment, capture_output=True, check=False)
    return done.returncode


def replace_source(servers: Servers, *, force: bool = False) -> tuple[Step, ...]:
    """Fail over as soon as it is accepted that the source is gone, or, with `force`, although it answers us."""
    started = time.monotonic()
    changes = []

    def accepted() -> bool:
        try:
            changes.append(fail_over(servers, force=force))
        except SourceAnswersError:
            return False
        return True

    # Each drill is a storm of its own: what was before it is not haste.
    FailoverLog(servers.instance).forget()
    wait_until("the failover", accepted, timeout_s=DETECT_S, interval_s=0.05)
    waited_s = time.monotonic() - started - changes[0].steps[-1].at_s
    return tuple(Step(step.what, round(waited_s + step.at_s, 3)) for step in changes[0].steps)
