"""Wait for the servers, finish what was begun, then say what each needs to be what the inventory says."""

import dataclasses

from wavetank.change.drift import find_drift, wait_for_servers
from wavetank.change.finishing import finish_all
from wavetank.machine.containers import is_running
from wavetank.provision.action import WavetankAction
from wavetank.provision.compose import note_composed
from wavetank.servers.node import Servers
from wavetank.topology.proxies import proxysqls


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        topology = self.topology(arguments)
        # What the plays that follow are for: a group that stays empty costs no task.
        hosts = [{"node": proxy.name, "groups": ["proxysql"]} for proxy in proxysqls(topology.proxies)]
        if topology.shards:
            hosts.append({"node": topology.nodes[0].name, "groups": ["mysql", "sharded"]})
        if self._task.check_mode and not all(is_running(topology.container(node)) for node in topology.nodes):
            return {"nodes": [], "hosts": hosts}  # what would be started cannot be asked yet
        if not self._task.check_mode:
            note_composed(topology)
        with Servers(topology) as servers:
            wait_for_servers(servers)
            finished = [] if self._task.check_mode else finish_all(servers)
            found = find_drift(servers)
        for drift in found if arguments.get("restarted") else ():
            drift.restart.clear()  # what one restart has not mended, another will not
        nodes = [dataclasses.asdict(drift) for drift in found]
        for drift, node in zip(found, nodes, strict=True):
            if drift.groups:
                hosts.append(node | {"groups": ["mysql", *drift.groups]})
        return {"changed": bool(finished), "finished": finished, "nodes": nodes, "hosts": hosts}
