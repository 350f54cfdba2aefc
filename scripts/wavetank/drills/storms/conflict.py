"""What sources that replicate from each other are feared for: both write, neither knows."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from itertools import combinations
from typing import Any

from wavetank.conflicts.record import Recorded
from wavetank.conflicts.resolve import MANUAL, find_open_conflicts, read_strategy, resolve
from wavetank.conflicts.survey import peer_names, recorder
from wavetank.conflicts.workload import SCHEMA, TABLES, Planned, make_workload
from wavetank.drills.drill import Drill, Options, Say, after_the_storm, attempt, demand_green
from wavetank.drills.judging.drill_spec import CONFLICTS, DrillSpec
from wavetank.drills.judging.history import DrillHistory
from wavetank.drills.judging.judges import Judgement
from wavetank.drills.judging.records import Harmless, Labelled, Told
from wavetank.drills.traffic.promises import Promises
from wavetank.errors import UnreachableError, UsageError
from wavetank.machine import network
from wavetank.servers.node import Server, Servers, StatementError, query_on
from wavetank.servers.replication import applier_error, channels_of, replicates
from wavetank.threads import side_by_side
from wavetank.topology.model import Topology
from wavetank.waiting import wait_until

STORM = "The network between all sources breaks while each of them takes writes, some to the same rows."
PROMISES = Promises()
MENDED_BY = ""
SETTLE_S = 60.0


def concerns(topology: Topology) -> bool:
    """Say whether at least two servers take writes and replicate from each other."""
    return len([node for node in topology.peers if not node.passive]) > 1


def routes(_: Topology) -> tuple[str, ...]:
    """Say that there is nothing to choose: each source is written to directly."""
    return ()


def prepare(servers: Servers, options: Options, say: Say) -> Drill:
    """Make the workload; its seed and the names of the servers say all of it."""
    return ConflictDrill(servers, options, say)


class ConflictDrill:
    """Sources cut from each other, writes that conflict and writes that do not, then detection and resolution."""

    def __init__(self, servers: Servers, options: Options, say: Say) -> None:
        """Read the strategy; nothing is changed yet."""
        self._servers = servers
        self._strategy = read_strategy(options.strategy, servers.topology)
        self._say = say
        self._peers = peer_names(servers)
        self._workload = make_workload(self._peers, options.seed, options.operations)
        if options.thresholds.rto_s is not None:
            raise UsageError("max_rto is for drills with clients; conflict measures no time without writes")
        self._thresholds = options.thresholds
        self._found: list[Recorded] = []
        self._told: list[Told] = []
        self._resolved = False
        self._wrong: list[str] = []
        self.facts: dict[str, Any] = {"seed": options.seed, "strategy": str(self._strategy)}

    @property
    def _containers(self) -> list[str]:
        topology = self._servers.topology
        return [topology.container(topology.node(name)) for name in self._peers]

    def baseline(self) -> None:
        """Demand a green instance without open conflicts, and give every server the same rows."""
        demand_green(self._servers)
        if still_open := find_open_conflicts(self._servers):
            raise UsageError(f"{len(still_open)} conflicts are open before the storm: make conflicts lists them")
        server = recorder(self._servers)
        server.execute(f"DROP SCHEMA IF EXISTS {SCHEMA}", f"CREATE SCHEMA {SCHEMA}", *TABLES)
        with server.connection("admin") as connection:
            for statement, values in self._workload.base:
                query_on(connection, statement, values, node=server.name)
        self._wait_until_settled()
        find_open_conflicts(self._servers)

    def storm(self) -> None:
        """Cut every source from every other, and let all of them write at once."""
        for one, other in combinations(self._containers, 2):
            network.cut(one, other)
        self._say("the sources are cut from each other")
        started = time.monotonic()
        side_by_side(self._write, self._peers)
        self.facts["operations"] = self._workload.operations | {"seconds": round(time.monotonic() - started, 3)}
        network.heal(self._containers)
        self._say("the network is whole again")

    def _write(self, name: str) -> None:
        with closing(self._servers[name].connect("admin")) as connection:
            for number, transaction in enumerate(self._workload.scripts[name], start=1):
                try:
                    for statement, values in [("START TRANSACTION", ()), *transaction, ("COMMIT", ())]:
                        query_on(connection, statement, values, node=name)
                except (UnreachableError, StatementError) as error:
                    self._told.append(Told(name, number, " ".join(str(error).split())))
                    raise
                self._told.append(Told(name, number))

    def recovery(self) -> None:
        """See what replication makes of it, find and record the conflicts, and resolve them."""
        self._wait_until_settled()
        self.facts["stopped by replication"] = self._stopped() or "nothing"
        started = time.monotonic()
        self._found = [conflict for conflict in find_open_conflicts(self._servers) if conflict.schema_name == SCHEMA]
        self.facts["detection"] = f"{time.monotonic() - started:.3f} s"
        if self._strategy.name == MANUAL:
            self.facts["resolution"] = "left to you: make conflicts lists them and says what to run"
            return
        started = time.monotonic()
        done = resolve(self._servers, self._strategy, self._say)
        self._resolved = True
        self._wrong += [f"{conflict.where} could not be decided: {why}" for conflict, why in done.refused]
        winners = Counter(str(conflict.winner) for conflict in done.resolved)
        self.facts["resolution"] = {
            "decided": f"{len(done.resolved)} in {time.monotonic() - started:.3f} s",
            "closed to writes": f"{done.closed_s:.3f} s",
            "winners": dict(sorted(winners.items())),
        }

    def _stopped(self) -> dict[str, str]:
        """Return which appliers have stopped, and at what."""
        stopped: dict[str, str] = {}
        for name in self._peers:
            for channel, row in channels_of(self._servers[name]).items():
                if row["applier"] == "OFF":
                    error = applier_error(self._servers[name], channel)
                    stopped[f"{name} from {row['HOST']}"] = f"error {error['errno']}" if error else "no error"
        return stopped

    def _wait_until_settled(self) -> None:
        """Wait until every channel has stopped at an error, or has applied all that its source has."""

        def settled() -> bool:
            return all(self._has_settled(self._servers[node.name]) for node in self._servers.topology.replicas)

        wait_until("replication to go as far as it can", settled, timeout_s=SETTLE_S, interval_s=0.1)

    def _has_settled(self, server: Server) -> bool:
        for row in channels_of(server).values():
            if row["applier"] == "OFF":
                continue
            theirs = self._servers[row["HOST"]].value("SELECT @@GLOBAL.gtid_executed")
            # The source's heartbeat goes on meanwhile: what it had when it was asked is enough.
            if not replicates(row) or not server.value("SELECT GTID_SUBSET(%s, @@GLOBAL.gtid_executed)", [theirs]):
                return False
        return True

    def mend(self) -> None:
        """Heal the network, also where the storm did not come so far."""
        network.heal(self._containers)

    def history(self) -> DrillHistory:
        """Return what was planned and told, and what was found and is held by each source."""
        workload = self._workload
        harmless = [Harmless(code, label) for code, label in workload.harmless.items()]
        held: list[list[object]] = []
        attempt(
            "asking what is held",
            lambda: held.append([*map(self._as_planned, self._found), *self._rows()]),
            self._wrong,
        )
        attempt("asking the checks", self._ask_checks, self._wrong)
        declared = DrillSpec(
            instance=self._servers.topology.instance,
            kind=CONFLICTS,
            promises=PROMISES,
            thresholds=self._thresholds,
            transactions={name: len(script) for name, script in workload.scripts.items()},
            resolved=self._resolved,
            witnessed=tuple(self._wrong),
        )
        return DrillHistory(declared, [*self._told, *workload.planned, *harmless], held[0] if held else None)

    def _ask_checks(self) -> None:
        # Conflicts that are left to a person leave sources that differ.
        if self._resolved:
            self.facts["checks"], wrong = after_the_storm(self._servers)
            self._wrong += wrong

    def _rows(self) -> Iterator[Labelled]:
        """Yield the harmless rows as each source holds them; whatever else is there, is in conflict."""
        for name in self._peers if self._resolved else ():
            for row in self._servers[name].query(f"SELECT code, label FROM {SCHEMA}.items", account="admin"):
                if row["code"] in self._workload.harmless:
                    yield Labelled(name, row["code"], row["label"])

    def _as_planned(self, conflict: Recorded) -> Planned:
        return Planned(
            conflict.kind, conflict.table_name, tuple(str(value).lower() for value in conflict.key_values.values())
        )

    def files(self) -> Mapping[str, Iterable[str]]:
        """Keep nothing beside the report: the tables have it all."""
        return {}

    def recorded(self, _: Judgement) -> None:
        """Return None, as there is nothing to plot: the storm is about rows, not about time."""

    def revert_faults(self) -> None:
        """Heal the network."""
        network.heal(self._containers)
