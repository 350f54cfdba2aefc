"""Start containers side by side; where one cannot be started as it is, compose has to be asked."""

from wavetank.machine import containers
from wavetank.provision.action import WavetankAction


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        names = list(arguments["containers"])
        return {"changed": True, "all": self._task.check_mode or containers.start_all(names)}
