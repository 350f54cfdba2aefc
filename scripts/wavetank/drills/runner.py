"""One run of a drill: its phases, what goes wrong in them, the verdict, and the report."""

import functools
import importlib
import json
import pkgutil
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from wavetank.drills import storms
from wavetank.drills.drill import Drill, DrillModule, Options, Say, sentence
from wavetank.drills.judging.history import DrillHistory
from wavetank.drills.judging.judges import judge, said
from wavetank.drills.reporting.page import drill_page
from wavetank.drills.second_faults import demand_possible
from wavetank.errors import UnreachableError, UsageError
from wavetank.files import write_if_changed
from wavetank.machine import containers
from wavetank.provision.port_allocation import FIRST_PORT
from wavetank.servers.node import Servers
from wavetank.topology.instance import Instance, topology_names
from wavetank.topology.inventory import declared_topology
from wavetank.topology.model import Topology

if TYPE_CHECKING:
    from wavetank.drills.judging.judges import Judgement

# The file that a person opens.
PAGE = "report.html"


@dataclass
class DrillReport:
    """What came of a drill: how long each phase took, in seconds, what it says of itself, and what is wrong."""

    drill: str
    instance: str
    started: str
    options: Options
    phases: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    directory: str = ""
    page: str = ""

    @property
    def passed(self) -> bool:
        """Whether the verdict found nothing wrong."""
        return not self.failures

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self) | {"passed": self.passed}

    def lines(self) -> Iterator[str]:
        """Yield the report as people read it."""
        yield from said(self.facts)
        yield ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.phases.items())
        yield from (f"✗ {failure}" for failure in self.failures)
        yield f"{self.drill} of {self.instance}: {'passed' if self.passed else 'failed'}"
        yield f"report: {self.page}"


@functools.cache
def all_drills() -> dict[str, DrillModule]:
    """Return every drill by its name."""
    names = sorted(module.name for module in pkgutil.iter_modules(storms.__path__))
    return {name.replace("_", "-"): importlib.import_module(f"{storms.__name__}.{name}") for name in names}


def drill_list() -> dict[str, dict[str, Any]]:
    """Return every drill's storm and the topologies that it is for, by the drill's name."""
    topologies = [declared_topology(name, name, FIRST_PORT) for name in topology_names()]
    return {
        name: {"storm": drill.STORM, "topologies": [each.name for each in topologies if drill.concerns(each)]}
        for name, drill in all_drills().items()
    }


def find_drill(name: str, topology: Topology) -> DrillModule:
    """Return the drill of that name.

    Raises:
        UsageError: there is none, or it means nothing to this topology.
    """
    drill = all_drills().get(name)
    if drill is None:
        raise UsageError(f"no drill {name!r}; there are: {', '.join(all_drills())}")
    if not drill.concerns(topology):
        raise UsageError(
            f"the drill {name} is not for {topology.instance} as it was brought up; make drill says what it is for"
        )
    return drill


def run_drill(name: str, servers: Servers, options: Options, say: Say) -> DrillReport:
    """Run a drill, write its report into the instance's directory, and return it.

    What goes wrong from the storm on is what the drill is for: it is in the report, and the drill has failed.

    Raises:
        UsageError: there is no such drill, or the instance is not in order before the storm.
        UnreachableError: a server does not answer before the storm.
    """
    started = datetime.now(UTC)
    topology = servers.topology
    module = find_drill(name, topology)
    demand_possible(options.second, topology, module.MENDED_BY)
    drill = module.prepare(servers, options, say)
    report = DrillReport(name, servers.topology.instance, started.isoformat(timespec="seconds"), options)
    run = _Run(drill, report, say)
    try:
        history = run.through()
    except BaseException:
        drill.revert_faults()
        raise
    run.guarded("reverting faults", drill.revert_faults)
    run.judge(history)
    _write(run, topology, started)
    return report


class _Run:
    """One run of a drill: phase after phase, and what went wrong in them."""

    def __init__(self, drill: Drill, report: DrillReport, say: Say) -> None:
        self.drill = drill
        self.report = report
        self.judgement: Judgement | None = None
        self._say = say
        self._wrong: list[str] = []
        self._traces: list[str] = []
        self._history: DrillHistory | None = None

    def through(self) -> DrillHistory | None:
        """Go through all phases; where one fails, to what ends the traffic and mends, and to the verdict."""
        drill = self.drill
        self._phase("baseline", drill.baseline, refusals=(UsageError, UnreachableError))
        for name, phase in (("storm", drill.storm), ("recovery", drill.recovery)):
            if not self._wrong:
                self._phase(name, phase)
        self._phase("mending", drill.mend)
        self._phase("verdict", self._keep)
        return self._history

    def _keep(self) -> None:
        self._history = self.drill.history()

    def _phase(self, name: str, phase: Callable[[], None], refusals: tuple[type[Exception], ...] = ()) -> None:
        self._say(name)
        begun = time.monotonic()
        try:
            self.guarded(name, phase, refusals)
        finally:
            self.report.phases[name] = round(time.monotonic() - begun, 3)

    def guarded(self, name: str, phase: Callable[[], None], refusals: tuple[type[Exception], ...] = ()) -> None:
        """Do it, and note what goes wrong, other than a refusal."""
        try:
            phase()
        except refusals:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the report is what a person needs now
            self._wrong.append(sentence(name, error))
            self._traces.append(traceback.format_exc())
            self._say(self._wrong[-1])

    def judge(self, history: DrillHistory | None) -> None:
        """Judge what was kept, and put what is found into the report."""
        if history is not None:
            self._history = self._completed(history)
            self.judgement = judge(self._history)
        self.report.failures = list(self.judgement.failures if self.judgement else self._wrong)
        self.report.facts = {**self.drill.facts, **(self.judgement.facts if self.judgement else {})}

    def _completed(self, history: DrillHistory) -> DrillHistory:
        witnessed = (*self._wrong, *history.declared.witnessed)
        return replace(
            history, declared=replace(history.declared, drill=self.report.drill, witnessed=witnessed)
        ).counted()

    def files(self) -> Mapping[str, Iterable[str]]:
        """Return what lies beside the report, by the file's name: what is judged, and what is found."""
        files = dict(self.drill.files())
        if self._history and self.judgement:
            files |= self._history.files()
            files["verdict.json"] = [json.dumps(self.judgement.as_dict(), indent=2) + "\n"]
        return files | ({"traceback.txt": self._traces} if self._traces else {})


def _write(run: _Run, topology: Topology, started: datetime) -> None:
    """Write the report's directory: its page last, so that where there is one, all is there that it links to."""
    report = run.report
    directory = Instance(report.instance).directory / "reports" / f"{report.drill}-{started:%Y%m%dT%H%M%S}"
    page = directory / PAGE
    report.directory, report.page = str(directory), str(page)
    # A container that was made anew has lost its log.
    logs = {f"{member.name}.log": containers.log_since(topology.container(member), started.timestamp())
            for member in topology.members}  # fmt: skip
    files = {
        "report.json": [json.dumps(report.as_dict(), indent=2) + "\n"],
        "summary.txt": [f"{line}\n" for line in report.lines()],
        **run.files(),
        **{name: [log] for name, log in logs.items()},
    }
    for name, lines in files.items():
        write_if_changed(directory / name, "".join(lines))
    storm = all_drills()[report.drill].STORM
    recorded = run.drill.recorded(run.judgement) if run.judgement else None
    write_if_changed(page, drill_page(report.as_dict(), storm, topology, recorded, list(files)))
