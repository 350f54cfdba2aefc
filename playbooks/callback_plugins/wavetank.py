"""What a person sees of a playbook: a line for each step that did something, a line for a refusal, an end."""

import json
import os
import sys
import time

# A step runs in a process that is forked from this one: what most of them need is imported once, here.
import docker  # noqa: F401
from ansible.context import CLIARGS
from ansible.plugins.callback import CallbackBase

# By whether it was only a look (--check), and whether anything changed or would have.
OUTCOMES = {
    (False, True): "done",
    (False, False): "nothing had to change",
    (True, True): "nothing changed; without --check it would have",
    (True, False): "nothing would change",
}

DOCUMENTATION = """
name: wavetank
type: stdout
short_description: one line a step
description: Prints a line for each task that changed something, one line for a refusal, and how it ended.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "wavetank"

    def __init__(self):
        super().__init__()
        self._started = time.monotonic()
        self._task = None
        self._task_started = self._started
        self._changed_now = False
        self._changed = False
        self._failed = False
        self._instance = os.environ.get("INSTANCE", "")
        self._live = sys.stdout.isatty()

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._close_task()
        self._task, self._task_started = task, time.monotonic()
        if self._live:
            print(f"\r\x1b[K  … {self._title()}", end="", flush=True)

    def v2_runner_on_ok(self, result):
        data = result.result
        if result.is_changed():
            self._changed_now = True
        if self._task.action == "ansible.builtin.debug":
            self._say(f"  · {data['msg']}")
        elif self._task.action == "wavetank_plan":
            self._introduce(json.loads(data["topology"]))
        elif self._task.action == "wavetank_drift" and CLIARGS["check"]:
            for node in data["nodes"]:
                needed = [f"a restart for {reason}" for reason in node["restart"]] + node["statements"]
                for need in needed:
                    self._say(f"  · {node['node']} needs: {need}")
        elif CLIARGS["check"] and "said" in data:
            for line in data["said"]:
                self._say(f"  · {line.strip()}")
        elif self._task.action == "wavetank_verify" and "report" in data:
            self._tell_of_checks(data["report"], data["words"])

    def _tell_of_checks(self, report, words):
        checks = len({answer["check"] for answer in report["answers"]})
        self._say(f"  ✓ {checks} checks, {words}  {report['seconds']:.1f} s")
        for answer in report["answers"]:
            for each in answer["not_asked"]:
                self._say(f"  ○ {answer['node']}: {answer['check']} was not asked: {each['reason']}")

    def v2_runner_on_failed(self, result, ignore_errors=False):
        if ignore_errors:
            return
        self._failed = True
        self._close_task()
        data = result.result
        for line in data.get("lines") or [" ".join(str(data.get("msg") or data).split())]:
            print(f"wavetank: {line}", file=sys.stderr, flush=True)
        detail = str(data.get("stderr") or "").strip().splitlines()
        # A command's own words, where its msg does not repeat them as compose's does.
        if detail and "cmd" in data and detail[-1] not in str(data.get("msg")):
            print(f"wavetank: {detail[-1]}", file=sys.stderr, flush=True)

    def v2_runner_item_on_failed(self, result):
        self._failed = True
        print(f"wavetank: {self._title()}: {result.result.get('msg')}", file=sys.stderr, flush=True)

    v2_runner_on_unreachable = v2_runner_on_failed

    def v2_playbook_on_stats(self, stats):
        self._close_task()
        if not self._failed:
            seconds = time.monotonic() - self._started
            outcome = OUTCOMES[bool(CLIARGS["check"]), self._changed]
            self._say(f"  {self._instance + ': ' if self._instance else ''}{outcome}, {seconds:.1f} s")

    def _introduce(self, topology):
        self._instance = topology["instance"]
        ports = [node["port"] for node in topology["nodes"]]
        self._say(f"{self._instance}: {len(ports)} servers on 127.0.0.1:{ports[0]}-{ports[-1]}")

    def _title(self):
        return self._task.get_name().split(" : ")[-1]

    def _close_task(self):
        if self._changed_now:
            took = f"{time.monotonic() - self._task_started:.1f} s"
            self._say(f"  · would: {self._title()}" if CLIARGS["check"] else f"  ✓ {self._title()}  {took}")
            self._changed = True
            self._changed_now = False
        elif self._live:
            print("\r\x1b[K", end="", flush=True)

    def _say(self, line):
        print(f"\r\x1b[K{line}" if self._live else line, flush=True)
