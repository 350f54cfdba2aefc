"""Our own command line, run as a person would run it."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

from wavetank.errors import UsageError
from wavetank.topology.instance import HOME, OPTIONS, STATE

# How long a command may take to end after Ctrl-C, in seconds.
END_S = 30
# How long a topology-up may take, in seconds.
UP_TIMEOUT_S = 600
# What else a person has said in the environment is not for a command that is run on their behalf, but for what
# concerns the machine: images, and what a server may take of it.
_INHERITED = ("mysql_image", "proxysql_image", "node_memory", "node_cpus")
_NOT_INHERITED = frozenset({
    *(option.upper() for option in OPTIONS if option not in _INHERITED),
    "TOPOLOGY", "INSTANCE", "REBUILD", "VIA", "NODE", "FROM", "TO", "FORCE", "RUNS", "SEED", "OPERATIONS", "STRATEGY",
    "SECOND", "SECOND_AT", "MAX_RTO", "MAX_LOST", "DRY_RUN", "STORMS", "STORM", "JOBS", "SUBJECT",
    "SUBJECTS", "FAULT", "FAULTS", "HARDENED", "PUBLISH",
})  # fmt: skip


def environment(options: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment of a command that is given `options`, and nothing else that a person has said."""
    return {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED} | dict(options)


def program() -> str:
    """Return the path of the command `wavetank` that belongs to this interpreter."""
    return str(Path(sys.executable).with_name("wavetank"))


def topology_up(instance: str, show: TextIO | int | None = None, **options: str) -> int:
    """Bring an instance up in front of the person who called us, by what they have said; return the exit code.

    `options` is what they have not said in the environment, and `show` where they read what it says.
    """
    # What the caller was asked for is about this command, not about that one.
    said = {name: value for name, value in os.environ.items() if name != "TO"}
    command = [program(), "up"]
    return subprocess.run(
        command, cwd=HOME, env={**said, "INSTANCE": instance, **options}, stdout=show, check=False
    ).returncode


def run_command(
    command: str, timeout_s: float, *arguments: str, options: Mapping[str, str], own_session: bool = False
) -> subprocess.CompletedProcess[str] | None:
    """Run a command to its end; return what it said, None where it took more than `timeout_s` seconds.

    `options` and `own_session` are as in started().
    """
    with started(command, *arguments, options=options, own_session=own_session) as process:
        return ended(process, timeout_s)


@contextlib.contextmanager
def started(
    command: str, *arguments: str, options: Mapping[str, str], own_session: bool = False
) -> Iterator[subprocess.Popen[str]]:
    """Start a command, which runs meanwhile; Ctrl-C lets it end before it ends us.

    `options` is what a person would say in the environment. `own_session`: the Ctrl-C that ends us does not reach it.
    """
    with subprocess.Popen(
        [program(), command, *arguments], cwd=HOME, env=environment(options), text=True,
        start_new_session=own_session, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process, _noted(process):  # fmt: skip
        try:
            yield process
        except KeyboardInterrupt:
            _let_end(process)
            raise


def ended(process: subprocess.Popen[str], timeout_s: float) -> subprocess.CompletedProcess[str] | None:
    """Wait for a command's end; return what it said, None where it took more than `timeout_s` seconds."""
    try:
        output, errors = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        kill(process)
        return None
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a command (SIGKILL); what it has started dies with one that has a session of its own."""
    with contextlib.suppress(ProcessLookupError):
        if os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


_running: set[subprocess.Popen[str]] = set()


@contextlib.contextmanager
def _noted(process: subprocess.Popen[str]) -> Iterator[None]:
    _running.add(process)
    try:
        yield
    finally:
        _running.discard(process)


def end_running() -> None:
    """Tell every command that runs now, in whichever thread, to end; it takes back what it did, as after Ctrl-C."""
    for process in list(_running):
        process.terminate()


def _let_end(process: subprocess.Popen[str]) -> None:
    """Let a command that Ctrl-C has reached, too, take back what it did; who is not told by a terminal is told now."""
    for wait_s, tell in ((END_S, process.terminate), (END_S, process.kill)):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=wait_s)
            return
        tell()


def last_line(done: subprocess.CompletedProcess[str] | None) -> str:
    """Return the last thing that a command said, or why it said nothing."""
    if done is None:
        return "it took too long"
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return lines[-1].removeprefix("wavetank: ") if lines else f"it ended with {done.returncode} and said nothing"


@contextlib.contextmanager
def alone(what: str) -> Iterator[None]:
    """Let no other `what` of this clone run meanwhile: it would use the same instances.

    Raises:
        UsageError: one is running.
    """
    STATE.mkdir(exist_ok=True)
    with (STATE / f"{what}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"another {what} is running in this clone: wait for it, or end it") from None
        yield
