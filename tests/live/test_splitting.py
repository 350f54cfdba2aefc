"""What ProxySQL's rules make of statements that are out to mislead them, and of transactions."""

import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest
from wavetank.errors import UnreachableError
from wavetank.servers.node import Servers, StatementError, query_on
from wavetank.topology.instance import Instance
from wavetank.topology.model import Topology
from wavetank.topology.proxies import ADMIN, Proxy

ROWS = "FROM wavetank.routed"
LOCK = f"{ROWS} FOR UPDATE"
# PyMySQL has no types.
Session = Any
HARMLESS = "UPDATE wavetank.routed SET word = 'x' WHERE id = 0"
LONG_NAME = "x" * 60
WHO = "SELECT @@report_host"
# What belongs to the source, in the disguises that a normalised text does not show.
TO_THE_SOURCE = {
    "a name with a quote": f"SELECT 1 AS `a'b` {LOCK}",
    "a name with a double quote": f'SELECT 1 AS `a"b` {LOCK}',
    "a name with a hash": f"SELECT 1 AS `a#b` {LOCK}",
    "a name with a comment": f"SELECT 1 AS `a/*b` {LOCK}",
    "a name with dashes": f"SELECT 1 AS `a-- b` {LOCK}",
    "a second name with a quote": f"SELECT 1 AS `a`, 2 AS `b'c` {LOCK}",
    "a backquote in a text, then such a name": f"SELECT '`', 1 AS `a'b` {LOCK}",
    "an escaped quote": rf"SELECT 'a\'b' {LOCK}",
    "an escaped backslash": rf"SELECT 'a\\' {LOCK} -- '",
    "a doubled quote": f"SELECT 'a''' {LOCK}",
    "quotes in quotes": f"SELECT 'a\"b', \"c'd\" {LOCK}",
    "minus minus": f"SELECT 1--1 {LOCK}",
    "an empty line comment": f"SELECT 1 --\n, 2 {LOCK}",
    "a quote in a comment": f"SELECT 1 /* it's */ {LOCK}",
    "a quote in a line comment": f"-- it's\nSELECT 1 {LOCK}",
    "a form feed": f"SELECT 1 {ROWS} FOR\fUPDATE",
    "a vertical tab": f"SELECT 1 {ROWS} FOR\vUPDATE",
    "a comment for a blank": f"SELECT 1 {ROWS} FOR/**/UPDATE",
    "a hash comment for a blank": f"SELECT 1 {ROWS} FOR#x\nUPDATE",
    "share mode without blanks": f"SELECT 1 {ROWS} LOCK/**/IN/**/SHARE/**/MODE",
    "an executable comment": f"SELECT 1 {ROWS} FOR /*!UPDATE*/",
    "a long list before the lock": f"SELECT 1 {ROWS} WHERE id IN ({','.join(map(str, range(9000)))}) FOR UPDATE",
    "many names before the lock": f"SELECT {', '.join(f'id AS {LONG_NAME}{n}' for n in range(1200))} {LOCK}",
    "a long text before the lock": f"SELECT '{1200 * LONG_NAME}' {LOCK}",
    "brackets around the lock": "((SELECT 1)) FOR UPDATE",
    "a variable without a blank": "SELECT@x",
    "a quoted variable": "SELECT @'x', @`y`",
    "a variable set in passing": "SELECT 1,@x:=5",
    "a variable of the session": "SELECT @@session.identity, @@`last_insert_id`",
    "a result into a variable": "SELECT 1 INTO/**/@x",
    "a function after a comment": "SELECT GET_LOCK/**/('a', 0)",
    "a function as a quoted name": "SELECT `GET_LOCK`('a', 0)",
    "a function in two lines": "SELECT RELEASE_LOCK\n('a')",
    "a deleting common table": f"WITH a AS (SELECT 1 AS x) DELETE {ROWS} WHERE id IN (SELECT x + 99999 FROM a)",
    "whatever no rule knows": "TABLE wavetank.routed",
    "what ProxySQL does not take for a SELECT": f"SELECT*{ROWS} LIMIT 1",
    "a read in brackets": "(SELECT 1)",
    "a reading common table": "WITH a AS (SELECT 1) TABLE a",
    "a write after comments": "/* x */ # y\n-- z\nUPDATE wavetank.routed SET word = 'x' WHERE id = 0",
}
# What belongs to the replicas although it may look like something else.
TO_A_REPLICA = {
    "a comment for a blank": "SELECT/**/1",
    "a line break for a blank": "\n SELECT\n\t1",
    "comments before": "/* a */ /* b -- c */ SELECT 1",
    "a global variable": "SELECT @@global.server_id",
    "an address": "SELECT 'a@b.c', \"d@e.f\"",
    "quoted names": f"SELECT `r`.`id` {ROWS} AS `r` LIMIT 1",
    "a colour": "SELECT '#fff', '--'",
}


def hostgroups_of(servers: Servers, splitter: Proxy, statement: str) -> set[int]:
    """Return the hostgroups that a statement was sent to, by the proxy's own count of its connections' statements."""
    admin = servers[splitter.side]

    def counted() -> Counter[int]:
        rows = admin.query("SELECT hostgroup, Queries FROM stats_mysql_connection_pool", account=ADMIN)
        return sum((Counter({int(row["hostgroup"]): int(row["Queries"])}) for row in rows), Counter())

    before = counted()
    with contextlib.closing(servers[splitter.name].connect("app_rw")) as connection:
        query_on(connection, statement, node=splitter.name)
    return set(counted() - before)


@pytest.mark.parametrize("title", TO_THE_SOURCE)
def test_what_hides_a_write_is_sent_to_the_source(title: str, servers: Servers, splitter: Proxy) -> None:
    assert hostgroups_of(servers, splitter, TO_THE_SOURCE[title]) == {splitter.settings["hostgroups"]["writer"]}


@pytest.mark.parametrize("title", TO_A_REPLICA)
def test_what_only_reads_is_sent_to_a_replica(title: str, servers: Servers, splitter: Proxy) -> None:
    assert hostgroups_of(servers, splitter, TO_A_REPLICA[title]) == {splitter.settings["hostgroups"]["reader"]}


@pytest.mark.parametrize("hint", ["/* hostgroup=20 */ ", "/*+ ;hostgroup=20 */ ", "/* mirror = 20 */ "])
def test_a_comment_cannot_send_a_write_to_a_replica(hint: str, servers: Servers, splitter: Proxy) -> None:
    with pytest.raises((StatementError, UnreachableError), match="must not name a hostgroup"):
        hostgroups_of(servers, splitter, f"{hint}UPDATE wavetank.routed SET word = 'x' WHERE id = 0")


@pytest.fixture
def session(topology: Topology, splitter: Proxy) -> Iterator[Session]:
    """A cursor of a session through the proxy, with autocommit on."""
    instance = Instance(topology.instance)
    with (
        contextlib.closing(
            pymysql.connect(
                host="127.0.0.1", port=splitter.port, user="app_rw", password=instance.password("app_rw"),
                ssl_ca=str(instance.ca), autocommit=True,
            )
        ) as connection,
        connection.cursor() as cursor,
    ):  # fmt: skip
        yield cursor


def who(session: Session) -> str:
    session.execute(WHO)
    return str(session.fetchone()[0])


@pytest.mark.parametrize("begin", ["BEGIN", "START TRANSACTION"])
def test_a_transaction_stays_at_the_source(begin: str, session: Session, topology: Topology) -> None:
    source = topology.sources[0].name
    assert who(session) != source
    session.execute(begin)
    assert [who(session), who(session)] == [source, source]
    session.execute(HARMLESS)
    assert who(session) == source
    session.execute("COMMIT")
    assert who(session) != source


@pytest.mark.parametrize("read", [WHO, "(SELECT @@report_host)", f"WITH a AS (SELECT 1 {ROWS}) SELECT @@report_host"])
def test_without_autocommit_a_transaction_begins_at_its_first_write(
    read: str,
    session: Session,
    topology: Topology,
) -> None:
    source = topology.sources[0].name
    session.execute("SET autocommit = 0")
    session.execute(read)
    session.execute(HARMLESS)
    assert [who(session), who(session)] == [source, source]
    session.execute("COMMIT")
    assert who(session) != source


def test_a_user_variable_is_read_where_it_was_set(session: Session, topology: Topology) -> None:
    session.execute("SET @mine = 42")
    assert who(session) != topology.sources[0].name
    session.execute("SELECT @mine")
    assert session.fetchone() == (42,)


def test_a_prepared_statement_goes_where_its_text_belongs(servers: Servers, splitter: Proxy) -> None:
    with contextlib.closing(servers[splitter.name].connect("app_rw")) as connection:
        with connection.cursor(prepared=True) as cursor:
            cursor.execute(f"SELECT @@report_host, COUNT(*) {ROWS} WHERE id > ? FOR UPDATE", (1,))
            locked = cursor.fetchall()
        with connection.cursor(prepared=True) as cursor:
            cursor.execute(f"SELECT @@report_host, COUNT(*) {ROWS} WHERE id > ?", (1,))
            read = cursor.fetchall()
    source = servers.topology.sources[0].name
    assert locked[0][0] == source
    assert read[0][0] != source
