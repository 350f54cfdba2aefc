"""Replace the source of a running instance, which is gone, by a replica that has everything."""

import dataclasses

from ansible.module_utils.parsing.convert_bool import boolean
from wavetank.action import WavetankAction
from wavetank.failover import fail_over, plan_failover
from wavetank.instance import find_instance
from wavetank.node import Servers


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        force = boolean(arguments["force"] or False, strict=False)
        with Servers(find_instance(arguments["instance"]).topology()) as servers:
            if self._task.check_mode:
                return self.planned(plan_failover(servers, str(arguments["node"]), force=force))
            change = fail_over(servers, str(arguments["node"]), force=force)
            return {"changed": not change.done_before, "change": dataclasses.asdict(change)}
