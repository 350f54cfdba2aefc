"""Say which images of proxies have to be built; refuse in one line where one cannot be had."""

from wavetank.provision.action import WavetankAction
from wavetank.provision.proxy_images import find_proxy_images


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        found = find_proxy_images(self.topology(arguments))
        return {"build": [{"image": image, "package": package} for image, package in found.items()]}
