"""Clients who die, hang or find nobody are seen; a drill whose cure fails ends its traffic and mends all the same."""

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from wavetank.checks.asking import Report
from wavetank.drills import outage
from wavetank.drills.drill import Options
from wavetank.drills.judging.judges import judge
from wavetank.drills.outage import OutageDrill
from wavetank.drills.storms import disk_full, everything_killed
from wavetank.drills.traffic import clients
from wavetank.drills.traffic.clients import NOBODY, Traffic
from wavetank.drills.traffic.log import READ, WRITE
from wavetank.drills.traffic.promises import Promises, Thresholds
from wavetank.drills.traffic.threads import Workers
from wavetank.errors import UnreachableError, UsageError, WaitedInVain
from wavetank.machine import containers
from wavetank.servers.node import Server, Servers, StatementError
from wavetank.topology.model import Topology
from wavetank.waiting import wait_until


class PretendedSession:
    """A client's connection that does what the test wants of it."""

    def __init__(self, run: Callable[..., Any], *, finds: bool = True) -> None:
        self.asks = "db1" if finds else ""
        self._finds = finds
        self._run = run

    def find(self) -> bool:
        return self._finds

    def run(self, statement: str, *parameters: int) -> tuple[list[dict[str, Any]], int]:
        found: tuple[list[dict[str, Any]], int] = self._run(statement, *parameters)
        return found

    def close(self) -> None:
        pass


class PretendedTable:
    """Takes writes and shows them, until it is told otherwise."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.broken: Exception | None = None

    def run(self, statement: str, *parameters: int) -> tuple[list[dict[str, Any]], int]:
        if self.broken:
            raise self.broken
        if statement.startswith("INSERT"):
            self.ids.append(parameters[1])
            return [], 1
        return [{"id": 0, "taker": 2}], 0


@pytest.fixture
def servers(make_topology: Callable[..., Topology], monkeypatch: pytest.MonkeyPatch,
            record: Callable[[Topology], Topology]) -> Servers:  # fmt: skip
    monkeypatch.setattr(Server, "execute", lambda *_: None)
    return Servers(record(make_topology(semi_sync=1)))


@pytest.fixture
def open_with(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what lets all clients come by sessions of the test's own."""

    def opened(make: Callable[[], PretendedSession]) -> None:
        way = SimpleNamespace(session=lambda *_, **__: make(), close=lambda: None)
        monkeypatch.setattr(clients, "open_route", lambda *_: way)

    return opened


def carried_out(servers: Servers, operations: int = 20) -> Traffic:
    traffic = Traffic(servers)
    with traffic:
        wait_until("operations", lambda: len(traffic.log.all()) >= operations or traffic.faults, timeout_s=20)
    return traffic


def test_a_client_that_dies_of_what_nobody_expected_is_named(servers: Servers, open_with: Callable[..., None]) -> None:
    def run(*_: object) -> None:
        raise TypeError("a bug")

    open_with(lambda: PretendedSession(run))
    faults = sorted(carried_out(servers).faults)
    assert len(faults) == 8
    assert faults[0] == "the reads of client 1 ended with TypeError: a bug"


def test_a_client_that_does_not_end_is_named_and_holds_nobody_up() -> None:
    workers, held = Workers(), threading.Event()
    workers.add("the writes of client 1", held.wait)
    workers.add("the reads of client 1", lambda: None)
    workers.start()
    workers.stop(0.05)
    assert workers.faults == ["the writes of client 1 did not end within 0.05 s"]
    ended_s = workers.ended_s
    workers.stop(0.05)
    assert (workers.ended_s, len(workers.faults)) == (ended_s, 1)
    held.set()


def test_who_finds_nobody_to_ask_says_that_it_wanted_to(servers: Servers, open_with: Callable[..., None]) -> None:
    open_with(lambda: PretendedSession(lambda *_: None, finds=False))
    log = carried_out(servers).log.all()
    assert {(each.kind, each.id, each.error) for each in log} == {(WRITE, 0, NOBODY), (READ, 0, NOBODY)}
    assert {each.client for each in log} == {1, 2, 3, 4}
    assert all(each.due_s is not None and each.due_s <= each.sent_s <= each.done_s for each in log)


def test_what_fails_is_in_the_log_with_its_reason(servers: Servers, open_with: Callable[..., None]) -> None:
    def run(statement: str, *_: int) -> tuple[list[dict[str, Any]], int]:
        if statement.startswith("INSERT"):
            raise StatementError("read-only", errno=1290)
        raise UnreachableError("db1", "Lost connection. At 127.0.0.1")

    open_with(lambda: PretendedSession(run))
    errors = {(each.kind, each.error) for each in carried_out(servers).log.all()}
    assert errors == {(WRITE, "error 1290"), (READ, "Lost connection")}


# --- a drill


@pytest.fixture
def table(open_with: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Iterator[PretendedTable]:
    """Have a drill's clients write to a table of the test's own, which is all that its servers hold."""
    table = PretendedTable()
    open_with(lambda: PretendedSession(table.run))
    monkeypatch.setattr(outage, "BEFORE_S", 0.3)
    monkeypatch.setattr(outage, "AFTER_S", 0.3)
    monkeypatch.setattr(outage, "COME_BACK_S", 0.6)
    monkeypatch.setattr(outage, "demand_green", lambda _: None)
    monkeypatch.setattr(outage, "keep_connections", lambda _: None)
    monkeypatch.setattr(outage, "after_the_storm", lambda _: ("all good", []))
    monkeypatch.setattr(outage, "ask_all", lambda _: Report("master-slave", "sea"))
    monkeypatch.setattr(outage, "held_ids", lambda _: list(table.ids))
    monkeypatch.setattr(outage, "bring_up", lambda *_, **__: "")
    monkeypatch.setattr(outage.LagSampler, "start", lambda _: None)
    return table


def run_through(made: OutageDrill) -> tuple[str, ...]:
    """Go through a drill as it is gone through; return what is wrong."""
    made.baseline()
    try:
        made.storm()
        made.recovery()
    except WaitedInVain:
        pass
    made.mend()
    return judge(made.history().counted()).failures


def refusals(made: OutageDrill) -> set[int]:
    """Return whose writes were refused."""
    return {each.client for each in made._traffic.log.all(WRITE) if each.error}  # noqa: SLF001


def make(servers: Servers, **options: Any) -> OutageDrill:  # noqa: ANN401
    storm, cure = options.pop("storm", lambda _: None), options.pop("cure", lambda _: ())
    return OutageDrill(servers, Options(**options), lambda _: None, storm, cure, Promises())


def test_a_drill_in_which_nothing_happens_passes(servers: Servers, table: PretendedTable) -> None:
    made = make(servers)
    assert run_through(made) == ()
    declared = made.history().declared
    assert declared.load
    assert declared.load.began_s < declared.storm_s <= declared.mended_s < declared.load.ended_s
    assert (declared.via, declared.semi_sync) == (("direct",), 1)
    assert table.ids


def test_a_write_that_is_planted_or_lost_is_seen(servers: Servers, table: PretendedTable) -> None:
    def lose(_: Servers) -> None:
        table.ids.remove(table.ids[0])

    found = run_through(make(servers, storm=lose, thresholds=Thresholds(lost=0)))
    assert found == (
        "1 write (1) acknowledged and lost",
        "1 write (1) acknowledged and lost, where at most 0 was demanded",
    )


def test_after_a_cure_that_fails_the_traffic_ends_and_what_is_left_is_mended(
    servers: Servers, table: PretendedTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    mended: list[str] = []
    monkeypatch.setattr(outage, "bring_up", lambda instance: mended.append(instance) or "exit code 2: no disk")

    def storm(_: Servers) -> None:
        table.broken = StatementError("read-only", errno=1290)

    def cure(_: Servers) -> tuple[()]:
        wait_until("all to be refused", lambda: set(range(1, 5)) <= refusals(made), timeout_s=20)
        raise WaitedInVain("waited 30 s for the failover")

    made = make(servers, storm=storm, cure=cure)
    found = run_through(made)
    assert mended == ["sea"]
    assert not made._traffic._workers._threads  # noqa: SLF001 - all have ended
    assert "topology-up did not mend what was left: exit code 2: no disk" in found
    assert "no write was acknowledged after the storm" in found
    assert any(each.startswith("the writes of clients 1, 2, 3, 4 were not served any more") for each in found)


def test_an_outage_that_lasts_is_measured_and_not_cut_off(
    servers: Servers, table: PretendedTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def storm(_: Servers) -> None:
        table.broken = StatementError("read-only", errno=1290)
        threading.Timer(0.8, lambda: setattr(table, "broken", None)).start()

    made = make(servers, storm=storm)
    monkeypatch.setattr(outage, "COME_BACK_S", 20.0)
    assert run_through(made) == ()
    writes = judge(made.history().counted()).verdict.writes
    assert 0.7 < writes.seconds < 10
    assert not writes.unfinished


def test_a_source_that_cannot_be_asked_leaves_a_verdict_that_says_so(
    servers: Servers, table: PretendedTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: Server) -> list[int]:
        raise UnreachableError("db1", "refused")

    monkeypatch.setattr(outage, "held_ids", gone)
    found = run_through(make(servers))
    assert found == (
        "asking what is held failed: db1 does not answer: refused",
        "what the source holds is not known: nobody can say what is lost",
    )
    assert table.ids


def test_where_nothing_is_acknowledged_before_the_storm_there_is_nothing_to_measure(
    servers: Servers, table: PretendedTable
) -> None:
    table.broken = StatementError("read-only", errno=1290)
    made = make(servers)
    with pytest.raises(UsageError, match=r"no write was acknowledged within 0\.3 s, before any storm"):
        made.baseline()
    made.revert_faults()


# --- proofs of two storms


def test_a_topology_up_that_fails_after_a_power_failure_fails_the_drill(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(everything_killed, "bring_up", lambda _: "exit code 1: db2 has errant transactions")
    with pytest.raises(UsageError, match="did not bring back what was killed: exit code 1: db2 has errant"):
        everything_killed.start_all(servers)
    monkeypatch.setattr(everything_killed, "bring_up", lambda _: "")
    assert [step.what for step in everything_killed.start_all(servers)] == ["topology-up has ended with exit code 0"]


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("[ERROR] [MY-010119] Aborting", []),
        ("[ERROR] Disk is full writing './binlog'\n[ERROR] Aborting", ["[ERROR] Disk is full writing './binlog'"]),
        ("write: No space left on device", ["write: No space left on device"]),
    ],
)
def test_that_a_server_is_gone_is_no_proof_that_its_disk_was_full(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, log: str, said: list[str]
) -> None:
    def gone(*_: object) -> None:
        raise UnreachableError("db1", "refused")

    monkeypatch.setattr(Server, "query", gone)
    monkeypatch.setattr(containers, "log_since", lambda *_: log)
    assert disk_full.complaints(servers, "db1", "now", 0.0) == said


@pytest.mark.parametrize(
    ("left", "complaint"),
    [
        (0, []),
        (disk_full.FULL - 1, []),
        (disk_full.FULL, [f"the small disk was not full: {disk_full.FULL:,} bytes were left of it"]),
        (None, ["nobody measured what was left of the small disk: the storm did nothing"]),
    ],
)
def test_a_disk_is_full_where_it_was_measured_to_be(servers: Servers, left: int | None, complaint: list[str]) -> None:
    made = disk_full.FullDisk(servers, Options(), lambda _: None)
    made._left = left  # noqa: SLF001
    assert made.shortcomings() == complaint
