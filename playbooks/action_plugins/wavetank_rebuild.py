"""Replace a diverged replica's data by its source's."""

from wavetank.change.drift import wait_for_servers
from wavetank.change.rebuild import rebuild
from wavetank.provision.action import WavetankAction
from wavetank.servers.node import Servers


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        if not self._task.check_mode:
            with Servers(self.topology(arguments)) as servers:
                wait_for_servers(servers)
                rebuild(servers, arguments["node"])
        return {"changed": True}
