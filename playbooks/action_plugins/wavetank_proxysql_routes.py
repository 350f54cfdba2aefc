"""State all routes of a ProxySQL by user and schema; they take effect with the next load."""

from wavetank.action import WavetankAction
from wavetank.instance import Instance
from wavetank.node import Servers
from wavetank.proxysql import state_routes


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        topology = Instance(str(arguments["instance"])).topology()
        if not self._task.check_mode:
            with Servers(topology) as servers:
                state_routes(servers, topology.proxy(str(arguments["proxy"])))
        return {"changed": True}
