"""Let a replica of a running instance take its source's place."""

import dataclasses

from wavetank.change.switchover import plan_switchover, switch_over
from wavetank.provision.action import WavetankAction
from wavetank.servers.node import Servers
from wavetank.topology.instance import find_instance


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        with Servers(find_instance(arguments["instance"]).topology()) as servers:
            if self._task.check_mode:
                return self.planned(plan_switchover(servers, str(arguments["to"])))
            return {"changed": True, "change": dataclasses.asdict(switch_over(servers, str(arguments["to"])))}
