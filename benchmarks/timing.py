"""A command as a person would call it, timed from outside, and ended with all that it started."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Sequence

import psutil
from wavetank.errors import UsageError
from wavetank.topology.instance import OPTIONS

# What would make the measured instance another than the one meant; the image alone may be chosen.
# The flags of an outer make would too. Compiled Python is what a user has: the Makefile sees to it.
_NOT_PASSED_ON = {option.upper() for option in OPTIONS if option != "mysql_image"} | {
    "INSTANCE", "TOPOLOGY", "REBUILD",
    "MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "PYTHONDONTWRITEBYTECODE",
}  # fmt: skip


def timed(command: Sequence[str], timeout_s: float) -> tuple[float, str]:
    """Run a command; return the seconds it took and what it printed.

    Raises:
        UsageError: it failed, or did not end in time.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
    what = " ".join(command)
    begin = time.monotonic()
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        with _ended_on_failure(process):
            try:
                output, _ = process.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired as error:
                raise UsageError(f"waited {timeout_s:g} s for: {what}") from error
        seconds = time.monotonic() - begin
    if process.returncode != 0:
        last = [line for line in output.splitlines() if line.strip()][-5:]
        raise UsageError("\n  ".join([f"exit code {process.returncode} of: {what}", *last]))
    return seconds, output


@contextlib.contextmanager
def _ended_on_failure(process: subprocess.Popen[str]) -> Iterator[None]:
    """End a command and all that it started, should it be left before it has ended.

    Ansible's workers are in sessions of their own, so that a signal to the process group does not reach them.
    """
    try:
        yield
    except BaseException:
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = psutil.Process(process.pid)
            tree = [parent, *parent.children(recursive=True)]
            for member in tree:
                with contextlib.suppress(psutil.NoSuchProcess):
                    member.terminate()
            for member in psutil.wait_procs(tree, timeout=10)[1]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    member.kill()
        raise
