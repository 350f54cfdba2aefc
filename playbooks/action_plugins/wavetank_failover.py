"""Replace the source of a running instance, which is gone, by a replica that has everything."""

import dataclasses

from ansible.module_utils.parsing.convert_bool import boolean
from wavetank.change.failover.dry_run import plan_failover
from wavetank.change.failover.run import fail_over
from wavetank.provision.action import WavetankAction
from wavetank.servers.node import Servers
from wavetank.topology.instance import find_instance


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        force = boolean(arguments["force"] or False, strict=False)
        with Servers(find_instance(arguments["instance"]).topology()) as servers:
            if self._task.check_mode:
                return self.planned(plan_failover(servers, str(arguments["node"]), force=force))
            change = fail_over(servers, str(arguments["node"]), force=force)
            return {"changed": not change.done_before, "change": dataclasses.asdict(change)}
