"""What a campaign can draw from: each drill on each topology that can be brought up here, under each replication."""

from collections.abc import Callable, Iterator
from itertools import product

from wavetank.drills.campaign.drawing import Choice, Setting
from wavetank.drills.drill import DrillModule
from wavetank.drills.runner import all_drills
from wavetank.drills.second_faults import possible
from wavetank.drills.traffic.choosing import fitting_routes
from wavetank.errors import UsageError
from wavetank.provision.planning import plan
from wavetank.provision.proxy_images import why_no_proxysql
from wavetank.topology.instance import topology_names
from wavetank.topology.inventory import declared_groups
from wavetank.topology.model import Topology
from wavetank.topology.proxies import PROXYSQL

ACKNOWLEDGEMENTS = (0, 1, 2)
# A failover that leaves one replica leaves nobody to send a second acknowledgement.
REPLICAS_FOR_TWO = "3"
# One may be killed, and its clients come back through the other one.
PROXIES = "2"
# Larger instances take longer to come up than their storms last.
MOST_SERVERS = 12
# Of the names of its instances, and of nobody else's.
PREFIX = "campaign-"


def all_choices(drill: str, say: Callable[[str], None]) -> list[Choice]:
    """Return all choices, or those of the drill of that name; `say` is told what is left out.

    Raises:
        UsageError: there is no such drill.
    """
    drills = all_drills()
    if drill and drill not in drills:
        raise UsageError(f"no drill {drill!r}; there are: {', '.join(drills)}")
    wanted = {name: module for name, module in drills.items() if drill in ("", name)}
    return [choice for planned in _planned(say) for choice in _choices(*planned, wanted)]


def _planned(say: Callable[[str], None]) -> Iterator[tuple[Setting, Topology]]:
    """Yield each setting that can be brought up, with its topology."""
    missing = why_no_proxysql()
    for name, semi_sync in product(topology_names(), ACKNOWLEDGEMENTS):
        hosts, proxies = declared_groups(name)
        if missing and PROXYSQL in proxies:
            if not semi_sync:
                say(f"without {name}: {missing}")
            continue
        replicas, fronts = REPLICAS_FOR_TWO if semi_sync > 1 else "", PROXIES if PROXYSQL in proxies else ""
        setting = Setting(name, semi_sync, replicas, fronts)
        asked = {option.lower(): value for option, value in setting.options.items()}
        try:
            planned = plan(name, f"{PREFIX}{setting.slug}", hosts, asked, proxies)
        except UsageError:
            # No such topology can wait for so many acknowledgements.
            continue
        if len(planned.nodes) <= MOST_SERVERS:
            yield setting, planned


def _choices(setting: Setting, topology: Topology, drills: dict[str, DrillModule]) -> Iterator[Choice]:
    for name, module in drills.items():
        if module.concerns(topology):
            ways = getattr(module, "routes", fitting_routes)(topology)
            yield Choice(name, setting, ways, possible(topology, module.MENDED_BY))
