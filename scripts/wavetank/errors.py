"""The two ways in which Wavetank says no."""


class UsageError(Exception):
    """Bad input or an environment that cannot work: one line, exit code 2, nothing changed."""


class WaitedInVain(UsageError):  # noqa: N818 - it reads as what happened
    """A bounded wait has come to its end without seeing what it waited for."""


class UnreachableError(Exception):
    """A server does not answer; `node` says which one."""

    def __init__(self, node: str, reason: str) -> None:
        """Keep the node's name beside the driver's own reason."""
        super().__init__(f"{node} does not answer: {reason}")
        self.node = node
