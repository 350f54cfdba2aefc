"""Ten thousand borrowings with faults at random; the server's own list of connections is the witness."""

import contextlib
import logging
import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from wavetank.client.splitting import OutcomeUnknownError, Session
from wavetank.client.splitting.errors import RoutingError
from wavetank.client.splitting.router import Router
from wavetank.client.splitting.settings import PoolSize
from wavetank.errors import UsageError
from wavetank.servers.node import Servers, StatementError
from wavetank.waiting import wait_until

pytestmark = pytest.mark.group("routing")
LOG = logging.getLogger(__name__)

BORROWINGS, THREADS = 10_000, 8
# Fewer connections than threads, so that some wait; none waits in vain.
SIZE = PoolSize(kept=3, overflow=2, wait_s=2.0)


class ApplicationError(Exception):
    """What an application raises in the middle of its work."""


def read(session: Session) -> None:
    session.run("SELECT 1")


def lock(session: Session) -> None:
    session.run("SELECT id FROM wavetank.routed WHERE id = 1 FOR UPDATE")


def fail_after_a_read(session: Session) -> None:
    session.run("SELECT 1")
    raise ApplicationError


def fail_in_a_transaction(session: Session) -> None:
    with session.transaction(read_only=True):
        session.run("SELECT 1")
        raise ApplicationError


def leave_a_transaction(session: Session) -> None:
    session.run("START TRANSACTION")
    session.run("SELECT 1")


def leave_a_lock(session: Session) -> None:
    session.run("SELECT GET_LOCK(CONCAT('leak', CONNECTION_ID()), 0)")


def be_refused(session: Session) -> None:
    session.run("SELECT nothing FROM nowhere.at_all")


def give_wrong_parameters(session: Session) -> None:
    session.run("SELECT %s, %s", [1])


def say_two_things(session: Session) -> None:
    session.run("SELECT 1; SELECT 2")


FAULTS = [
    fail_after_a_read, fail_in_a_transaction, leave_a_transaction, leave_a_lock, be_refused, give_wrong_parameters,
    say_two_things,
]  # fmt: skip


def kill_one(servers: Servers, draw: random.Random) -> None:
    """End a connection of the router's from behind, whatever it does."""
    server = servers[draw.choice(servers.topology.nodes).name]
    found = connections(server.name, servers)
    with contextlib.suppress(StatementError):
        server.execute(f"KILL {draw.choice(found)}") if found else None


def connections(name: str, servers: Servers) -> list[int]:
    rows = servers[name].query(
        "SELECT ID FROM performance_schema.processlist WHERE USER IN ('app_rw', 'app_ro')", account="admin"
    )
    return [row["ID"] for row in rows]


def borrow(router: Router, servers: Servers, seed: int) -> Counter[str]:
    draw = random.Random(seed)  # noqa: S311 - faults, not secrets
    outcome: Counter[str] = Counter()
    for _ in range(BORROWINGS // THREADS):
        fate = draw.random()
        work = draw.choice(FAULTS) if fate < 0.3 else draw.choice([read, read, read, lock])
        if fate > 0.99:
            kill_one(servers, draw)
        try:
            with router.session() as session:
                work(session)
            outcome["good"] += 1
        except (ApplicationError, StatementError, UsageError, RoutingError, OutcomeUnknownError) as error:
            outcome[type(error).__name__] += 1
        assert not any(figures.timeouts for figures in router.figures())
    return outcome


def test_ten_thousand_borrowings_with_faults_leak_nothing(servers: Servers, make_router: Callable[..., Router]) -> None:
    router = make_router(pool_size=SIZE)
    with ThreadPoolExecutor(THREADS) as pool:
        outcomes = list(pool.map(lambda seed: borrow(router, servers, seed), range(THREADS)))
    outcome = sum(outcomes, Counter())
    assert sum(outcome.values()) == BORROWINGS
    LOG.info("%s", dict(outcome))
    for figures in router.figures():
        LOG.info("%s", figures)
        assert figures.borrowed == 0
        assert 0 <= figures.idle <= SIZE.kept
        if figures.server == "db1":
            assert figures.waits > 0
    for node in servers.topology.nodes:
        kept = sum(figures.idle for figures in router.figures() if figures.server == node.name)
        wait_until(
            f"{node.name} to have {kept} connections", lambda name=node.name: len(connections(name, servers)),
            good=lambda count, kept=kept: count <= kept, timeout_s=5,
        )  # fmt: skip
        locks = "SELECT COUNT(*) FROM performance_schema.metadata_locks WHERE OBJECT_TYPE = 'USER LEVEL LOCK'"
        assert servers[node.name].value(locks) == 0
        assert servers[node.name].value("SELECT COUNT(*) FROM information_schema.INNODB_TRX", account="admin") == 0
    router.close()
    for node in servers.topology.nodes:
        wait_until(f"{node.name} to be alone", lambda name=node.name: not connections(name, servers), timeout_s=5)
