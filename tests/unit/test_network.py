"""A slow network: what the kernel has is used, what was used is said, and all of it is taken back."""

import subprocess
from dataclasses import dataclass, field

import pytest
from wavetank.errors import UsageError
from wavetank.machine import containers, network
from wavetank.machine.containers import NetworkPlace
from wavetank.machine.network import Slowness

SLOW = Slowness(delay_ms=40, jitter_ms=10, loss_percent=2, rate_kbit=768)
UNKNOWN = "Error: Specified qdisc kind is unknown."


@dataclass
class Kernel:
    """A kernel of the test's own: the qdiscs that it knows, the one in force, and the rules of our chain of losses."""

    knows: tuple[str, ...]
    filters: bool = True
    qdisc: str = ""
    rules: list[str] = field(default_factory=list)
    hooks: set[str] = field(default_factory=set)

    def run(self, command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        """Do what nsenter would do in the container's network."""
        tool, *arguments = command[2:]
        answer = {"tc": self._tc, "iptables": self._iptables, "iptables-save": self._save}[tool](arguments)
        return subprocess.CompletedProcess(command, 1 if answer is None else 0, answer or "", UNKNOWN)

    def _tc(self, arguments: list[str]) -> str | None:
        if "show" in arguments:
            return f"qdisc {self.qdisc or 'noqueue'} 0: root\n Sent 9 bytes 9 pkt (dropped 4, overlimits 0)"
        if "del" in arguments:
            self.qdisc = ""
            return ""
        kind = arguments[arguments.index("root") + 1]
        if kind not in self.knows:
            return None
        self.qdisc = kind
        return ""

    def _iptables(self, arguments: list[str]) -> str | None:
        if not self.filters:
            return None
        _, action, *rest = arguments
        if action == "-C":
            return "" if rest[0] in self.hooks else None
        if action == "-I":
            self.hooks.add(rest[0])
        if action == "-A":
            self.rules.append(" ".join(rest))
        if action == "-F":
            self.rules.clear()
        return "\n".join(f"-A {rule}" for rule in self.rules)

    def _save(self, _: list[str]) -> str:
        return "\n".join(f"[7:600] -A {rule}" for rule in self.rules)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """Pretend a kernel with everything."""
    pretended = Kernel(knows=("netem", "tbf"))
    monkeypatch.setattr(containers, "network_place", lambda _: NetworkPlace("172.18.0.2", 77))
    monkeypatch.setattr(subprocess, "run", pretended.run)
    return pretended


def test_with_netem_it_is_late_as_asked(kernel: Kernel) -> None:
    assert network.slow("db1", SLOW) == "netem: 40 ms ± 10 ms later, 2 % lost"
    assert (kernel.qdisc, kernel.rules) == ("netem", [])
    assert network.packets_lost("db1") == 4


def test_without_netem_packets_are_lost_and_the_rate_is_limited_and_it_says_so(kernel: Kernel) -> None:
    kernel.knows = ("tbf",)
    used = network.slow("db1", SLOW)
    assert used == (
        "the packet filter's statistic match: 2 % lost each way; tc tbf: 768 kbit/s sent; this kernel has no netem"
    )
    assert kernel.qdisc == "tbf"
    assert kernel.rules == ["wavetank-loss -m statistic --mode random --probability 0.020000 -j DROP"]
    assert kernel.hooks == {"INPUT", "OUTPUT"}
    # Those of the filter, and those that waited too long.
    assert network.packets_lost("db1") == 7 + 4


def test_without_any_qdisc_packets_are_lost_all_the_same(kernel: Kernel) -> None:
    kernel.knows = ()
    assert "this kernel has neither netem nor tbf" in network.slow("db1", SLOW)
    assert len(kernel.rules) == 1


def test_made_slow_twice_it_is_as_slow_as_once(kernel: Kernel) -> None:
    kernel.knows = ("tbf",)
    network.slow("db1", SLOW)
    network.slow("db1", SLOW)
    assert len(kernel.rules) == 1


@pytest.mark.parametrize("knows", [("netem", "tbf"), ("tbf",), ()])
def test_what_made_it_slow_is_seen_and_taken_back(kernel: Kernel, knows: tuple[str, ...]) -> None:
    kernel.knows = knows
    assert network.slowed(["db1"]) == []
    network.slow("db1", SLOW)
    assert network.slowed(["db1"]) == ["db1"]
    network.quicken(["db1"])
    assert network.slowed(["db1"]) == []
    assert (kernel.qdisc, kernel.rules) == ("", [])


def test_where_the_machine_does_not_let_us_it_is_one_line(kernel: Kernel) -> None:
    kernel.knows, kernel.filters = (), False
    with pytest.raises(UsageError, match="the network of db1 cannot be changed, which takes root and iptables"):
        network.slow("db1", SLOW)
