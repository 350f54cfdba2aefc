"""Wait for the servers, then say what each of them needs to be what the inventory says."""

import dataclasses

from wavetank.action import WavetankAction
from wavetank.drift import find_drift, wait_for_servers
from wavetank.node import Servers


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        with Servers(self.topology(arguments)) as servers:
            wait_for_servers(servers)
            return {"nodes": [dataclasses.asdict(drift) | {"groups": drift.groups} for drift in find_drift(servers)]}
