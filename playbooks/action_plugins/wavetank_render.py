"""Ask this machine whether the instance fits on it, then write its files."""

from wavetank.machine import containers
from wavetank.provision.action import WavetankAction
from wavetank.provision.compose import stopped_ones
from wavetank.provision.missing import images_of
from wavetank.provision.planning import preflight, with_images
from wavetank.provision.rendering import proxy_file, render_instance
from wavetank.topology.instance import Instance
from wavetank.topology.proxies import routers


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        planned = self.topology(arguments)
        images = images_of(planned)
        topology = with_images(planned, images.node, images.proxies)
        preflight(topology)
        there = Instance(topology.instance).compose_file.exists()
        changed = render_instance(topology, dry_run=self._task.check_mode)
        # One that is not there yet starts with it.
        here = {state.name for state in containers.containers(topology.project)}
        differ = [topology.container(router) for router in routers(topology.proxies) if proxy_file(router) in changed]
        stale = [name for name in differ if name in here]
        stopped = None if stale or "compose.yml" in changed else stopped_ones(topology)
        return {
            "changed": bool(changed),
            "files": changed,
            "new": not there,
            "stale": stale,
            "as_composed": stopped == [],
            "stopped": stopped or [],
            "topology": topology.to_json(),
        }
