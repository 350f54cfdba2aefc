"""Where one of several peers takes the writes: close the others first, and let nothing be left behind."""

from wavetank.change.drift import wait_for_servers
from wavetank.change.handover import hand_over
from wavetank.provision.action import WavetankAction
from wavetank.servers.node import Servers


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        with Servers(self.topology(arguments)) as servers:
            if not self._task.check_mode:
                wait_for_servers(servers)
            closed = hand_over(servers, dry_run=self._task.check_mode)
        return {"changed": bool(closed), "closed": closed}
