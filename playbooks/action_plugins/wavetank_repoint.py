"""Move replicas of a running instance behind another source."""

from wavetank.change.repoint import plan_repoint, read_names, repoint
from wavetank.provision.action import WavetankAction
from wavetank.servers.node import Servers
from wavetank.topology.instance import find_instance


class ActionModule(WavetankAction):
    _supports_check_mode = False

    def step(self, arguments, task_vars):
        names, to = read_names(str(arguments["node"]), str(arguments["to"]))
        with Servers(find_instance(arguments["instance"]).topology()) as servers:
            if self._task.check_mode:
                return self.planned(plan_repoint(servers, names, to))
            moved = repoint(servers, names, to)
        return {"changed": any(each.before != to for each in moved), "said": [each.line for each in moved]}
