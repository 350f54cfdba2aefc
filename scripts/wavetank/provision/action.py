"""What the action plugins of the playbooks share: they run the package's steps inside ansible-playbook."""

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from wavetank.change.change_plan import Plan
from wavetank.errors import UnreachableError, UsageError
from wavetank.topology.model import Topology


class WavetankAction(ActionBase):  # type: ignore[misc]
    """An action whose work is `step`; what the package refuses fails the task with that one line."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the step with the task's arguments and return its result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        try:
            return result | {"changed": False} | self.step(self._task.args, task_vars or {})
        except (UsageError, UnreachableError) as refusal:
            # Without the cause, which ansible-core would append to the line.
            raise AnsibleActionFail(str(refusal)) from None

    def step(self, arguments: Mapping[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Do the work; return the task's result."""
        raise NotImplementedError

    @staticmethod
    def planned(plan: Plan) -> dict[str, Any]:
        """Return the result of a change that is only looked at.

        Raises:
            UsageError: it would be refused.
        """
        if plan.refused:
            raise UsageError(f"would be refused: {plan.refused}")
        return {"changed": True, "said": list(plan.lines()), "plan": plan.as_dict()}

    @staticmethod
    def topology(arguments: Mapping[str, Any]) -> Topology:
        """Return the topology that an earlier plan step registered."""
        return Topology.from_json(arguments["topology"])
