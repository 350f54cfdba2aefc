"""Move replicas of a running instance behind another source."""

from wavetank.action import WavetankAction
from wavetank.instance import find_instance
from wavetank.node import Servers
from wavetank.repoint import read_names, repoint


class ActionModule(WavetankAction):
    _supports_check_mode = False

    def step(self, arguments, task_vars):
        names, to = read_names(str(arguments["node"]), str(arguments["to"]))
        with Servers(find_instance(arguments["instance"]).topology()) as servers:
            moved = repoint(servers, names, to)
        return {"changed": any(each.before != to for each in moved), "said": [each.line for each in moved]}
