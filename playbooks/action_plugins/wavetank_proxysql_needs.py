"""Wait for a ProxySQL, then say what it needs to be what the inventory says."""

import dataclasses

from wavetank.machine.containers import is_running
from wavetank.provision.action import WavetankAction
from wavetank.proxysql.deviations import Needs, needs
from wavetank.proxysql.runtime_state import wait_for_proxysql
from wavetank.servers.node import Servers
from wavetank.topology.instance import Instance


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        topology = Instance(str(arguments["instance"])).topology()
        proxy = topology.proxy(str(arguments["proxy"]))
        found = Needs()
        # What would be started cannot be asked yet.
        if is_running(topology.container(proxy)) or not self._task.check_mode:
            with Servers(topology) as servers:
                wait_for_proxysql(servers, proxy)
                found = needs(servers, proxy)
        return {**dataclasses.asdict(found), "port": proxy.side_port}
