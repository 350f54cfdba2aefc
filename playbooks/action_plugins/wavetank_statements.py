"""Run the statements that servers need, on all of them side by side."""

from wavetank.change.drift import mend
from wavetank.provision.action import WavetankAction
from wavetank.servers.node import Servers
from wavetank.topology.instance import find_instance

# How long a server may take for a statement, in seconds: one that stops a channel waits for its source, which may be
# cut off.
MENDING_S = 90


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        statements = {needs["node"]: needs["statements"] for needs in arguments["needs"]}
        if not self._task.check_mode:
            with Servers(find_instance(arguments["instance"]).topology(), MENDING_S) as servers:
                mend(servers, statements)
        return {"changed": True}
