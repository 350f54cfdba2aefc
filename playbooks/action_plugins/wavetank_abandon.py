"""Take small disks from under the servers of an instance that is about to be deleted."""

from wavetank.machine import disk
from wavetank.provision.action import WavetankAction
from wavetank.topology.instance import find_instance


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        instance = find_instance(str(arguments["instance"]))
        moved = disk.moved(instance.topology().project) if instance.exists else []
        for small in moved if not self._task.check_mode else ():
            small.abandon()
        return {"changed": bool(moved), "abandoned": [small.container for small in moved]}
