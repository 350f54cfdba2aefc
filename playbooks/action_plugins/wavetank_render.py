"""Ask this machine whether the instance fits on it, then write its files."""

from wavetank.action import WavetankAction
from wavetank.instance import Instance
from wavetank.planning import preflight, with_images
from wavetank.proxies import routers
from wavetank.rendering import proxy_file, render_instance


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        topology = with_images(self.topology(arguments), arguments["image"], arguments.get("proxy_images") or {})
        preflight(topology)
        there = Instance(topology.instance).compose_file.exists()
        changed = render_instance(topology, dry_run=self._task.check_mode)
        stale = [topology.container(router) for router in routers(topology.proxies) if proxy_file(router) in changed]
        return {
            "changed": bool(changed),
            "files": changed,
            "new": not there,
            "stale": stale,
            "topology": topology.to_json(),
        }
