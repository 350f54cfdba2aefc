"""Replace a diverged replica's data by its source's."""

from wavetank.action import WavetankAction
from wavetank.drift import wait_for_servers
from wavetank.node import Servers
from wavetank.rebuild import rebuild


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        if not self._task.check_mode:
            with Servers(self.topology(arguments)) as servers:
                wait_for_servers(servers)
                rebuild(servers, arguments["node"])
        return {"changed": True}
