"""Take back what storms and interrupted ups left: frozen and half-made containers, bad networks, small disks."""

from wavetank.machine import containers, disk, network
from wavetank.provision.action import WavetankAction


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        project = self.topology(arguments).project
        states = containers.containers(project)
        paused = [state.name for state in states if state.status == "paused"]
        running = [state.name for state in states if state.status in ("paused", "running")]
        cut_off, slowed = network.cut_off(running), network.slowed(running)
        moved, half_made = disk.moved(project), containers.half_made(project)
        if not self._task.check_mode:
            for name in paused:
                containers.unpause(name)
            network.heal(cut_off)
            network.quicken(slowed)
            for small in moved:
                small.restore()
            # Compose would stumble over their names.
            for name in half_made:
                containers.remove(name)
        return {
            "changed": bool(paused or cut_off or slowed or moved or half_made),
            "resumed": paused,
            "healed": cut_off + slowed,
            "removed": half_made,
            "restored": [small.container for small in moved],
        }
