"""Servers cut from each other as a broken cable would: packets vanish, and nobody is told."""

import subprocess
from collections.abc import Iterable

from wavetank import containers
from wavetank.errors import UsageError

# Our rules are in a chain of their own, in the container's network alone: nothing else is touched by healing.
_CHAIN = "wavetank"


def cut(one: str, other: str) -> None:
    """Let no packet pass between two running containers; what the engine publishes stays reachable.

    Raises:
        UsageError: one does not run, or this machine does not let us: not root, no iptables, or an engine elsewhere.
    """
    place = containers.network_place(other)
    if place is None:
        raise UsageError(f"{other} does not run, so that nobody can be cut from it")
    if _iptables(one, "-N", _CHAIN).returncode == 0:
        for hook in ("INPUT", "OUTPUT"):
            _demand(one, "-I", hook, "-j", _CHAIN)
    for side in ("-s", "-d"):
        _demand(one, "-A", _CHAIN, side, place.address, "-j", "DROP")


def cut_off(names: Iterable[str]) -> list[str]:
    """Return those of the running containers that are cut from others."""
    return [name for name in names if "DROP" in _iptables(name, "-S", _CHAIN).stdout]


def heal(names: Iterable[str]) -> None:
    """Take all cuts of these running containers back."""
    for name in cut_off(names):
        _demand(name, "-F", _CHAIN)


def _demand(name: str, *arguments: str) -> None:
    done = _iptables(name, *arguments)
    if done.returncode != 0:
        raise UsageError(
            f"the network of {name} cannot be changed, which takes root and iptables on the engine's machine: "
            f"{done.stderr.strip()}"
        )


def _iptables(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    place = containers.network_place(name)
    command = ["nsenter", f"--net=/proc/{place.pid if place else 0}/ns/net", "iptables", "--wait", *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))
