"""Wait for the servers, finish what was begun, then say what each needs to be what the inventory says."""

import dataclasses

from wavetank.change.drift import find_drift, wait_for_servers
from wavetank.change.finishing import finish_all
from wavetank.machine.containers import is_running
from wavetank.provision.action import WavetankAction
from wavetank.servers.node import Servers


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        topology = self.topology(arguments)
        if self._task.check_mode and not all(is_running(topology.container(node)) for node in topology.nodes):
            return {"nodes": []}  # what would be started cannot be asked yet
        with Servers(topology) as servers:
            wait_for_servers(servers)
            finished = [] if self._task.check_mode else finish_all(servers)
            found = find_drift(servers)
        for drift in found if arguments.get("restarted") else ():
            drift.restart.clear()  # what one restart has not mended, another will not
        nodes = [dataclasses.asdict(drift) | {"groups": drift.groups} for drift in found]
        return {"changed": bool(finished), "finished": finished, "nodes": nodes}
