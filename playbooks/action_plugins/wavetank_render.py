"""Ask this machine whether the instance fits on it, then write its files."""

from wavetank.action import WavetankAction
from wavetank.planning import preflight, with_image
from wavetank.rendering import render_instance


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        topology = with_image(self.topology(arguments), arguments["image"])
        preflight(topology)
        changed = render_instance(topology, dry_run=self._task.check_mode)
        return {"changed": bool(changed), "files": changed, "topology": topology.to_json()}
