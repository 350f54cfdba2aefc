"""Let one version of each row in conflict win, on every server."""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from wavetank.checks.asking import Answer, ask_all
from wavetank.checks.finding import Finding
from wavetank.conflicts.record import OPEN, Recorded, read_records, record, set_examined
from wavetank.conflicts.survey import peer_names, recorder, survey
from wavetank.errors import UsageError
from wavetank.servers.effective import rendered_settings
from wavetank.servers.node import Server, Servers, StatementError
from wavetank.servers.replication import ROW_ERRORS, applier_error, channels_of
from wavetank.threads import side_by_side
from wavetank.topology.model import Topology
from wavetank.waiting import wait_until

LATEST_WINS, SOURCE_WINS, MANUAL = "latest-wins", "source-wins", "manual"
# How long all appliers together may stand still before the wait for them ends.
STALL_S = 30.0
# An open transaction keeps a server from being closed; it is waited for this long.
LOCK_WAIT_S = 10
_RESOLVE = "CALL wavetank.ResolveConflict(%s, %s, %s)"


@dataclass(frozen=True)
class Strategy:
    """How a conflict is decided; `source` is whose version wins, where that is the strategy."""

    name: str
    source: str = ""

    def __str__(self) -> str:
        """As people write it."""
        return f"{self.name}={self.source}" if self.source else self.name


def read_strategy(text: str, topology: Topology) -> Strategy:
    """Return the strategy that `text` names: latest-wins, source-wins=<node> or manual.

    Raises:
        UsageError: it names none, or no server that could win.
    """
    name, equals, source = text.partition("=")
    if name not in (LATEST_WINS, SOURCE_WINS, MANUAL) or bool(equals) != (name == SOURCE_WINS):
        raise UsageError(f"strategy {text!r} is none of latest-wins, source-wins=<node> and manual")
    peers = [node.name for node in topology.peers]
    if name == SOURCE_WINS and peers and source not in peers:
        raise UsageError(f"strategy {text!r}: whose version wins is one of {', '.join(peers)}")
    return Strategy(name, source)


@dataclass
class Resolution:
    """What a resolution did.

    Attributes:
        strategy: as people write it.
        resolved: the conflicts that it decided.
        refused: those that it could not decide, each with the server's reason.
        closed_s: for how long no application could write, in seconds.
        left: what is still different between servers.
    """

    strategy: str
    resolved: list[Recorded] = field(default_factory=list)
    refused: list[tuple[Recorded, str]] = field(default_factory=list)
    closed_s: float = 0.0
    left: list[Finding] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether no conflict is open and all servers hold the same."""
        return not self.refused and not self.left

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "strategy": self.strategy,
            "resolved": [conflict.as_dict() for conflict in self.resolved],
            "refused": [conflict.as_dict() | {"reason": reason} for conflict, reason in self.refused],
            "winners": dict(Counter(conflict.winner for conflict in self.resolved)),
            "closed_s": self.closed_s,
            "left": [f"{finding.node}: {finding.expected}; found {finding.found}" for finding in self.left],
        }


def find_open_conflicts(servers: Servers) -> list[Recorded]:
    """Find and record all conflicts; return those that are open."""
    found = survey(servers)
    server = recorder(servers)
    record(servers, found)
    still_open = read_records(server, state=OPEN)
    if not still_open:
        set_examined(server, found.past)
    return still_open


def resolve(servers: Servers, strategy: Strategy, say: Callable[[str], None]) -> Resolution:
    """Record every conflict, decide it by `strategy` (not by hand), and bring all servers to the same rows.

    For that time no server takes writes of applications, and what an applier cannot apply it passes over: the
    record has its content. It can be ended at any point and run again.

    Raises:
        UnreachableError: a server does not answer.
        UsageError: an applier stopped at something else than a row, or did not catch up in time.
    """
    peer_names(servers)
    _refuse_errors(servers)
    done = Resolution(str(strategy))
    server = recorder(servers)
    with _closed(servers, done):
        say("closed to applications")
        still_open = find_open_conflicts(servers)
        say(f"recorded: {len(still_open)} conflicts are open")
        with _tolerant(servers):
            say("appliers pass over what they cannot apply")
            _wait_until_equal(servers)
            say("every transaction is on every server")
            for conflict in still_open:
                try:
                    server.query(_RESOLVE, [conflict.conflict_id, strategy.name, strategy.source], account="admin")
                except StatementError as error:
                    done.refused.append((conflict, str(error.msg)))
            say(f"decided {len(still_open) - len(done.refused)} conflicts")
            if not done.refused:
                set_examined(server, server.value("SELECT @@GLOBAL.gtid_executed"))
            _wait_until_equal(servers)
        say("every decision is on every server")
    decided = {conflict.identity for conflict in still_open}
    done.resolved = [each for each in read_records(server) if each.identity in decided and each.state != OPEN]
    report = ask_all(servers, ["reachable", "replication_threads", "data_equal"])
    done.left = [left for answer in report.answers for left in _left(answer)]
    return done


def _left(answer: Answer) -> Iterator[Finding]:
    """Yield what an answer leaves to do: what it found, and what it could not tell."""
    yield from answer.findings
    for reason in filter(None, (answer.unanswered, *(each.reason for each in answer.not_asked))):
        yield Finding(answer.node, f"an answer to {answer.check}", reason, "make check")


def _everywhere(servers: Servers, names: list[str], act: Callable[[Server], object]) -> None:
    side_by_side(lambda name: act(servers[name]), names)


@contextlib.contextmanager
def _closed(servers: Servers, done: Resolution) -> Iterator[None]:
    """Keep applications from writing; our own account still can, which super_read_only would not allow."""
    peers = peer_names(servers)
    sources = {node.name for node in servers.topology.sources}
    started = time.monotonic()

    def close(server: Server) -> None:
        server.execute(
            f"SET SESSION lock_wait_timeout = {LOCK_WAIT_S}",
            "SET GLOBAL super_read_only = OFF",
            "SET GLOBAL read_only = ON",
        )

    def reopen(server: Server) -> None:
        server.execute(f"SET GLOBAL {'read_only = OFF' if server.name in sources else 'super_read_only = ON'}")

    try:
        _everywhere(servers, peers, close)
        yield
    finally:
        _everywhere(servers, peers, reopen)
        done.closed_s = round(time.monotonic() - started, 3)


@contextlib.contextmanager
def _tolerant(servers: Servers) -> Iterator[None]:
    """Let every applier go on where a row is not as its source had it, and start those that have stopped.

    Each channel applies one transaction at a time meanwhile: what was independent where it was written need not be
    so where other rows have taken its keys, and then workers wait, one for a row and one for its turn to commit,
    until innodb_lock_wait_timeout.
    """
    names = [node.name for node in servers.topology.nodes if node.channels]

    def restart(server: Server, mode: str, count: str) -> None:
        server.execute(
            "STOP REPLICA SQL_THREAD",
            f"SET GLOBAL replica_exec_mode = '{mode}'",
            f"SET GLOBAL replica_parallel_workers = {count}",
            *(f"START REPLICA FOR CHANNEL '{name}'" for name in channels_of(server)),
        )

    def restore(server: Server) -> None:
        restart(server, "STRICT", rendered_settings(server.my_cnf)["replica_parallel_workers"])

    try:
        _everywhere(servers, names, lambda server: restart(server, "IDEMPOTENT", "1"))
        yield
    finally:
        _everywhere(servers, names, restore)


def _wait_until_equal(servers: Servers) -> None:
    """Wait until every server has executed what any of them has, for as long as that goes on."""
    names = [node.name for node in servers.topology.nodes]

    def executed() -> list[str]:
        return [servers[name].value("SELECT @@GLOBAL.gtid_executed") for name in names]

    def moved(now: list[str]) -> bool:
        return now != before or len(set(now)) == 1

    before = executed()
    while len(set(before)) > 1:
        _refuse_errors(servers, pardoned=())
        before = wait_until(
            "any server to execute another transaction",
            executed,
            timeout_s=STALL_S,
            interval_s=0.05,
            good=moved,
            hint=f"make status INSTANCE={servers.topology.instance}",
        )


def _refuse_errors(servers: Servers, pardoned: tuple[int, ...] = ROW_ERRORS) -> None:
    """Refuse where an applier stopped at something that no resolution of conflicts can mend.

    Raises:
        UsageError: one did; the message has its error.
    """
    for node in servers.topology.nodes:
        server = servers[node.name]
        for name, row in channels_of(server).items():
            error = applier_error(server, name) if row["applier"] == "OFF" else None
            if error and error["errno"] not in pardoned:
                raise UsageError(
                    f"{node.name} stopped at what is no conflict about rows, error {error['errno']}: "
                    f"{error['message']}; mend that by hand, start its replica, and run this again"
                )
