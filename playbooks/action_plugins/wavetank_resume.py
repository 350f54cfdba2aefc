"""Take back what storms left: frozen containers, cut or slow networks, and data on a small disk that may be full."""

from wavetank import containers, disk, network
from wavetank.action import WavetankAction


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        project = self.topology(arguments).project
        states = containers.containers(project)
        paused = [state.name for state in states if state.status == "paused"]
        running = [state.name for state in states if state.status in ("paused", "running")]
        cut_off, slowed = network.cut_off(running), network.slowed(running)
        moved = disk.moved(project)
        if not self._task.check_mode:
            for name in paused:
                containers.unpause(name)
            network.heal(cut_off)
            network.quicken(slowed)
            for small in moved:
                small.restore()
        return {
            "changed": bool(paused or cut_off or slowed or moved),
            "resumed": paused,
            "healed": cut_off + slowed,
            "restored": [small.container for small in moved],
        }
