"""Plan the instance from the inventory and what was asked for; refuse in one line what cannot work."""

import os
from functools import partial

from wavetank.change.rebuild import check_rebuild
from wavetank.provision.action import WavetankAction
from wavetank.provision.missing import lacks_something
from wavetank.provision.planning import plan
from wavetank.provision.port_reservations import reserve
from wavetank.topology.instance import OPTIONS
from wavetank.topology.proxies import KINDS, proxysqls

HOST_KEYS = ("server_id", "writable", "replicates_from", "my_cnf", "weight", "shard")


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        hostvars = task_vars["hostvars"]
        hosts = {
            name: {key: hostvars[name][key] for key in HOST_KEYS if key in hostvars[name]}
            for name in task_vars["groups"].get("mysql", [])
        }
        asked = {key: arguments["asked"][key] for key in OPTIONS}
        proxies = {kind: {name: hostvars[name][kind] for name in task_vars["groups"].get(kind, [])} for kind in KINDS}
        # A step runs in a process of its own; that of the playbook lasts until the containers hold their ports.
        ours = partial(reserve, holder=os.getppid())
        topology = plan(str(arguments["topology"]), str(arguments["instance"]), hosts, asked, proxies, reserve=ours)
        if name := str(arguments["rebuild"]):
            check_rebuild(topology, name)
        return {
            "topology": topology.to_json(),
            "mysql_image": topology.given.get("mysql_image", ""),
            "lacks_something": lacks_something(topology),
            "passive": [node.name for node in topology.nodes if node.passive],
            "proxysqls": [proxy.name for proxy in proxysqls(topology.proxies)],
        }
