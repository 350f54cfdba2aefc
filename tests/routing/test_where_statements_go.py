"""Where statements went: as the router says, as the server says that answered, and as each server's log says."""

import contextlib
import re
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from wavetank.client.splitting import Answer, Router
from wavetank.proxysql.statement_corpus import MARK, Statement, mark_of, mixed_statements
from wavetank.servers.node import Connection, Servers, StatementError, query_on
from wavetank.servers.statement_functions import HARMLESS, KEYWORDS, OF_THE_SESSION

pytestmark = pytest.mark.group("routing")
# A replica's share may be off by this many of the reads: the spread is exact up to a round.
TOLERANCE = 2
NO_SUCH_FUNCTION = 1305


@contextlib.contextmanager
def logged(servers: Servers) -> Iterator[Callable[[str], list[str]]]:
    """Have every server log what it is told; yields a function that returns what one was, with our mark."""
    names = [node.name for node in servers.topology.nodes]

    def heard(name: str) -> list[str]:
        rows = servers[name].query(
            "SELECT CONVERT(argument USING utf8mb4) AS said FROM mysql.general_log "
            "WHERE command_type = 'Query' AND user_host LIKE 'app%%' AND event_time >= %s",
            [began[name]],
            account="admin",
        )
        return [row["said"] for row in rows if MARK in row["said"]]

    for name in names:
        servers[name].execute("SET GLOBAL log_output = 'TABLE'", "SET GLOBAL general_log = ON")
    began = {name: servers[name].value("SELECT NOW(6)") for name in names}
    try:
        yield heard
    finally:
        for name in names:
            servers[name].execute("SET GLOBAL general_log = OFF", "SET GLOBAL log_output = 'FILE'")


def marks(texts: list[str]) -> Counter[str]:
    return Counter(re.findall(rf"{MARK}\d+", text)[0] for text in texts)


@pytest.fixture(scope="module")
def uuids(servers: Servers) -> dict[str, str]:
    return {node.name: servers[node.name].value("SELECT @@server_uuid") for node in servers.topology.nodes}


def run_each(router: Router, statements: list[Statement]) -> list[Answer]:
    answers = []
    for statement in statements:
        with router.session() as session:
            answers.append(session.run(statement.text))
    return answers


def test_a_thousand_statements_go_where_they_belong(
    servers: Servers, make_router: Callable[..., Router], uuids: dict[str, str]
) -> None:
    weights = {"db2": 3, "db3": 1}
    statements = mixed_statements()
    router = make_router(weights=weights)
    with logged(servers) as heard:
        answers = run_each(router, statements)
        by_log = {name: marks(heard(name)) for name in uuids}
    by_router = {
        name: Counter(mark_of(at) for at, answer in enumerate(answers) if answer.server == name) for name in uuids
    }
    assert by_log == by_router
    assert [answer for answer in answers if answer.rows and answer.value != uuids[answer.server]] == []
    writes = Counter(mark_of(at) for at, statement in enumerate(statements) if statement.writes)
    assert by_log["db1"] == writes
    reads = len(statements) - len(writes)
    for name, weight in weights.items():
        assert abs(len(by_log[name]) - reads * weight / sum(weights.values())) <= TOLERANCE


def errno_of(connection: Connection, statement: str) -> int:
    try:
        query_on(connection, statement, node="db1")
    except StatementError as error:
        return error.errno
    return 0


def test_no_name_that_may_go_to_a_replica_can_be_a_stored_function(servers: Servers) -> None:
    with servers["db1"].connection("admin") as connection:
        connection.cmd_init_db("wavetank")
        assert errno_of(connection, "SELECT no_such_function()") == NO_SUCH_FUNCTION
        known = HARMLESS | OF_THE_SESSION | KEYWORDS
        assert [name for name in sorted(known) if errno_of(connection, f"SELECT {name}()") == NO_SUCH_FUNCTION] == []


def test_a_session_with_state_stays_where_its_state_is_and_leaves_none(make_router: Callable[..., Router]) -> None:
    router = make_router()
    with router.session() as session:
        assert session.run("SELECT 1").server != "db1"
        session.run("SET @kept = 'here'")
        assert {session.run("SELECT 1").server for _ in range(3)} == {"db1"}
        assert session.run("SELECT @kept").value == "here"
        first = session.run("SELECT CONNECTION_ID()").value
    with router.session() as session:
        assert session.run("SELECT CONNECTION_ID()").value == first
        assert session.run("SELECT @kept").value is None


def test_a_transaction_is_on_the_source_and_a_read_only_one_on_one_replica(make_router: Callable[..., Router]) -> None:
    router = make_router()
    with router.session() as session:
        with session.transaction():
            assert {session.run("SELECT COUNT(*) FROM wavetank.routed").server for _ in range(4)} == {"db1"}
        with session.transaction(read_only=True):
            replicas = {session.run("SELECT COUNT(*) FROM wavetank.routed").server for _ in range(4)}
            assert len(replicas) == 1
            assert replicas < {"db2", "db3"}
            with pytest.raises(StatementError):
                session.run("DELETE FROM wavetank.routed")
        assert {session.run("SELECT 1").server for _ in range(4)} == {"db2", "db3"}


def test_an_undone_transaction_leaves_nothing(make_router: Callable[..., Router]) -> None:
    router = make_router()
    insert = "INSERT INTO wavetank.routed VALUES (9001, @@server_uuid, 'undone')"

    def begin_and_fail() -> None:
        with router.session() as session, session.transaction():
            session.run(insert)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        begin_and_fail()
    with router.session() as session:
        session.run("START TRANSACTION")
        session.run(insert)
    with router.session() as session:
        assert session.run("SELECT COUNT(*) FROM wavetank.routed WHERE id = 9001 FOR UPDATE").value == 0
