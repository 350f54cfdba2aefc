"""Whether a drill's instance is there, or has to be brought up first."""

import os

from wavetank.drills.runner import find_drill
from wavetank.drills.traffic.choosing import choose_route
from wavetank.provision.planning import plan, refuse_other_topology
from wavetank.topology.instance import OPTIONS, find_instance
from wavetank.topology.inventory import declared_groups


def absent_instance(drill: str, topology: str, instance: str, via: str) -> str:
    """Return the name of the instance that has to be brought up for a drill on a topology, '' where it is there.

    It is called `instance`, or else as the topology; how it would be brought up is in the environment, as for
    topology-up.

    Raises:
        UsageError: it is there as another topology, it could not be brought up, or the drill is not for it.
    """
    wanted = find_instance(instance or topology)
    if wanted.exists:
        refuse_other_topology(wanted.topology(), topology)
        return ""
    hosts, proxies = declared_groups(topology)
    asked = {option: os.environ.get(option.upper(), "") for option in OPTIONS}
    planned = plan(topology, wanted.name, hosts, asked, proxies)
    find_drill(drill, planned)
    choose_route(via, planned)
    return wanted.name
