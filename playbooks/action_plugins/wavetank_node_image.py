"""Have the node image, the server with an initialised data directory; return its name."""

from wavetank.action import WavetankAction
from wavetank.images import ensure_node_image, node_image


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        base = arguments["base"]
        return {"changed": ensure_node_image(base), "image": node_image(base)}
