"""Ask every check; fail the task with the findings."""

from wavetank.action import WavetankAction
from wavetank.checks import ask_all
from wavetank.drift import wait_for_replication
from wavetank.node import Servers


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        topology = self.topology(arguments)
        with Servers(topology) as servers:
            wait_for_replication(servers)
            report = ask_all(servers)
        return {"failed": not report.green, "report": report.as_dict(), "msg": "\n".join(report.lines())}
