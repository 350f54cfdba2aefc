"""Let a replica of a running instance take its source's place."""

import dataclasses

from wavetank.action import WavetankAction
from wavetank.instance import find_instance
from wavetank.node import Servers
from wavetank.switchover import plan_switchover, switch_over


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        with Servers(find_instance(arguments["instance"]).topology()) as servers:
            if self._task.check_mode:
                return self.planned(plan_switchover(servers, str(arguments["to"])))
            return {"changed": True, "change": dataclasses.asdict(switch_over(servers, str(arguments["to"])))}
