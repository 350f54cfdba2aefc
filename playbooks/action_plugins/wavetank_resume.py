"""Resume containers of the instance that somebody has paused."""

from wavetank import containers
from wavetank.action import WavetankAction


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        project = self.topology(arguments).project
        paused = [state.name for state in containers.containers(project) if state.status == "paused"]
        for name in paused if not self._task.check_mode else ():
            containers.unpause(name)
        return {"changed": bool(paused), "resumed": paused}
