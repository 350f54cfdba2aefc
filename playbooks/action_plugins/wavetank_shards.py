"""Make what the shards lack: schemas, gates, the first map, and where there was no map before, a few rows."""

from wavetank.machine.containers import is_running
from wavetank.provision.action import WavetankAction
from wavetank.sample.sharded_shop import load_first
from wavetank.servers.node import Servers
from wavetank.sharding.establishing import establish
from wavetank.topology.instance import find_instance


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        topology = find_instance(arguments["instance"]).topology()
        if self._task.check_mode and not all(is_running(topology.container(node)) for node in topology.nodes):
            return {"made": []}  # what would be started cannot be asked yet
        with Servers(topology) as servers:
            made = establish(servers, dry_run=self._task.check_mode)
            if not self._task.check_mode:
                made += load_first(servers)
        return {"changed": bool(made), "made": made}
