"""What a network does to servers: packets vanish, and nobody is told; or they come late, and some do not come."""

import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from wavetank.errors import UsageError
from wavetank.machine import containers
from wavetank.threads import side_by_side

# Our rules are in chains of their own, in the container's network alone: nothing else is touched by healing.
_CHAIN = "wavetank"
_LOSS_CHAIN = "wavetank-loss"
# The one interface of a container on one network; the engine's name server is on another one.
_DEVICE = "eth0"
# How long a packet may wait for its turn where the rate is limited, in milliseconds: it is dropped then.
_QUEUE_MS = 400
# The qdiscs that are ours; a container's interface has none.
_QDISCS = ("netem", "tbf")


@dataclass(frozen=True)
class Slowness:
    """What a slow network shall be like.

    Attributes:
        delay_ms: by how many milliseconds each packet sent is late, where the kernel has netem.
        jitter_ms: by how many more or less.
        loss_percent: how many of a hundred packets do not arrive: of those sent, without netem also of those received.
        rate_kbit: how many kilobits a second may be sent, where the kernel has no netem: what is more has to wait.
    """

    delay_ms: int
    jitter_ms: int
    loss_percent: float
    rate_kbit: int

    def __str__(self) -> str:
        """Say it as netem does it."""
        return f"{self.delay_ms} ms ± {self.jitter_ms} ms later, {self.loss_percent:g} % lost"


def cut(one: str, other: str) -> None:
    """Let no packet pass between two running containers; what the engine publishes stays reachable.

    Raises:
        UsageError: one does not run, or this machine does not let us: not root, no iptables, or an engine elsewhere.
    """
    place = containers.network_place(other)
    if place is None:
        raise UsageError(f"{other} does not run, so that nobody can be cut from it")
    if iptables(one, "-N", _CHAIN).returncode == 0:
        for hook in ("INPUT", "OUTPUT"):
            demand(one, "-I", hook, "-j", _CHAIN)
    for side in ("-s", "-d"):
        demand(one, "-A", _CHAIN, side, place.address, "-j", "DROP")


def cut_off(names: Iterable[str]) -> list[str]:
    """Return those of the running containers that are cut from others."""
    return [name for name in names if "DROP" in iptables(name, "-S", _CHAIN).stdout]


def disturbed(names: Sequence[str]) -> list[str]:
    """Return those of the running containers that are cut from others or slow; each is asked once, side by side."""
    look = f"iptables --wait -S {_CHAIN}; iptables --wait -S {_LOSS_CHAIN}; tc qdisc show dev {_DEVICE}"
    marks = ("DROP", *(f"qdisc {kind} " for kind in _QDISCS))
    found = side_by_side(lambda name: in_network_of(name, "sh", "-c", look).stdout, names)
    return [name for name, said in zip(names, found, strict=True) if any(mark in said for mark in marks)]


def heal(names: Iterable[str]) -> None:
    """Take all cuts of these running containers back."""
    for name in cut_off(names):
        demand(name, "-F", _CHAIN)


def slow(name: str, slowness: Slowness) -> str:
    """Make the network of a running container slow, towards everybody; return what of the kernel does it.

    With netem it is as asked. Where the kernel has none, the packet filter loses packets at random, and tbf lets only
    so much pass, so that what is sent at once has to wait: that is latency only under load.

    Raises:
        UsageError: this machine does not let us: not root, no tc or iptables, or an engine elsewhere.
    """
    late = ("delay", f"{slowness.delay_ms}ms", f"{slowness.jitter_ms}ms", "loss", f"{slowness.loss_percent}%")
    if _tc(name, "replace", "root", "netem", *late).returncode == 0:
        return f"netem: {slowness}"
    lose_packets(name, slowness.loss_percent)
    lost = f"the packet filter's statistic match: {slowness.loss_percent:g} % lost each way"
    rate = ("rate", f"{slowness.rate_kbit}kbit", "burst", "16kb", "latency", f"{_QUEUE_MS}ms")
    if _tc(name, "replace", "root", "tbf", *rate).returncode:
        return f"{lost}; no latency: this kernel has neither netem nor tbf"
    return f"{lost}; tc tbf: {slowness.rate_kbit} kbit/s sent; this kernel has no netem"


def lose_packets(name: str, percent: float) -> None:
    """Let the packet filter lose so many of a hundred packets of a running container, each way and at random.

    Raises:
        UsageError: this machine does not let us; see slow().
    """
    iptables(name, "-N", _LOSS_CHAIN)
    demand(name, "-F", _LOSS_CHAIN)
    for hook, direction in (("INPUT", "-i"), ("OUTPUT", "-o")):
        rule = (hook, direction, _DEVICE, "-j", _LOSS_CHAIN)
        if iptables(name, "-C", *rule).returncode:
            demand(name, "-I", *rule)
    chance = f"{percent / 100:.6f}"
    demand(name, "-A", _LOSS_CHAIN, "-m", "statistic", "--mode", "random", "--probability", chance, "-j", "DROP")


def throttle(name: str, rate_kbit: int) -> None:
    """Let a running container send no more than so many kilobits a second; quicken() takes it back.

    Raises:
        UsageError: this kernel has no tbf, or this machine does not let us; see slow().
    """
    done = _tc(name, "replace", "root", "tbf", "rate", f"{rate_kbit}kbit", "burst", "64kb", "latency", f"{_QUEUE_MS}ms")
    if done.returncode:
        raise UsageError(f"the network of {name} cannot be made slow: {done.stderr.strip()}")


def packets_lost(name: str) -> int:
    """Return how many packets of a slow container the kernel has dropped so far."""
    filtered = re.search(r"\[(\d+):\d+\] -A " + _LOSS_CHAIN, _filter_rules(name))
    queued = re.search(r"dropped (\d+)", _tc(name, "show", verb="-s").stdout)
    return sum(int(found[1]) for found in (filtered, queued) if found)


def slowed(names: Iterable[str]) -> list[str]:
    """Return those of the running containers whose network is slow."""
    return [name for name in names if _has_qdisc(name) or "DROP" in iptables(name, "-S", _LOSS_CHAIN).stdout]


def quicken(names: Iterable[str]) -> None:
    """Make the network of these running containers as it was before it was made slow."""
    for name in slowed(names):
        if _has_qdisc(name):
            _tc(name, "del", "root")
        iptables(name, "-F", _LOSS_CHAIN)


def _has_qdisc(name: str) -> bool:
    return any(f"qdisc {kind} " in _tc(name, "show").stdout for kind in _QDISCS)


def demand(name: str, *arguments: str) -> None:
    """Have iptables do something in the network of a running container.

    Raises:
        UsageError: this machine does not let us; see slow().
    """
    done = iptables(name, *arguments)
    if done.returncode != 0:
        raise UsageError(
            f"the network of {name} cannot be changed, which takes root and iptables on the engine's machine: "
            f"{done.stderr.strip()}"
        )


def iptables(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run iptables in the network of a running container."""
    return in_network_of(name, "iptables", "--wait", *arguments)


def _filter_rules(name: str) -> str:
    return in_network_of(name, "iptables-save", "--counters", "--table", "filter").stdout


def _tc(name: str, action: str, *arguments: str, verb: str = "") -> subprocess.CompletedProcess[str]:
    return in_network_of(name, "tc", *([verb] if verb else []), "qdisc", action, "dev", _DEVICE, *arguments)


def in_network_of(name: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of this machine in the network of a running container."""
    place = containers.network_place(name)
    whole = ["nsenter", f"--net=/proc/{place.pid if place else 0}/ns/net", *command]
    try:
        return subprocess.run(whole, capture_output=True, text=True, check=False)
    except OSError as error:
        return subprocess.CompletedProcess(whole, 1, "", str(error))
