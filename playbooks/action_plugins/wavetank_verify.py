"""Ask every check of the instance; fail the task with the findings."""

import json

from wavetank.change.drift import wait_for_replication
from wavetank.checks.asking import ask_all
from wavetank.files import write_if_changed
from wavetank.provision.action import WavetankAction
from wavetank.proxysql.settling import wait_for_proxies
from wavetank.servers.node import Servers
from wavetank.topology.instance import find_instance


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        instance = find_instance(arguments["instance"])
        if self._task.check_mode and not instance.exists:
            return {"skipped": True}
        with Servers(instance.topology()) as servers:
            wait_for_replication(servers)
            wait_for_proxies(servers)
            report = ask_all(servers)
        write_if_changed(instance.report, json.dumps(report.as_dict(), indent=2))
        return {
            "failed": not report.green,
            "report": report.as_dict(),
            "words": report.in_words,
            "lines": list(report.lines()),
        }
