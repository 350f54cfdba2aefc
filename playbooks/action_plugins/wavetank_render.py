"""Ask this machine whether the instance fits on it, then write its files."""

from wavetank.action import WavetankAction
from wavetank.instance import Instance
from wavetank.planning import preflight, with_image
from wavetank.rendering import render_instance


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        topology = with_image(self.topology(arguments), arguments["image"])
        preflight(topology)
        there = Instance(topology.instance).compose_file.exists()
        changed = render_instance(topology, dry_run=self._task.check_mode)
        return {"changed": bool(changed), "files": changed, "new": not there, "topology": topology.to_json()}
