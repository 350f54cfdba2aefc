"""Storms seen by clients who know two ProxySQL only, or who split reads and writes by the library."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import clear, own, up, wavetank
from fronts import demand
from wavetank.change.switchover import switch_over
from wavetank.checks.asking import all_checks
from wavetank.machine import containers
from wavetank.servers.node import Servers
from wavetank.topology.instance import Instance
from wavetank.topology.proxies import proxysqls

TOPOLOGY = "proxysql"
# On two cores and beside other tests; alone it is a fraction.
MOST_S = 30.0


@pytest.fixture(scope="module")
def pair(bring_up: Callable[..., str]) -> str:
    """Two ProxySQL in front of a semi-synchronous source with two replicas."""
    return bring_up(own("by-way"), TOPOLOGY=TOPOLOGY, PROXIES=2, SEMI_SYNC=1)


@pytest.fixture
def servers(pair: str) -> Iterator[Servers]:
    with Servers(Instance(pair).topology()) as servers:
        yield servers


def drilled(name: str, instance: str, via: str = "") -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    """Run a drill that has to pass; return its report, its verdict and its log."""
    done = wavetank("drill", name, "--json", INSTANCE=instance, VIA=via)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    directory = Path(report["directory"])
    verdict = json.loads((directory / "verdict.json").read_text())
    assert verdict["acknowledged"] > 20
    assert verdict["lost"] == verdict["duplicates"] == verdict["late_takers"] == []
    assert 0 < verdict["writes"]["seconds"] < MOST_S
    return report, verdict, [json.loads(line) for line in (directory / "operations.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("via", ["", "routing"])
def test_nothing_acknowledged_is_lost_when_the_source_dies(pair: str, servers: Servers, via: str) -> None:
    (old,) = servers.topology.sources
    report, _, log = drilled("source-killed", pair, via)
    assert report["facts"]["via"] == (via or "proxysql")
    # Who took a write says so itself: nobody else knows that behind a proxy.
    sources = Counter(each["server"] for each in log if each["kind"] == "write" and not each["error"])
    (new,) = Instance(pair).topology().sources
    assert sources.keys() == {old.name, new.name}
    for proxy in proxysqls(servers.topology.proxies):
        assert any(step.endswith(f"{proxy.name} switched to {new.name}") for step in report["facts"]["steps"])


def test_a_source_that_only_some_clients_reach_is_fenced(pair: str, servers: Servers) -> None:
    (old,) = servers.topology.sources
    report, _, log = drilled("source-partitioned", pair)
    assert report["facts"]["via"] == "proxysql and direct"
    failed = {each["server"] for each in log if each["error"]}
    assert failed & {old.name, *(proxy.name for proxy in servers.topology.proxies)}


def test_clients_of_a_proxy_that_dies_come_back_through_the_other(pair: str, servers: Servers) -> None:
    gone, left = (proxy.name for proxy in proxysqls(servers.topology.proxies))
    _, verdict, log = drilled("proxy-killed", pair)
    # Who found nobody to ask names nobody.
    assert {each["server"] for each in log if each["error"]} <= {gone, left, ""}
    clients = {each["client"] for each in log}
    after = [each for each in log if each["kind"] == "write" and not each["error"]]
    last = max(each["done_s"] for each in log)
    assert {each["client"] for each in after if each["done_s"] > last - 2} == clients
    assert verdict["worst_client"]["seconds"] < MOST_S


def test_after_a_switchover_each_proxy_is_as_topology_up_would_make_it(servers: Servers) -> None:
    source, *_ = servers.topology.sources
    new = servers.topology.replicas_of(source)[0].name
    change = switch_over(servers, new)
    for proxy in proxysqls(servers.topology.proxies):
        assert f"{proxy.name} switched to {new}" in {step.what for step in change.steps}
        assert list(all_checks()["proxy_configuration"].examine(proxy, servers)) == []


def test_a_proxy_that_does_not_answer_holds_no_switchover_up(servers: Servers) -> None:
    first, second = proxysqls(servers.topology.proxies)
    containers.kill(servers.topology.container(first))
    source, *_ = servers.topology.sources
    new = servers.topology.replicas_of(source)[0].name
    what = {step.what for step in switch_over(servers, new).steps}
    assert {f"{first.name} cannot be told: make topology-up does it", f"{second.name} switched to {new}"} <= what
    up(servers.topology.instance)


def test_a_drill_brings_its_topology_up_where_it_is_not_there() -> None:
    demand(TOPOLOGY)
    instance = own("by-way-new")
    try:
        done = wavetank("drill", "switchover", INSTANCE=instance, TOPOLOGY=TOPOLOGY, REPLICAS=1)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.startswith(f"no instance {instance} here: bringing it up for the drill\n")
        other = wavetank("drill", "switchover", INSTANCE=instance, TOPOLOGY="master-slave")
        assert (other.returncode, other.stderr) == (
            2,
            f"wavetank: {instance} is a {TOPOLOGY} topology: name another INSTANCE=, or take it down first\n",
        )
    finally:
        clear(instance)
