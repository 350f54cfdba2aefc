"""Storms with an outage: what was acknowledged is there, one server takes writes, and topology-up is not needed."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commands import own, up, wavetank
from mending import wait_for_green
from wavetank.change.failover.run import fail_over
from wavetank.cli.options import DEFAULT_TOPOLOGY
from wavetank.drills.drill import Options
from wavetank.drills.judging.history import read_history
from wavetank.drills.judging.judges import judge
from wavetank.drills.outage import OutageDrill, replace_source
from wavetank.drills.runner import all_drills, run_drill
from wavetank.drills.traffic.promises import Thresholds
from wavetank.drills.traffic.table import held_ids
from wavetank.errors import UsageError
from wavetank.machine import containers
from wavetank.provision.port_allocation import FIRST_PORT
from wavetank.servers.node import Servers
from wavetank.topology.instance import Instance
from wavetank.topology.inventory import declared_topology
from wavetank.waiting import wait_until

# On two cores and beside something else that works; alone it is a fraction.
BOUNDS_S = {"switchover": 2.0, "source-killed": 5.0, "source-frozen": 8.0, "replica-killed": 2.0}
PLAIN = declared_topology(DEFAULT_TOPOLOGY, DEFAULT_TOPOLOGY, FIRST_PORT)
OUTAGES = sorted(name for name, drill in all_drills().items() if drill.concerns(PLAIN))
# Nothing is stopped in these, and a server says nothing in its log.
SILENT = {"replica-lagging", "slow-network"}


@pytest.fixture(scope="module")
def semi_sync(bring_up: Callable[..., str]) -> str:
    """A semi-synchronous source with two replicas: nothing acknowledged may be lost."""
    return bring_up(own("storm"), SEMI_SYNC=1)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.alone) if name in BOUNDS_S else name for name in OUTAGES]
)
def test_nothing_acknowledged_is_lost_with_semi_sync(name: str, semi_sync: str) -> None:
    done = wavetank("drill", name, "--json", INSTANCE=semi_sync)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert (report["passed"], report["failures"]) == (True, [])
    verdict = json.loads((Path(report["directory"]) / "verdict.json").read_text())
    assert verdict["acknowledged"] > 100
    assert verdict["lost"] == verdict["duplicates"] == verdict["late_takers"] == []
    assert verdict["writes"]["seconds"] <= BOUNDS_S.get(name, 60.0)
    files = {path.name: path.read_text() for path in Path(report["directory"]).iterdir()}
    assert files.keys() >= {
        "report.json", "summary.txt", "report.html", "verdict.json", "operations.jsonl", "lag.jsonl",
        "declared.json", "held.jsonl",
        "db1.log", "db2.log", "db3.log",
    }  # fmt: skip
    assert name in SILENT or any(" [MY-" in files[f"{node}.log"] for node in ("db1", "db2", "db3"))
    assert f'{name} <span class="verdict passed">passed</span>' in files["report.html"]
    assert f"{verdict['writes']['seconds']:,.3f} s" in files["report.html"]
    assert files["report.html"].count("<figure>") >= 3
    assert {json.loads(line)["server"] for line in files["lag.jsonl"].splitlines()} == {"db1", "db2", "db3"}
    # Whoever computes the verdict anew finds the same.
    anew = wavetank("judge", "--json", report["directory"])
    assert (anew.returncode, json.loads(anew.stdout)) == (0, verdict)
    assert verdict["unfinished"] == []
    assert verdict["forgotten"] == 0
    spans = verdict["latency_ms"]["write"]
    assert all(spans["before"][low] <= spans["before"][high] for low, high in (("p50", "p99"), ("p99", "max")))
    # The log has every operation.
    log = [json.loads(line) for line in (Path(report["directory"]) / "operations.jsonl").read_text().splitlines()]
    assert sum(each["kind"] == "write" and not each["error"] for each in log) == verdict["acknowledged"]


def test_an_asynchronous_source_that_dies_early_loses_exactly_what_it_had_not_sent(
    bring_up: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The replicas are held back on purpose, so that there is something to lose, and the log says since when."""
    name = bring_up(own("lossy"))
    drill = all_drills()["source-killed"]
    held: dict[str, Any] = {}

    def hold_back_and_kill(servers: Servers) -> None:
        for node in servers.topology.replicas:
            servers[node.name].execute("STOP REPLICA IO_THREAD")
        log = held["drill"]._traffic.log  # noqa: SLF001 - the log of the drill that is running
        before = len(log.all("write"))
        wait_until("writes that nobody receives", lambda: len(log.all("write")) > before + 50, timeout_s=20)
        # By now they have applied what they received; a row that they lack then, nobody but the source has.
        held["received"] = {id_ for node in servers.topology.replicas for id_ in held_ids(servers[node.name])}
        containers.kill(servers.topology.container(servers.topology.sources[0]))

    def prepare(servers: Servers, options: Options, say: Callable[[str], None]) -> OutageDrill:
        held["drill"] = OutageDrill(
            servers, options, say, storm=hold_back_and_kill, cure=replace_source, promises=drill.PROMISES
        )
        return held["drill"]

    monkeypatch.setattr(drill, "prepare", prepare)
    with Servers(Instance(name).topology()) as servers:
        old = servers.topology.sources[0].name
        report = run_drill("source-killed", servers, Options(), lambda _: None)
    assert report.passed, report.failures
    verdict = json.loads((Path(report.directory) / "verdict.json").read_text())
    lost = set(verdict["lost"])
    log = held["drill"]._traffic.log.all("write")  # noqa: SLF001
    assert len(lost) >= 50
    assert lost == {each.id for each in log if each.acknowledged and each.server == old} - held["received"]
    assert report.facts["rebuilt"] == old
    # What this drill may lose, another one may not, and nor may it where its user says so.
    history = read_history(Path(report.directory))
    for declared in (
        replace(history.declared, promises=all_drills()["switchover"].PROMISES.in_force(0, own_writes=False)),
        replace(history.declared, thresholds=Thresholds(lost=0)),
    ):
        (failure,) = judge(replace(history, declared=declared)).failures
        assert failure.startswith(f"{len(lost)} writes (")


def test_what_a_user_demands_beyond_that_fails_a_drill_that_is_fine_otherwise(semi_sync: str) -> None:
    done = wavetank("drill", "switchover", "--json", INSTANCE=semi_sync, MAX_RTO="0.001", MAX_LOST=0)
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    (failure,) = report["failures"]
    assert failure.startswith("a client was without an acknowledged write for ")
    assert failure.endswith(" s, where at most 0.001 s was demanded")
    again = wavetank("judge", report["directory"])
    assert (again.returncode, f"✗ {failure}" in again.stdout.splitlines()) == (1, True)


def test_a_failover_that_does_not_happen_leaves_its_whole_report_and_exit_1(
    semi_sync: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise UsageError("nobody is fit")

    monkeypatch.setattr("wavetank.drills.outage.fail_over", refuse)
    with Servers(Instance(semi_sync).topology()) as servers:
        report = run_drill("source-killed", servers, Options(), lambda _: None)
    assert report.failures[0] == "recovery failed: nobody is fit"
    verdict = json.loads((Path(report.directory) / "verdict.json").read_text())
    assert verdict["failures"] == report.failures
    assert (Path(report.directory) / "report.html").exists()
    assert json.loads(wavetank("check", "--json", INSTANCE=semi_sync).stdout)["green"]


def test_a_new_source_waits_for_the_acknowledgements_that_it_can_get_and_later_for_all(semi_sync: str) -> None:
    """Of two replicas one takes the source's place: two acknowledgements would be waited for in vain."""
    waits_for = "SELECT @@GLOBAL.rpl_semi_sync_source_enabled * @@GLOBAL.rpl_semi_sync_source_wait_for_replica_count"
    up(semi_sync, SEMI_SYNC=2)
    try:
        with Servers(Instance(semi_sync).topology()) as servers:
            assert servers[servers.topology.sources[0].name].value(waits_for) == 2
            containers.kill(servers.topology.container(servers.topology.sources[0]))
            change = fail_over(servers, force=True)
            assert servers[change.new].value(waits_for) == 1
            assert f"{change.new} opened, waiting for 1 of 2 acknowledgements" in [step.what for step in change.steps]
            # Nobody has fallen back to asynchronous: an acknowledgement came for this.
            servers[change.new].execute("CREATE SCHEMA IF NOT EXISTS drill")
            status = "SELECT VARIABLE_VALUE FROM performance_schema.global_status WHERE VARIABLE_NAME = %s"
            assert servers[change.new].value(status, ["Rpl_semi_sync_source_no_tx"]) == "0"
            up(semi_sync)
            assert servers[change.new].value(waits_for) == 2
    finally:
        up(semi_sync, SEMI_SYNC=1)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["flood"], "no drill 'flood'; there are: conflict, disk-full"),
        (["conflict"], "the drill conflict is not for"),
    ],
)
def test_what_is_no_drill_of_this_instance_is_one_line(semi_sync: str, arguments: list[str], reason: str) -> None:
    done = wavetank("drill", *arguments, INSTANCE=semi_sync)
    assert done.returncode == 2
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_storm_hits_an_instance_that_is_not_in_order(semi_sync: str) -> None:
    with Servers(Instance(semi_sync).topology()) as servers:
        servers[servers.topology.replicas[0].name].execute("STOP REPLICA SQL_THREAD")
        done = wavetank("drill", "switchover", INSTANCE=semi_sync)
        assert done.returncode == 2
        assert done.stderr.startswith(
            "wavetank: the instance is not in order before the storm, make topology-up mends: "
        )
        assert ": replication_threads: expected " in done.stderr
        assert done.stderr.count("\n") == 1
        servers[servers.topology.replicas[0].name].execute("START REPLICA SQL_THREAD")
        wait_for_green(servers)
