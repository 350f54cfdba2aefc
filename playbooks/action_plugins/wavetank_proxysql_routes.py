"""State all routes of a ProxySQL by user and schema; they take effect with the next load."""

from wavetank.provision.action import WavetankAction
from wavetank.proxysql.deviations import state_routes
from wavetank.servers.node import Servers
from wavetank.topology.instance import Instance


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        topology = Instance(str(arguments["instance"])).topology()
        if not self._task.check_mode:
            with Servers(topology) as servers:
                state_routes(servers, topology.proxy(str(arguments["proxy"])))
        return {"changed": True}
