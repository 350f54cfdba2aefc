"""Say whether a Docker engine and compose plugin are here, and whether we may see to what is missing."""

import contextlib
import dataclasses

from wavetank.errors import UsageError
from wavetank.machine.containers import engine_answers
from wavetank.provision.action import WavetankAction
from wavetank.provision.engine import advice, can_install, look_at_engine
from wavetank.waiting import wait_until


class ActionModule(WavetankAction):
    def step(self, arguments, task_vars):
        if wait_s := float(arguments.get("wait_s", 0)):
            with contextlib.nullcontext() if arguments.get("required") else contextlib.suppress(UsageError):
                wait_until("the Docker engine to answer", engine_answers, timeout_s=wait_s, hint="dockerd's log")
        engine = look_at_engine()
        if not engine.ready and not can_install():
            raise UsageError(advice(engine))
        return {**dataclasses.asdict(engine), "ready": engine.ready}
