"""The settings that are compared: how many acknowledgements a commit waits for, and which way clients come."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

from wavetank.drills.runner import all_drills, find_drill
from wavetank.drills.traffic.choosing import all_routes
from wavetank.errors import UsageError
from wavetank.provision.port_allocation import FIRST_PORT
from wavetank.provision.proxy_images import why_no_proxysql
from wavetank.topology.inventory import declared_topology
from wavetank.topology.proxies import PROXYSQL

ACKNOWLEDGEMENTS = (0, 1, 2)
MOST_ACKNOWLEDGEMENTS = 5
MOST_RUNS = 50
# All settings have the same servers: as many that a failover leaves enough of them to send two acknowledgements.
LEAST_REPLICAS = 3


@dataclass(frozen=True)
class Setting:
    """One of them.

    Attributes:
        acknowledgements: how many acknowledgements a commit waits for, 0 for asynchronous replication.
        via: the way from the clients to the servers, one of drills.traffic.client_routes.
    """

    acknowledgements: int
    via: str

    @property
    def replication(self) -> str:
        """The replication as people call it."""
        if not self.acknowledgements:
            return "asynchronous"
        return f"semi-sync, {self.acknowledgements} ack{'s' if self.acknowledgements > 1 else ''}"

    @property
    def name(self) -> str:
        """Both, as a table's row begins."""
        return f"{self.replication}, {self.via}"

    @property
    def slug(self) -> str:
        """Both, as a file is named."""
        return f"semi-sync-{self.acknowledgements}-{self.via}" if self.acknowledgements else f"async-{self.via}"


@dataclass(frozen=True)
class Plan:
    """What will be compared.

    Attributes:
        drill: the storm.
        topology: the inventory that every instance is brought up from.
        replicas: how many replicas each has.
        acknowledgements: which numbers of acknowledgements; an instance each.
        ways: which ways; all of them to the same instance.
        runs: how many runs of each setting.
        left_out: what was asked for, cannot be had here, and why; '' where that is nothing.
    """

    drill: str
    topology: str
    replicas: int
    acknowledgements: tuple[int, ...]
    ways: tuple[str, ...]
    runs: int
    left_out: str = ""

    @property
    def settings(self) -> list[Setting]:
        """All settings, in the order in which they are shown."""
        return [Setting(acknowledgements, via) for acknowledgements, via in product(self.acknowledgements, self.ways)]


def make_plan(  # noqa: PLR0913 - what a person may say of a comparison, and how it is told
    drill: str, *, runs: str, acknowledgements: str, ways: str, plain: str, say: Callable[[str], None]
) -> Plan:
    """Return what is compared, or refuse before anything is brought up.

    Args:
        drill: the storm.
        runs: how many of each setting.
        acknowledgements: numbers separated by commas, '' for the usual ones.
        ways: names separated by commas, '' for all.
        plain: the topology where no proxy is needed.
        say: is told what is left out.

    Raises:
        UsageError: one of them is none, or nothing is left to compare.
    """
    _refuse_unfit(drill, plain)
    if not runs.isdecimal() or not 1 <= int(runs) <= MOST_RUNS:
        raise UsageError(f"runs={runs} is not a number from 1 to {MOST_RUNS}")
    numbers = _numbers(acknowledgements)
    names = tuple(dict.fromkeys(_split(ways))) or tuple(all_routes())
    if unknown := [name for name in names if name not in all_routes()]:
        raise UsageError(f"via={unknown[0]} is no way to the servers; there are: {', '.join(all_routes())}")
    left_out = ""
    if PROXYSQL in names and (reason := why_no_proxysql()):
        names = tuple(name for name in names if name != PROXYSQL)
        if not names:
            raise UsageError(reason)
        left_out = f"without the rows through ProxySQL: {reason}"
        say(left_out)
    topology = PROXYSQL if PROXYSQL in names else plain
    return Plan(drill, topology, max(LEAST_REPLICAS, max(numbers) + 1), numbers, names, int(runs), left_out)


def _refuse_unfit(drill: str, plain: str) -> None:
    if not drill:
        fit = [
            name for name, each in all_drills().items() if each.concerns(declared_topology(plain, plain, FIRST_PORT))
        ]
        raise UsageError(f"say which storm: make compare DRILL=, one of {', '.join(fit)}")
    find_drill(drill, declared_topology(plain, plain, FIRST_PORT))


def _split(text: str) -> Sequence[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _numbers(text: str) -> tuple[int, ...]:
    for part in _split(text):
        if not part.isdecimal() or int(part) > MOST_ACKNOWLEDGEMENTS:
            raise UsageError(f"semi_sync={part} is not a number of acknowledgements from 0 to {MOST_ACKNOWLEDGEMENTS}")
    return tuple(sorted({int(part) for part in _split(text)})) or ACKNOWLEDGEMENTS
