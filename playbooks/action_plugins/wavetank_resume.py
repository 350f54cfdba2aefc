"""Resume containers of the instance that somebody has paused, and heal networks that somebody has cut."""

from wavetank import containers, network
from wavetank.action import WavetankAction


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        project = self.topology(arguments).project
        states = containers.containers(project)
        paused = [state.name for state in states if state.status == "paused"]
        cut_off = network.cut_off(state.name for state in states if state.status in ("paused", "running"))
        for name in paused if not self._task.check_mode else ():
            containers.unpause(name)
        if not self._task.check_mode:
            network.heal(cut_off)
        return {"changed": bool(paused or cut_off), "resumed": paused, "healed": cut_off}
