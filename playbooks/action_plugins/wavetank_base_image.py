"""Find the image that holds the server: here, in a registry, or to be built."""

from wavetank.provision.action import WavetankAction
from wavetank.provision.images import find_base


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        base = find_base(str(arguments.get("wanted") or ""))
        return {"base": base.name, "build": base.build or ""}
