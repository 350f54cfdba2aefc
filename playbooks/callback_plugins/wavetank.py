"""What a person sees of a playbook: a line a step that did something, refusals as one line, the time it took."""

import sys
import time

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: wavetank
type: stdout
short_description: one line a step
description: Prints a line for each task that changed something, one line for a refusal, and the time.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "wavetank"

    def __init__(self):
        super().__init__()
        self._started = time.monotonic()
        self._task_started = self._started
        self._task = None
        self._changed = {}
        self._live = sys.stdout.isatty()

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._close_task()
        self._task, self._task_started = task, time.monotonic()
        if self._live:
            print(f"\r\x1b[K  … {task.get_name().split(' : ')[-1]}", end="", flush=True)

    def v2_runner_on_ok(self, result):
        if result.is_changed():
            self._changed.setdefault(self._task, []).append(result._host.get_name())

    def v2_runner_on_failed(self, result, ignore_errors=False):
        if ignore_errors:
            return
        self._close_task()
        data = result._result
        message = str(data.get("msg") or data.get("stderr") or data)
        print(f"wavetank: {message}", file=sys.stderr, flush=True)

    def v2_playbook_on_stats(self, stats):
        self._close_task()
        print(f"{time.monotonic() - self._started:.1f} s")

    def _close_task(self):
        if self._live:
            print("\r\x1b[K", end="")
        if hosts := self._changed.pop(self._task, None):
            name = self._task.get_name().split(" : ")[-1]
            print(f"  ✓ {name}  {time.monotonic() - self._task_started:.1f} s", flush=True)
