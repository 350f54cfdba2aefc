"""Let compose make the containers of an instance what its project says."""

from wavetank.provision.action import WavetankAction
from wavetank.provision.compose import compose_up


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        # Nothing is asked of compose where nothing is to be changed: it has been found that it would have to.
        return {"changed": self._task.check_mode or compose_up(self.topology(arguments))}
