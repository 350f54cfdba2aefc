"""Have the node image, the server with an initialised data directory; return its name."""

from wavetank.provision.action import WavetankAction
from wavetank.provision.images import ensure_node_image, node_image


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        base = arguments["base"]
        return {"changed": ensure_node_image(base), "image": node_image(base)}
