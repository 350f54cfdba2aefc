"""The shape of every drill that is about an outage: traffic throughout, a storm, what mends it, and the verdict."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from wavetank.change.failover.detection import ANSWER_TIMEOUT_S, SourceAnswersError
from wavetank.change.failover.run import fail_over
from wavetank.change.failover_log import FailoverLog
from wavetank.change.timeline import Step
from wavetank.checks.asking import ask_all
from wavetank.drills.drill import Options, Say, after_the_storm, attempt, demand_green, let_traffic_run
from wavetank.drills.judging.drill_spec import CLIENTS, DrillSpec
from wavetank.drills.judging.history import DrillHistory
from wavetank.drills.judging.judges import Judgement
from wavetank.drills.judging.records import Row
from wavetank.drills.reporting.recorded import Recorded
from wavetank.drills.second_faults import UP_KILLED, SecondFault, mend
from wavetank.drills.traffic.availability import ongoing_outages
from wavetank.drills.traffic.choosing import all_routes, choose_route
from wavetank.drills.traffic.clients import Traffic, held_ids
from wavetank.drills.traffic.lag import LagSampler
from wavetank.drills.traffic.log import READ, WRITE
from wavetank.drills.traffic.promises import Promises
from wavetank.errors import UsageError, WaitedInVain
from wavetank.own_command import UP_TIMEOUT_S, last_line, run_command
from wavetank.servers.node import Servers, silent_ones
from wavetank.topology.instance import Instance
from wavetank.waiting import wait_until

# How long the traffic goes on before the storm, and after what mends it.
BEFORE_S = 3.0
AFTER_S = 3.0
# How long a thread may keep the others of its process waiting.
TURN_S = 0.0005
# How long a storm may go unnoticed.
DETECT_S = 30.0
# How long the traffic goes on for clients who are not served after that.
COME_BACK_S = 20.0

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
        promises: Promises,
        undo: Undo = lambda: None,
        beside: Sequence[str] = (),
        command: Sequence[str] = (),
    ) -> None:
        """Take the storm and its options; nothing is changed yet. Some clients come by the ways `beside` the usual one.

        Where a second fault is to hit what mends, that is the `command` which a person would run.

        Raises:
            UsageError: the way that was asked for is none, or not for this instance.
        """
        self._servers = servers
        self._options = options
        self._say = say
        self._storm = storm
        self._cure = cure
        self._undo = undo
        self._command = command
        topology = servers.topology
        ways = tuple(dict.fromkeys([choose_route(options.via, topology), *beside]))
        self._traffic = Traffic(self._servers, ways=ways)
        self._lag = LagSampler(self._servers)
        own_writes = all(all_routes()[way].OWN_WRITES for way in ways)
        self._declared = DrillSpec(
            instance=topology.instance,
            kind=CLIENTS,
            promises=promises.in_force(topology.semi_sync, own_writes=own_writes),
            thresholds=options.thresholds,
            via=ways,
            semi_sync=topology.semi_sync,
        )
        self._storm_s = 0.0
        self._mended_s = 0.0
        self._steps: list[Step] = []
        self._wrong: list[str] = []
        self.facts: dict[str, Any] = {"via": " and ".join(ways)}

    def baseline(self) -> None:
        """Demand a green instance, and let its clients do what they do when all is well."""
        demand_green(self._servers)
        keep_connections(self._servers)
        # Clients, sampler and what mends share this process: each gets its turn sooner than by default (5 ms).
        sys.setswitchinterval(TURN_S)
        self._traffic.start()
        self._lag.start()
        let_traffic_run(BEFORE_S)
        for kind in (WRITE, READ):
            if not any(each.acknowledged for each in self._traffic.log.all(kind)):
                raise UsageError(
                    f"no {kind} was acknowledged within {BEFORE_S:g} s, before any storm: nothing to measure"
                )

    def storm(self) -> None:
        """Do the damage."""
        self._storm_s = time.monotonic()
        self._storm(self._servers)

    def recovery(self) -> None:
        """Do what mends it under traffic, and let that go on for a while."""
        offset_s = time.monotonic() - self._storm_s
        steps = self._cure(self._servers) if self._second is None else self._mend_by_command(self._second)
        self._steps = [Step(step.what, round(offset_s + step.at_s, 3)) for step in steps]
        self._mended_s = time.monotonic()
        self.facts["steps"] = [f"{step.at_s:8.3f} s  {step.what}" for step in self._steps]
        let_traffic_run(AFTER_S)
        if "refused" in self.facts:
            return
        # An outage that lasts is to be measured, not cut off. One that does not end, the verdict names.
        with contextlib.suppress(WaitedInVain):
            wait_until("all clients to be served", self._all_served, timeout_s=COME_BACK_S, interval_s=0.25)

    @property
    def _second(self) -> SecondFault | None:
        """The second fault where it hits the command that mends the storm, rather than the topology-up after it."""
        second = self._options.second
        return second if second and self._command and (second.what != UP_KILLED or self._command[0] == "up") else None

    def _mend_by_command(self, second: SecondFault) -> Sequence[Step]:
        """Mend as a person would while a second fault hits; who lacks a replica may refuse, and says so."""
        # Each drill is a storm of its own: what was before it is no reason to wait.
        FailoverLog(self._servers.instance).end_recovery_block()
        mended = mend(self._servers.topology, self._command, second)
        if mended.refused and second.of_a_replica:
            self.facts["refused"] = mended.refused
            promises = replace(self._declared.promises, may_stay_out=True)
            self._declared = replace(self._declared, promises=promises)
        elif mended.refused:
            self._wrong.append(f"{self._command[0]}, run once more, did not do what it is for: {mended.refused}")
        return mended.steps

    def _all_served(self) -> bool:
        return not ongoing_outages(self._traffic.log.all(), self._traffic.load)

    def mend(self) -> None:
        """End the traffic, then let topology-up mend what is left; what of it fails holds nothing else up."""
        for what, step in (
            ("ending the traffic", self._traffic.stop),
            ("ending the sampler", self._lag.stop),
            ("taking the storm back", self._undo),
            ("mending", self._mend_instance),
        ):
            attempt(what, step, self._wrong)

    def _mend_instance(self) -> None:
        """Bring the instance up; a server that has what nobody else has, or stopped at it, is copied anew."""
        instance = self._servers.topology.instance
        if not (complaint := self._bring_up()):
            return
        with Servers(Instance(instance).topology()) as servers:
            red = {answer.node for answer in ask_all(servers).red if answer.check == "errant_transactions"}
        self.facts["rebuilt"] = ", ".join(sorted(red)) or "nobody"
        for name in sorted(red):
            complaint = bring_up(instance, REBUILD=name)
        if complaint:
            self._wrong.append(f"topology-up did not mend what was left: {complaint}")

    def _bring_up(self) -> str:
        second = self._options.second
        if second is None or second.what != UP_KILLED or self._second:
            return bring_up(self._servers.topology.instance)
        mended = mend(self._servers.topology, ["up"], second)
        self.facts["topology-up"] = [f"{step.at_s:8.3f} s  {step.what}" for step in mended.steps]
        return mended.refused

    def history(self) -> DrillHistory:
        """Ask the servers what they hold, and return it with the log and with what was promised."""
        held: list[list[Row]] = []
        attempt("asking what is held", lambda: held.append(self._held()), self._wrong)
        attempt("asking the checks", self._ask_checks, self._wrong)
        attempt("proving the storm", lambda: self._wrong.extend(self.shortcomings()), self._wrong)
        load = self._traffic.load
        # Where there was no storm, all was before it; where nothing mended it, it lasted to the end.
        storm_s = self._storm_s or load.ended_s
        mended_s = self._mended_s or max(storm_s, load.ended_s)
        declared = replace(
            self._declared, load=load, storm_s=storm_s, mended_s=mended_s,
            witnessed=(*self._traffic.faults, *self._wrong),
        )  # fmt: skip
        return DrillHistory(declared, self._traffic.log.all(), held[0] if held else None)

    def _held(self) -> list[Row]:
        with Servers(Instance(self._servers.topology.instance).topology()) as servers:
            source, *_ = servers.topology.sources
            return [Row(source.name, id_) for id_ in held_ids(servers[source.name])]

    def _ask_checks(self) -> None:
        with Servers(Instance(self._servers.topology.instance).topology()) as servers:
            self.facts["checks"], wrong = after_the_storm(servers)
        self._wrong += wrong

    def shortcomings(self) -> list[str]:
        """Return what shows that the storm was none, or not the one that it was to be, a sentence each."""
        return []

    def files(self) -> Mapping[str, Iterator[str]]:
        """Return each look at a server."""
        return {"lag.jsonl": self._lag.json_lines()}

    def recorded(self, judgement: Judgement) -> Recorded:
        """Return what the clients and the sampler saw, and what was made of it."""
        declared = judgement.declared
        return Recorded(
            self._traffic.log.all(), self._lag.seen, declared.storm_s, declared.mended_s, self._steps,
            judgement.verdict, declared.promises,
        )  # fmt: skip

    def revert_faults(self) -> None:
        """End the traffic, and take back what a container's restart would not; topology-up mends the rest."""
        self._traffic.stop()
        self._lag.stop()
        self._undo()


def bring_up(instance: str, **options: str) -> str:
    """Run topology-up as a person would; return why it did not do what it is for, '' where it did."""
    done = run_command("up", UP_TIMEOUT_S, options={"INSTANCE": instance, **options})
    if done is not None and done.returncode == 0:
        return ""
    return f"exit code {done.returncode if done else 'none'}: {last_line(done)}"


def keep_connections(servers: Servers) -> None:
    """Have connections to all servers, as whoever watches over them has: a login is time without a writer."""
    for each, account in ((servers, "admin"), (servers.hurried(ANSWER_TIMEOUT_S), "monitor")):
        silent_ones(each, servers.topology.nodes, account)


def failover_of(servers: Servers) -> list[str]:
    """Return the command that replaces the source there is now, and does no more when it is run again."""
    source, *_ = servers.topology.sources
    return ["failover", "--node", source.name, "--json"]


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

    # Each drill is a storm of its own: no earlier one blocks its failover.
    FailoverLog(servers.instance).end_recovery_block()
    wait_until("the failover", accepted, timeout_s=DETECT_S, interval_s=0.02)
    waited_s = time.monotonic() - started - changes[0].steps[-1].at_s
    return tuple(Step(step.what, round(waited_s + step.at_s, 3)) for step in changes[0].steps)
