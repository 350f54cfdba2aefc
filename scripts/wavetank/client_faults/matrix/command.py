"""What `wavetank clients` does: the plan, the instance, the runs, the report."""

import contextlib
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from wavetank.client_faults.lab.bench import PYTHON
from wavetank.client_faults.matrix import report
from wavetank.client_faults.matrix.plan import Plan
from wavetank.client_faults.matrix.results import Results
from wavetank.client_faults.matrix.running import run_matrix
from wavetank.drills.temporary_instances import take_down_leftovers, temporary_instance
from wavetank.errors import UsageError
from wavetank.own_command import alone
from wavetank.servers.node import Servers
from wavetank.topology.instance import STATE, Instance, topology_names
from wavetank.topology.inventory import declared_groups
from wavetank.topology.proxies import MYSQL_ROUTER

# Of the name of its own instance, and of nobody else's.
PREFIX = "clients-"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Measured:
    """A matrix, whole or as far as it came, with its page."""

    results: Results
    about: Mapping[str, str]
    page: Path
    whole: bool


def measure(plan: Plan, instance: str, command: str, say: Say) -> Measured:
    """Measure what the plan says, on that instance or on one of its own; Ctrl-C ends it with what there is by then.

    Raises:
        UsageError: the clients' environment is not there, another matrix is being measured, or the instance is not
            what it takes.
    """
    if not PYTHON.exists():
        raise UsageError("the clients' libraries are not installed: make clients does that")
    now = datetime.now(UTC)
    directory = STATE / "clients" / f"{now:%Y%m%dT%H%M%S}"
    results, whole = Results(plan), True
    with alone("clients"), _instance(instance, say) as known:
        about = {
            "started": now.isoformat(timespec="seconds"), "command": command, "instance": known.name,
            "server": _server_version(known), "python": sys.version.split()[0],
        }  # fmt: skip
        try:
            run_matrix(plan, known, directory, results, say)
        except KeyboardInterrupt:
            whole = False
    return Measured(results, about, report.write(plan, results, about, directory), whole)


@contextlib.contextmanager
def _instance(name: str, say: Say) -> Iterator[Instance]:
    if name:
        yield Instance(name)
        return
    take_down_leftovers(PREFIX)
    own = f"{PREFIX}faults"
    say(f"{own}: bringing a source and two replicas behind MySQL Router up")
    # With one acknowledgement, a failover loses nothing by itself.
    with temporary_instance(own, say, {"TOPOLOGY": _behind_a_router(), "SEMI_SYNC": "1"}) as up:
        yield Instance(up)


def _behind_a_router() -> str:
    """Return the first topology whose servers are behind MySQL Router: a fault kills that, too."""
    return next(name for name in topology_names() if MYSQL_ROUTER in declared_groups(name)[1])


def _server_version(instance: Instance) -> str:
    with Servers(instance.topology()) as servers:
        return str(servers[servers.topology.sources[0].name].value("SELECT VERSION()"))


def command_line(**said: str) -> str:
    """Return the make command that asks for this."""
    return " ".join(["make clients", *(f"{name}={shlex.quote(value)}" for name, value in said.items() if value)])
