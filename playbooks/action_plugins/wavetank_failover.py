"""Replace the source of a running instance, which is gone, by the replica that has most."""

import dataclasses

from ansible.module_utils.parsing.convert_bool import boolean
from wavetank.action import WavetankAction
from wavetank.failover import fail_over
from wavetank.instance import find_instance
from wavetank.node import Servers


class ActionModule(WavetankAction):
    _supports_check_mode = False

    def step(self, arguments, task_vars):
        force = boolean(arguments["force"] or False, strict=False)
        with Servers(find_instance(arguments["instance"]).topology()) as servers:
            change = fail_over(servers, str(arguments["node"]), force=force)
            return {"changed": True, "change": dataclasses.asdict(change)}
