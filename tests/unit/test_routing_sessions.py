"""Where a session's statements go, with pretended servers: pinning, own writes, faults, another source."""

from collections.abc import Callable, Iterator

import pytest
from fleet import Fleet, PretendedCursor, gtids
from mysql.connector.errors import ProgrammingError, ReadTimeoutError
from wavetank.client.splitting import (
    Bounds,
    MissingTransactionsError,
    NoServerError,
    OutcomeUnknownError,
    PoolSize,
    Router,
    Session,
    TransactionLostError,
    driver,
)
from wavetank.errors import UsageError
from wavetank.servers.node import StatementError

# No health check unless something is wrong.
BOUNDS = Bounds(look=3600, new_source=0.2)
READ, WRITE = "SELECT a FROM t", "INSERT INTO t VALUES (1)"


@pytest.fixture(autouse=True)
def _pretended_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "MySQLCursorDict", PretendedCursor)


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


@pytest.fixture
def router(fleet: Fleet) -> Iterator[Router]:
    with fleet.router(bounds=BOUNDS) as router:
        yield router
        assert [figures for figures in router.figures() if figures.borrowed] == []
    assert [server.name for server in fleet.servers.values() if server.open] == []


def test_reads_are_spread_and_writes_are_not(fleet: Fleet, router: Router) -> None:
    for _ in range(4):
        with router.session() as session:
            session.run(READ)
            session.run(WRITE)
    assert fleet.told() == {"db1": [WRITE] * 4, "db2": [READ] * 2, "db3": [READ] * 2}


def test_an_answer_says_whose_it_is(router: Router) -> None:
    with router.session() as session:
        answer = session.run(READ)
    assert (answer.server, answer.rows, answer.value) == ("db2", [{"who": "db2"}], "db2")


def test_a_transaction_is_pinned_and_then_not(fleet: Fleet, router: Router) -> None:
    with router.session() as session:
        with session.transaction():
            session.run(READ)
        session.run("SELECT 1")
    assert fleet["db1"].told == ["START TRANSACTION", READ, "COMMIT", "SELECT @@GLOBAL.gtid_executed"]


def test_a_read_only_transaction_is_on_one_replica(fleet: Fleet, router: Router) -> None:
    with router.session() as session:
        with session.transaction(read_only=True):
            for _ in range(3):
                session.run(READ)
        session.run(READ)
    assert fleet.told() == {"db2": ["START TRANSACTION READ ONLY", READ, READ, READ, "COMMIT"], "db3": [READ]}


@pytest.mark.parametrize("read_only", [True, False])
def test_an_exception_undoes_the_transaction(fleet: Fleet, router: Router, *, read_only: bool) -> None:
    with router.session() as session:
        with pytest.raises(ZeroDivisionError), session.transaction(read_only=read_only):
            raise ZeroDivisionError
        session.run(READ)
    told = fleet["db2" if read_only else "db1"].told
    assert "ROLLBACK" in told
    assert "COMMIT" not in told


def test_state_keeps_the_session_on_the_source(fleet: Fleet, router: Router) -> None:
    with router.session() as session:
        session.run("SET @a = 1")
        session.run(READ)
        (connection,) = [each for each in fleet["db1"].open if each.user == "rw"]
    assert fleet.told() == {"db1": ["SET @a = 1", READ]}
    assert connection.done == ["reset"]


def test_a_statement_that_fails_leaves_its_connection_sound(fleet: Fleet, router: Router) -> None:
    for _ in range(3):
        with router.session() as session, pytest.raises(StatementError):
            session.run("SELECT nonsense")
    assert {figures.server: figures.opened for figures in router.figures()} == {"db2": 1, "db3": 1}
    assert fleet["db1"].told == []


def test_several_statements_are_none(fleet: Fleet, router: Router) -> None:
    with router.session() as session, pytest.raises(UsageError, match="one at a time"):
        session.run("SELECT 1; DELETE FROM t")
    assert fleet.told() == {}


def test_a_closed_session_is_over(router: Router) -> None:
    with router.session() as session:
        pass
    with pytest.raises(TransactionLostError, match="this session is closed"):
        session.run(READ)


# --- own writes


def test_a_replica_that_lacks_the_write_is_not_read(fleet: Fleet, router: Router) -> None:
    with router.session() as session:
        session.run(WRITE)
        assert session.run(READ).server == "db1"
        fleet["db2"].executed = fleet["db3"].executed = 1
        assert {session.run(READ).server for _ in range(2)} == {"db2", "db3"}


def test_who_has_caught_up_is_asked_once(fleet: Fleet, router: Router) -> None:
    fleet["db2"].executed = fleet["db3"].executed = 5
    with router.session() as session:
        session.run(WRITE)
        for _ in range(6):
            session.run(READ)
    assert [len(fleet[name].told) for name in ("db2", "db3")] == [4, 4]
    assert fleet["db1"].told == [WRITE, "SELECT @@GLOBAL.gtid_executed"]


def test_every_write_is_waited_for() -> None:
    fleet = Fleet(replicas=1)
    fleet["db2"].executed = 1
    with fleet.router(bounds=BOUNDS) as router, router.session() as session:
        session.run(WRITE)
        assert session.run(READ).server == "db2"
        session.run(WRITE)
        assert session.run(READ).server == "db1"


def test_what_a_transaction_wrote_is_waited_for_after_it(router: Router) -> None:
    with router.session() as session:
        with session.transaction():
            session.run(WRITE)
        assert session.run(READ).server == "db1"


def test_a_session_may_begin_with_what_another_wrote(router: Router) -> None:
    with router.session() as first:
        assert first.gtids == ""
        first.run(WRITE)
        gtids = first.gtids
    with router.session(after=gtids) as second:
        assert second.run(READ).server == "db1"


def test_a_read_only_transaction_sees_own_writes(router: Router) -> None:
    with router.session() as session:
        session.run(WRITE)
        with session.transaction(read_only=True):
            assert session.run(READ).server == "db1"


# --- the source lacks what the session must see


@pytest.mark.parametrize("statement", [READ, WRITE, "START TRANSACTION", "START TRANSACTION READ ONLY", "SET @a = 1"])
def test_a_source_that_lacks_the_token_is_not_used(fleet: Fleet, router: Router, statement: str) -> None:
    for server in fleet.servers.values():
        server.executed = 6
    with router.session(after=gtids(7)) as session:
        for _ in range(2):
            with pytest.raises(MissingTransactionsError, match=r"db1 lacks .*:7-7,.*lost in .*without after="):
                session.run(statement)
    assert statement not in {said for told in fleet.told().values() for said in told}


def test_a_source_that_has_the_token_is_asked_once(fleet: Fleet, router: Router) -> None:
    fleet["db1"].executed = 7
    with router.session(after=gtids(7)) as session:
        assert {session.run(READ).server for _ in range(3)} == {"db1"}
        session.run(WRITE)
    assert len([said for said in fleet["db1"].told if "WAIT_FOR" in said]) == 1


def test_a_source_that_has_only_not_applied_it_yet_is_waited_for(fleet: Fleet, router: Router) -> None:
    fleet["db1"].executed, fleet["db1"].applies_on_waiting = 6, 1
    with router.session(after=gtids(7)) as session:
        assert session.run(READ).server == "db1"


def test_a_replica_that_has_the_token_is_read_though_the_source_lacks_it(fleet: Fleet, router: Router) -> None:
    fleet["db2"].executed = fleet["db3"].executed = 7
    with router.session(after=gtids(7)) as session:
        assert session.run(READ).server == "db2"


def test_a_token_that_is_not_met_is_not_forgotten(router: Router) -> None:
    with router.session(after=gtids(7)) as session:
        with pytest.raises(MissingTransactionsError):
            session.run(WRITE)
        assert session.gtids == gtids(7)


def test_a_token_of_another_topology_is_said_to_be_one(fleet: Fleet, router: Router) -> None:
    fleet["db1"].executed = 7
    with (
        router.session(after="99999999-71ca-11e1-9e33-c80aa9429562:1-7") as session,
        pytest.raises(MissingTransactionsError, match="another topology"),
    ):
        session.run(READ)


@pytest.mark.parametrize(
    "token",
    [
        "nonsense", "1-7", "7", gtids(7)[:-4], f"{gtids(7)},", f"{gtids(7)};", f"{gtids(7)}' OR '", None,
        gtids(7).replace(":1-", ":0-"), gtids(7).replace("1-7", "7-1"), gtids(2**63), gtids(10**19),
        gtids(7).replace("3e11", "3g11"), f"{gtids(7)}:Tag:1", f",{gtids(7)}",
    ],
)  # fmt: skip
def test_a_malformed_token_is_refused_before_anything_is_asked(fleet: Fleet, router: Router, token: str) -> None:
    with pytest.raises(UsageError, match="no set of GTIDs"), router.session(after=token):
        pass
    assert fleet.told() == {}


@pytest.mark.parametrize(
    "token",
    [
        "", gtids(7), f"{gtids(7)}:9", f"{gtids(7)}:9-12:tag:3:5-7", f" {gtids(7)},\n{gtids(7).replace('3e', '4E')} ",
        gtids(2**63 - 2),
    ],
)  # fmt: skip
def test_a_token_as_mysql_writes_it_is_taken(router: Router, token: str) -> None:
    with router.session(after=token) as session:
        assert session.gtids == token.replace("\n", "").replace(" ", "")


def test_what_a_session_wrote_and_a_failover_lost_is_not_passed_over(fleet: Fleet, router: Router) -> None:
    with router.session() as session:
        session.run(WRITE)
        move(fleet, lost=1)
        with pytest.raises(MissingTransactionsError, match="db2 lacks"):
            session.run(WRITE)
        with pytest.raises(MissingTransactionsError, match="db2 lacks"):
            session.run("SELECT 1 FOR UPDATE")
    assert fleet["db2"].executed == 0


def test_what_a_session_wrote_on_a_source_that_died_cannot_be_told(fleet: Fleet, router: Router) -> None:
    with router.session() as session:
        session.run(WRITE)
        move(fleet, lost=1)
        fleet["db1"].dead = True
        fleet.end("db1")
        router.recheck_servers()
        for statement in (READ, WRITE):
            with pytest.raises(MissingTransactionsError, match=r"wrote on db1.*db2.*begin another session"):
                session.run(statement)
    assert fleet["db2"].executed == 0


def test_a_connection_that_broke_between_two_statements_loses_no_own_write(fleet: Fleet, router: Router) -> None:
    with router.session() as session:
        session.run(WRITE)
        fleet.end("db1")
        with pytest.raises(OutcomeUnknownError):
            session.run(WRITE)
        assert session.run(READ).server == "db1"
        assert session.gtids == gtids(1)


# --- faults


def dies(fleet: Fleet, name: str, on: str) -> Callable[[str], None]:
    """Let a server die when it is told this."""

    def die(statement: str) -> None:
        if statement == on:
            fleet[name].dead = True

    return die


def test_a_read_goes_on_where_a_replica_dies(fleet: Fleet, router: Router) -> None:
    fleet["db2"].before = dies(fleet, "db2", READ)
    with router.session() as session:
        assert session.run(READ).server == "db3"
        assert router.replicas == {"db3"}
        assert session.run(READ).server == "db3"
    assert fleet["db2"].told == [READ]


def test_a_read_goes_to_the_source_when_no_replica_is_left(fleet: Fleet, router: Router) -> None:
    fleet["db2"].dead = fleet["db3"].dead = True
    with router.session() as session:
        assert session.run(READ).server == "db1"
    assert router.replicas == set()


def test_a_dead_replica_is_taken_back(fleet: Fleet, router: Router) -> None:
    fleet["db2"].dead = True
    with router.session() as session:
        assert session.run(READ).server == "db3"
        fleet["db2"].dead = False
        router.recheck_servers()
        assert {session.run(READ).server for _ in range(2)} == {"db2", "db3"}


def test_one_connection_that_was_killed_costs_the_replica_nothing(fleet: Fleet, router: Router) -> None:
    with router.session() as session:
        session.run(READ)
        session.run(READ)
        fleet.end("db2")
        assert session.run(READ).server == "db3"
        assert router.replicas == {"db2", "db3"}
        assert {session.run(READ).server for _ in range(2)} == {"db2", "db3"}
    assert {each.server: each.opened for each in router.figures()} == {"db2": 2, "db3": 1}


@pytest.mark.parametrize("lag_s", [BOUNDS.lag + 1, None], ids=["late", "no heartbeat"])
def test_a_lagging_replica_is_left_out(fleet: Fleet, router: Router, lag_s: float | None) -> None:
    fleet["db2"].lag_s = lag_s
    router.recheck_servers()
    with router.session() as session:
        assert {session.run(READ).server for _ in range(4)} == {"db3"}
        fleet["db3"].lag_s = lag_s
        router.recheck_servers()
        assert session.run(READ).server == "db1"


def test_a_write_whose_connection_breaks_is_not_tried_again(fleet: Fleet, router: Router) -> None:
    def end(_: str) -> None:
        fleet.end("db1")

    fleet["db1"].before = end
    with router.session() as session, pytest.raises(OutcomeUnknownError, match="db1 went away"):
        session.run(WRITE)
    assert fleet.told() == {"db1": [WRITE]}


def test_a_broken_commit_is_not_a_commit_undone(fleet: Fleet, router: Router) -> None:
    fleet["db1"].before = dies(fleet, "db1", "COMMIT")
    with router.session() as session, pytest.raises(OutcomeUnknownError), session.transaction():
        session.run(WRITE)


def test_a_read_only_transaction_is_not_continued_elsewhere(fleet: Fleet, router: Router) -> None:
    fleet["db2"].before = dies(fleet, "db2", READ)
    with router.session() as session:
        with pytest.raises(TransactionLostError), session.transaction(read_only=True):
            session.run(READ)
        assert session.run(READ).server == "db3"


def test_state_that_is_lost_ends_the_session(fleet: Fleet, router: Router) -> None:
    with router.session() as session:
        session.run("SET @a = 1")
        fleet.end("db1")
        with pytest.raises(TransactionLostError):
            session.run(READ)
        with pytest.raises(TransactionLostError, match="begin another"):
            session.run(READ)
    assert fleet["db2"].told == fleet["db3"].told == []


def times_out(_: str) -> None:
    raise ReadTimeoutError(errno=3024)


def test_a_write_that_takes_too_long_may_have_happened(fleet: Fleet, router: Router) -> None:
    fleet["db1"].before = times_out
    with router.session() as session:
        with pytest.raises(OutcomeUnknownError, match="db1 did not answer in time"):
            session.run(WRITE)
        fleet["db1"].before, fleet["db1"].executed = None, 1
        # Whoever looks whether it did, must see it.
        assert session.run(READ).server == "db1"
        fleet["db2"].executed = fleet["db3"].executed = 1
        assert session.run(READ).server != "db1"
    assert next(each for each in router.figures() if each.server == "db1").opened == 2


def test_a_slow_read_is_not_tried_again(fleet: Fleet, router: Router) -> None:
    fleet["db2"].before = times_out
    with router.session() as session, pytest.raises(StatementError):
        session.run(READ)
    assert fleet.told() == {"db2": [READ]}


def test_what_was_never_said_costs_no_transaction(fleet: Fleet, router: Router) -> None:
    def misuse(statement: str) -> None:
        if statement == READ:
            raise ProgrammingError(msg="Not all parameters were used in the SQL statement")

    fleet["db1"].before = misuse
    with router.session() as session, session.transaction():
        session.run(WRITE)
        with pytest.raises(StatementError):
            session.run(READ)
    assert fleet["db1"].told == ["START TRANSACTION", WRITE, READ, "COMMIT"]


def test_an_interrupted_connection_is_not_used_again(fleet: Fleet, router: Router) -> None:
    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    with router.session() as session:
        session.run(WRITE)
        (connection,) = [each for each in fleet["db1"].open if each.user == "rw"]
        fleet["db1"].before = interrupt
        with pytest.raises(KeyboardInterrupt):
            session.run(WRITE)
        fleet["db1"].before = None
        session.run(WRITE)
        assert connection not in fleet["db1"].open


@pytest.mark.parametrize("read_only", [False, True])
def test_nothing_is_carried_out_outside_of_a_transaction_that_was_lost(
    fleet: Fleet, router: Router, *, read_only: bool
) -> None:
    name = "db2" if read_only else "db1"

    def swallow(session: Session) -> None:
        fleet.end(name)
        with pytest.raises((TransactionLostError, OutcomeUnknownError)):
            session.run(READ if read_only else WRITE)
        for statement in (READ, WRITE):
            with pytest.raises(TransactionLostError, match="again"):
                session.run(statement)

    with router.session() as session:
        with pytest.raises(TransactionLostError), session.transaction(read_only=read_only):
            swallow(session)
        assert session.run(WRITE).server == "db1"
    assert fleet["db1"].executed == 1


def test_a_lost_transaction_does_not_wait_for_a_source_to_undo_it(fleet: Fleet, router: Router) -> None:
    fleet["db1"].before = dies(fleet, "db1", WRITE)
    with router.session() as session, pytest.raises(OutcomeUnknownError), session.transaction():
        session.run(WRITE)
    assert fleet["db1"].told == ["START TRANSACTION", WRITE]


def test_a_transaction_inside_another_is_none(router: Router) -> None:
    with router.session() as session, session.transaction():
        with pytest.raises(UsageError, match="inside another"), session.transaction():
            pass
        session.run(WRITE)


# --- another source


def move(fleet: Fleet, lost: int = 0) -> None:
    """Let db2 take the writes; it lacks so many transactions of db1's."""
    fleet["db1"].writable, fleet["db2"].writable = False, True
    fleet["db2"].executed = fleet["db1"].executed - lost


def test_a_write_follows_the_source(fleet: Fleet, router: Router) -> None:
    with router.session() as session:
        session.run(WRITE)
        move(fleet)
        assert session.run(WRITE).server == "db2"
        assert router.source == "db2"
        assert router.replicas == {"db1", "db3"}
    assert (fleet["db1"].executed, fleet["db2"].executed) == (1, 2)


def test_a_transaction_does_not_follow_the_source(fleet: Fleet, router: Router) -> None:
    with router.session() as session:
        session.run("START TRANSACTION")
        move(fleet)
        with pytest.raises(TransactionLostError, match="begin it again"):
            session.run(WRITE)
        with session.transaction():
            assert session.run(WRITE).server == "db2"


def test_without_a_source_a_write_fails_in_time_and_reads_go_on(fleet: Fleet, router: Router) -> None:
    fleet["db1"].writable = False
    with router.session() as session:
        with pytest.raises(NoServerError, match=r"waited 0\.2 s for a server that takes writes; db1: takes no writes"):
            session.run(WRITE)
        assert {session.run(READ).server for _ in range(3)} == {"db1", "db2", "db3"}
    assert fleet["db1"].executed == 0


def test_without_a_source_old_data_are_read_unless_a_replica_is_behind_the_newest(fleet: Fleet, router: Router) -> None:
    fleet["db1"].dead = True
    fleet["db2"].lag_s, fleet["db3"].lag_s = 1000, 1000 + BOUNDS.lag - 0.1
    router.recheck_servers()
    assert router.replicas == {"db2", "db3"}
    fleet["db3"].lag_s = 1000 + BOUNDS.lag + 0.1
    router.recheck_servers()
    assert router.replicas == {"db2"}
    fleet["db1"].dead = False
    router.recheck_servers()
    assert router.replicas == set()


def test_a_dead_source_is_said_to_be(fleet: Fleet, router: Router) -> None:
    fleet["db1"].dead = True
    with router.session() as session, pytest.raises(NoServerError, match="db1 does not answer"):
        session.run(WRITE)


def test_a_second_server_that_takes_writes_is_not_the_source_and_not_read(fleet: Fleet, router: Router) -> None:
    fleet["db2"].writable = True
    router.recheck_servers()
    with router.session() as session:
        assert session.run(WRITE).server == "db1"
        fleet["db3"].executed = 1
        assert {session.run(READ).server for _ in range(3)} == {"db3"}


def test_a_source_stays_one_for_as_long_as_it_takes_writes(fleet: Fleet, router: Router) -> None:
    move(fleet)
    router.recheck_servers()
    assert router.source == "db2"
    fleet["db1"].writable = True
    router.recheck_servers()
    assert router.source == "db2"


def test_the_first_of_two_that_take_writes_is_the_source(fleet: Fleet) -> None:
    fleet["db3"].writable = True
    with fleet.router(bounds=BOUNDS) as router:
        assert router.source == "db1"


# --- the router


def test_weights_are_shares(fleet: Fleet) -> None:
    with fleet.router(bounds=BOUNDS, weights={"db2": 3}) as router, router.session() as session:
        servers = [session.run(READ).server for _ in range(8)]
    assert (servers.count("db2"), servers.count("db3")) == (6, 2)


def test_without_a_heartbeat_a_dead_replica_is_left_out_and_a_lagging_one_is_not(fleet: Fleet) -> None:
    fleet["db2"].dead, fleet["db3"].lag_s = True, None
    with fleet.router(bounds=BOUNDS, heartbeat="") as router:
        assert router.replicas == {"db3"}


def test_nobody_at_all_is_said_at_once(fleet: Fleet) -> None:
    for server in fleet.servers.values():
        server.dead = True
    with pytest.raises(NoServerError, match="db3 does not answer"), fleet.router(bounds=BOUNDS):
        pass


def test_an_exhausted_replica_is_passed_over(fleet: Fleet) -> None:
    size = PoolSize(kept=1, overflow=0, wait_s=0.02)
    with (
        fleet.router(bounds=BOUNDS, pool_size=size) as router,
        router.session() as first, first.transaction(read_only=True),
        router.session() as second, second.transaction(read_only=True),
        router.session() as third,
    ):  # fmt: skip
        assert third.run(READ).server == "db1"


def test_names_are_used_once() -> None:
    fleet = Fleet()
    fleet.servers["other"] = fleet["db1"]
    with pytest.raises(UsageError, match="a name of its own"):
        Router([], fleet.router()._access)  # noqa: SLF001 - any would do


def test_figures_count_what_was_said(router: Router) -> None:
    with router.session() as session:
        session.run(READ)
        session.run(READ)
        session.run("SELECT 1 FOR UPDATE")
    assert {(each.server, each.account): each.statements for each in router.figures()} == {
        ("db1", "rw"): 1, ("db2", "ro"): 1, ("db3", "ro"): 1,
    }  # fmt: skip
