"""Conflicts found, recorded and resolved outside the drill: every type, every name, by command and by SQL."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from commands import wavetank
from wavetank.conflicts import resolve as conflicts_resolve
from wavetank.conflicts.resolve import find_open_conflicts, read_strategy
from wavetank.servers.node import Row, Servers, StatementError, query_on

pytestmark = pytest.mark.group("conflicts")
Diverge = Callable[[Servers, Mapping[str, Sequence[str]]], None]
Settle = Callable[[Servers], None]

# Names that end a quoted name, a string, a JSON path, or a statement, where they are pasted into one.
SCHEMA = 'it\'s `quoted` "here"'
TABLE = 'rows"; DROP TABLE `x`; -- %s $.a'
FIRST, SECOND = 'the "id" `of` it\'s', "$[0].* \\ %d"


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


HOSTILE = f"{quoted(SCHEMA)}.{quoted(TABLE)}"


@pytest.fixture
def ring(pair: Servers, settle: Settle) -> Iterator[Servers]:
    """The two sources, without conflicts before and after, whatever a test leaves open."""
    pair["db1"].execute("DROP SCHEMA IF EXISTS bay", "CREATE SCHEMA bay")
    settle(pair)
    yield pair
    if find_open_conflicts(pair):
        conflicts_resolve.resolve(pair, read_strategy("latest-wins", pair.topology), lambda _step: None)
    pair["db1"].execute("DROP SCHEMA IF EXISTS bay", f"DROP SCHEMA IF EXISTS {quoted(SCHEMA)}")
    settle(pair)


def conflicts(servers: Servers) -> list[dict[str, Any]]:
    return [conflict.as_dict() for conflict in find_open_conflicts(servers)]


def resolve(servers: Servers, strategy: str) -> None:
    done = conflicts_resolve.resolve(servers, read_strategy(strategy, servers.topology), lambda _step: None)
    assert done.complete, ([reason for _, reason in done.refused], done.left)


def rows(servers: Servers, table: str) -> list[list[Row]]:
    """Return the table's rows on every server."""
    statement = f"SELECT * FROM {table} ORDER BY 1"
    return [servers[node.name].query(statement, account="admin") for node in servers.topology.nodes]


# --- every type, every name

TYPES = """
    CREATE TABLE bay.types (
        word VARCHAR(20) NOT NULL, number INT NOT NULL, PRIMARY KEY (word, number),
        tiny TINYINT UNSIGNED, big BIGINT UNSIGNED, medium MEDIUMINT, price DECIMAL(30, 12), ratio FLOAT, exact DOUBLE,
        at DATETIME(6), stamp TIMESTAMP(3) NULL, took TIME(4), day DATE, vintage YEAR, fixed BINARY(8),
        raw VARBINARY(300), picture BLOB, flags BIT(11), colour ENUM('red', 'green'), sizes SET('s', 'm', 'l'),
        document JSON, essay LONGTEXT, old CHAR(12) CHARACTER SET latin1, long_text VARCHAR(300), place POINT,
        doubled INT AS (number * 2) STORED UNIQUE, summed INT AS (number + tiny) VIRTUAL,
        hidden INT INVISIBLE DEFAULT 7
    )
"""
NULLS = "INSERT INTO bay.types (word, number) VALUES ('none', 1)"
VALUES = r"""
    INSERT INTO bay.types (word, number, tiny, big, medium, price, ratio, exact, at, stamp, took, day, vintage, fixed,
        raw, picture, flags, colour, sizes, document, essay, old, long_text, place, hidden) VALUES
    ('Möwe 🌊', -3, 200, 18446744073709551615, -8388608, -123456789012345678.000000000001, 0.1, -1.7976931348623157e308,
        '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07.999', '-838:59:58.9999', '1000-01-01', 2155, 'ab\0\0',
        x'00ff27225c', x'', b'10000000001', 'green', 's,l', '{"a": [1, null, 1.5, "ü\\"", true, -5], "b": {}}',
        '\\ '' " \n % \0', 'été ÿ', REPEAT('é', 300), ST_GeomFromText('POINT(1.5 -2)'), NULL),
    ('', 0, 0, 0, 0, 0, -0.0, 1e-300, '0001-01-01 00:00:00', NULL, '-00:00:00.0001', NULL, 0, '', '', NULL, 0, NULL, '',
        'null', '', '', '', NULL, 8)
"""
OTHERS = """
    INSERT INTO bay.types (word, number, document) VALUES ('none', 1, '[]'), ('mÖwe 🌊', -3, '1'), ('', 0, '"x"')
"""


@pytest.mark.parametrize(("winner", "words"), [("db1", ["Möwe 🌊", "", "none"]), ("db2", ["mÖwe 🌊", "", "none"])])
def test_a_version_comes_back_as_it_was_whatever_its_types(
    ring: Servers, settle: Settle, diverge: Diverge, winner: str, words: Sequence[str]
) -> None:
    ring["db1"].execute(TYPES)
    settle(ring)
    diverge(ring, {"db1": ["SET SESSION sql_mode = 'STRICT_ALL_TABLES'", NULLS, VALUES], "db2": [OTHERS]})
    everything = "SELECT *, hidden FROM bay.types ORDER BY number"
    written = ring[winner].query(everything, account="admin")
    assert [row["word"] for row in written] == words
    assert [conflict["kind"] for conflict in conflicts(ring)] == ["primary key"] * 3
    resolve(ring, f"source-wins={winner}")
    assert [ring[server].query(everything, account="admin") for server in ("db1", "db2")] == [written, written]


# Each value of a JSON document that is of another type than it would be from text, and its neighbours.
DOCUMENT = """
    JSON_OBJECT(
        'price', CAST(1.50 AS DECIMAL(10, 2)), 'debt', CAST(-12345678901234567890.000000001 AS DECIMAL(40, 9)),
        'day', DATE '2020-01-02', 'at', TIMESTAMP '2020-01-02 03:04:05.678', 'took', TIME '-12:30:01.25',
        'stamp', stamp, 'raw', x'ff00', 'fixed', fixed, 'picture', picture, 'flags', flags, 'unsigned', tiny,
        'big', 5000000000, 'bigger', CAST(18446744073709551615 AS UNSIGNED), 'half', 1.5e0, 'word', '2020-01-02',
        'none', NULL, 'list', JSON_ARRAY(1, CAST(2 AS DECIMAL(3, 1)), JSON_OBJECT('the "day" é 日', DATE '1000-01-01')))
"""
# What MySQL itself says it holds: the text, and the type of each value in the document.
HELD = """
    SELECT CAST(document AS CHAR) AS text, JSON_TYPE(document) AS type,
           (SELECT JSON_ARRAYAGG(JSON_TYPE(v))
              FROM JSON_TABLE(document, '$**.*' COLUMNS (v JSON PATH '$')) AS a) AS members,
           (SELECT JSON_ARRAYAGG(JSON_TYPE(v))
              FROM JSON_TABLE(document, '$**[*]' COLUMNS (v JSON PATH '$')) AS b) AS elements
      FROM bay.documents ORDER BY id
"""
DOCUMENTS = """
    CREATE TABLE bay.documents (
        id INT PRIMARY KEY, document JSON, stamp TIMESTAMP(3) DEFAULT '2020-01-02 03:04:05.5',
        fixed BINARY(3) DEFAULT 'a', picture BLOB DEFAULT (x'00ff'),
        flags BIT(11) DEFAULT 5, tiny INT UNSIGNED DEFAULT 7
    )
"""


def test_a_document_comes_back_with_the_types_that_its_text_does_not_say(
    ring: Servers, settle: Settle, diverge: Diverge
) -> None:
    ring["db1"].execute(DOCUMENTS)
    settle(ring)
    rows_ = "INSERT INTO bay.documents (id, document) VALUES (1, 'null'), (2, '[]'), (3, '{}')"
    others = "INSERT INTO bay.documents (id, document) VALUES (1, '1'), (2, '2'), (3, '3')"
    typed = [
        f"UPDATE bay.documents SET document = {value} WHERE id = {id_}"
        for id_, value in ((1, DOCUMENT), (2, "CAST(DATE '2020-01-02' AS JSON)"), (3, f"JSON_ARRAY({DOCUMENT}, 1.5)"))
    ]
    diverge(ring, {"db1": [rows_, *typed], "db2": [others]})
    written = ring["db1"].query(HELD, account="admin")
    assert "DECIMAL" in written[0]["members"]
    resolve(ring, "source-wins=db1")
    assert [ring[server].query(HELD, account="admin") for server in ("db1", "db2")] == [written, written]


def test_zero_dates_come_back(ring: Servers, settle: Settle, diverge: Diverge) -> None:
    allow = "SET SESSION sql_mode = ''"
    ring["db1"].execute("CREATE TABLE bay.zero (id INT PRIMARY KEY, d DATE, t DATETIME(3), s TIMESTAMP)")
    settle(ring)
    zeros = "INSERT INTO bay.zero VALUES (1, '0000-00-00', '2026-00-10 00:00:00.125', '0000-00-00 00:00:00')"
    diverge(ring, {"db1": [allow, zeros], "db2": ["INSERT INTO bay.zero VALUES (1, NULL, NULL, NULL)"]})
    resolve(ring, "source-wins=db1")
    text = "SELECT CAST(d AS CHAR) AS d, CAST(t AS CHAR) AS t, CAST(s AS CHAR) AS s FROM bay.zero"
    for server in ("db1", "db2"):
        assert list(ring[server].query(text, account="admin")[0].values()) == [
            "0000-00-00",
            "2026-00-10 00:00:00.125",
            "0000-00-00 00:00:00",
        ]


@pytest.fixture
def hostile(ring: Servers, settle: Settle, diverge: Diverge) -> Servers:
    """A conflict in a table of which every name would do harm if it was not quoted, left open."""
    ring["db1"].execute(
        f"CREATE SCHEMA {quoted(SCHEMA)}",
        f"CREATE TABLE {HOSTILE} ({quoted(FIRST)} INT, {quoted(SECOND)} VARCHAR(80), PRIMARY KEY ({quoted(FIRST)}))",
    )
    settle(ring)
    diverge(
        ring,
        {
            "db1": [f"INSERT INTO {HOSTILE} VALUES (1, '`one`'' OR \"1\" -- ')"],
            "db2": [f"INSERT INTO {HOSTILE} VALUES (1, 'two')"],
        },
    )
    return ring


def test_names_and_values_are_never_part_of_a_statement(hostile: Servers) -> None:
    [found] = conflicts(hostile)
    assert (found["schema_name"], found["table_name"]) == (SCHEMA, TABLE)
    assert found["key_values"] == {FIRST: "1"}
    resolve(hostile, "source-wins=db1")
    expected = [{FIRST: 1, SECOND: '`one`\' OR "1" -- '}]
    assert rows(hostile, HOSTILE) == [expected, expected]


# --- by hand, in SQL


def by_hand(servers: Servers, statement: str, *parameters: object) -> list[Row]:
    """Run what the command says to run by hand, around a statement on the first server."""
    names = [node.name for node in servers.topology.nodes]
    for name in names:
        servers[name].execute("SET GLOBAL replica_exec_mode = 'IDEMPOTENT'", "START REPLICA")
    executed = [servers[name].value("SELECT @@GLOBAL.gtid_executed") for name in names]
    for name in names:
        servers[name].query("SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, 20)", [",".join(executed)], account="admin")
    try:
        return servers["db1"].query(statement, list(parameters), account="admin")
    finally:
        executed = [servers["db1"].value("SELECT @@GLOBAL.gtid_executed")]
        servers["db2"].query("SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, 20)", executed, account="admin")
        for name in names:
            servers[name].execute("SET GLOBAL replica_exec_mode = 'STRICT'")


CALL = "CALL wavetank.ResolveConflict(%s, %s, %s)"


@pytest.mark.parametrize(("source", "word"), [("db1", '`one`\' OR "1" -- '), ("db2", "two")])
def test_the_procedure_resolves_what_the_command_has_recorded(hostile: Servers, source: str, word: str) -> None:
    done = wavetank("resolve", INSTANCE=hostile.topology.instance, STRATEGY="manual")
    [found] = conflicts(hostile)
    assert done.returncode == 1
    assert f"CALL wavetank.ResolveConflict({found['conflict_id']}, 'source-wins', 'db1')" in done.stdout
    assert "replica_exec_mode = 'IDEMPOTENT'" in done.stdout
    assert rows(hostile, HOSTILE)[0] != rows(hostile, HOSTILE)[1]
    by_hand(hostile, CALL, found["conflict_id"], "source-wins", source)
    expected = [{FIRST: 1, SECOND: word}]
    assert rows(hostile, HOSTILE) == [expected, expected]
    record = "SELECT state, strategy, winner FROM wavetank.replication_conflicts WHERE conflict_id = %s"
    for server in ("db1", "db2"):
        assert list(hostile[server].query(record, [found["conflict_id"]])[0].values()) == [
            "resolved",
            "source-wins",
            source,
        ]
    assert conflicts(hostile) == []


def test_a_second_call_changes_nothing(hostile: Servers) -> None:
    [found] = conflicts(hostile)
    by_hand(hostile, CALL, found["conflict_id"], "source-wins", "db1")
    before = hostile["db1"].value("SELECT @@GLOBAL.gtid_executed"), rows(hostile, HOSTILE)
    by_hand(hostile, CALL, found["conflict_id"], "source-wins", "db2")
    assert rows(hostile, HOSTILE) == before[1]


def test_manual_shows_the_versions_and_changes_nothing(hostile: Servers) -> None:
    [found] = conflicts(hostile)
    before = rows(hostile, HOSTILE)
    with hostile["db1"].connection("admin") as connection, connection.cursor(dictionary=True) as cursor:
        cursor.execute(CALL, (found["conflict_id"], "manual", None))
        shown = cursor.fetchall()
        while cursor.nextset():
            pass
    assert [(row["server"], row["operation"]) for row in shown] == [("", "base"), ("db1", "insert"), ("db2", "insert")]
    assert rows(hostile, HOSTILE) == before


@pytest.mark.parametrize(
    ("strategy", "source", "complaint"),
    [
        ("loudest-wins", None, "latest-wins, source-wins or manual"),
        (None, None, "latest-wins, source-wins or manual"),
        ("source-wins", None, "needs the name of a server"),
        ("source-wins", "db9", "needs the name of a server"),
        ("source-wins", "' OR 1 -- ", "needs the name of a server"),
        ("latest-wins", None, "apply "),  # the other's transaction has not come here yet
    ],
)
def test_the_procedure_refuses_and_leaves_all_as_it_is(
    hostile: Servers, strategy: str | None, source: str | None, complaint: str
) -> None:
    [found] = conflicts(hostile)
    before = rows(hostile, HOSTILE)
    session = "SELECT @@foreign_key_checks, @@time_zone, @@group_concat_max_len"
    with hostile["db1"].connect("admin") as connection:
        settings = query_on(connection, session, node="db1")
        with pytest.raises(StatementError, match=complaint):
            query_on(connection, CALL, [found["conflict_id"], strategy, source], node="db1")
        assert query_on(connection, session, node="db1") == settings
    assert rows(hostile, HOSTILE) == before
    assert [conflict["state"] for conflict in conflicts(hostile)] == ["open"]


def test_the_procedure_refuses_a_conflict_that_there_is_not(ring: Servers) -> None:
    with pytest.raises(StatementError, match="no conflict of that id"):
        ring["db1"].query(CALL, [10**9, "latest-wins", None], account="admin")


# --- what makes a conflict


def table(servers: Servers, settle: Settle, *statements: str) -> None:
    servers["db1"].execute(
        "CREATE TABLE bay.boats (id INT PRIMARY KEY, name VARCHAR(40) UNIQUE, crew INT)",
        "INSERT INTO bay.boats VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3)",
        *statements,
    )
    settle(servers)


def lost_update(servers: Servers, settle: Settle, diverge: Diverge) -> None:
    """Let both update a boat's crew, each its own way."""
    table(servers, settle)
    updates = {"db1": 10, "db2": 20}
    diverge(servers, {name: [f"UPDATE bay.boats SET crew = {crew} WHERE id = 1"] for name, crew in updates.items()})


def test_lost_updates_are_found_although_replication_reports_nothing(
    ring: Servers, settle: Settle, diverge: Diverge
) -> None:
    lost_update(ring, settle, diverge)
    settle(ring)  # without an error
    assert [row[0]["crew"] for row in rows(ring, "bay.boats")] == [20, 10]
    [found] = conflicts(ring)
    assert (found["kind"], found["key_values"], found["servers"]) == ("update/update", {"id": "1"}, ("db1", "db2"))
    resolve(ring, "latest-wins")
    assert [row[0]["crew"] for row in rows(ring, "bay.boats")] == [20, 20]


def test_what_was_done_one_after_the_other_is_no_conflict(ring: Servers, settle: Settle) -> None:
    table(ring, settle)
    for crew, name in enumerate(("db1", "db2", "db1", "db2")):
        ring[name].execute(f"UPDATE bay.boats SET crew = {crew} WHERE id = 1")
        settle(ring)
    assert conflicts(ring) == []


def test_texts_that_the_collation_takes_for_the_same_are_one_key(
    ring: Servers, settle: Settle, diverge: Diverge
) -> None:
    table(ring, settle)
    diverge(
        ring,
        {
            "db1": ["INSERT INTO bay.boats VALUES (4, 'Élan', 1), (6, 'yawl', 1)"],
            "db2": ["INSERT INTO bay.boats VALUES (5, 'elan', 1), (7, 'yawls', 1)"],
        },
    )
    assert [conflict["kind"] for conflict in conflicts(ring)] == ["unique key"]
    resolve(ring, "source-wins=db1")
    assert [[row["id"] for row in each] for each in rows(ring, "bay.boats")] == [[1, 2, 3, 4, 6, 7]] * 2


def test_a_row_that_must_go_goes_everywhere_also_where_only_the_other_has_it(
    ring: Servers, settle: Settle, diverge: Diverge
) -> None:
    table(ring, settle)
    diverge(
        ring,
        {
            "db1": ["DELETE FROM bay.boats WHERE id IN (1, 2)"],
            "db2": ["UPDATE bay.boats SET crew = 9 WHERE id = 1", "DELETE FROM bay.boats WHERE id = 2"],
        },
    )
    assert sorted(conflict["kind"] for conflict in conflicts(ring)) == ["delete/delete", "delete/update"]
    resolve(ring, "source-wins=db1")
    assert [[row["id"] for row in each] for each in rows(ring, "bay.boats")] == [[3], [3]]


def test_a_row_that_must_go_goes_also_where_the_resolving_server_lacks_it_by_now(
    ring: Servers, settle: Settle, diverge: Diverge
) -> None:
    table(ring, settle)
    gone = "DELETE FROM bay.boats WHERE id = 1"
    # The first server ends without the boat, since it hears of the delete last; the second one with it.
    diverge(ring, {"db1": [gone, "INSERT INTO bay.boats VALUES (1, 'again', 1)"], "db2": [gone]})
    resolve(ring, "source-wins=db2")
    assert [[row["id"] for row in each] for each in rows(ring, "bay.boats")] == [[2, 3], [2, 3]]


def test_rows_that_exchanged_a_key_are_resolved_together(ring: Servers, settle: Settle, diverge: Diverge) -> None:
    table(ring, settle)
    diverge(
        ring,
        {
            # The name 'one' moves from boat 1 to boat 2, and the other side takes the name that boat 1 gets.
            "db1": ["UPDATE bay.boats SET name = 'new' WHERE id = 1", "UPDATE bay.boats SET name = 'one' WHERE id = 2"],
            "db2": ["UPDATE bay.boats SET name = 'new' WHERE id = 3"],
        },
    )
    [found] = conflicts(ring)
    assert (found["kind"], found["key_values"]) == ("unique key", {"name": "new"})
    resolve(ring, "source-wins=db1")
    expected = [(1, "new"), (2, "one"), (3, "three")]
    assert [[(row["id"], row["name"]) for row in each] for each in rows(ring, "bay.boats")] == [expected] * 2


def test_a_primary_key_that_both_sides_changed(ring: Servers, settle: Settle, diverge: Diverge) -> None:
    table(ring, settle)
    diverge(
        ring,
        {
            "db1": ["UPDATE bay.boats SET id = 11 WHERE id = 1"],
            "db2": ["UPDATE bay.boats SET id = 12 WHERE id = 1"],
        },
    )
    assert {conflict["kind"] for conflict in conflicts(ring)} == {"delete/delete", "unique key"}
    resolve(ring, "latest-wins")
    assert [[row["id"] for row in each] for each in rows(ring, "bay.boats")] == [[2, 3, 12]] * 2


def test_a_primary_key_that_one_side_changed_where_nothing_else_is_unique(
    ring: Servers, settle: Settle, diverge: Diverge
) -> None:
    table(ring, settle, "CREATE TABLE bay.buoys (id INT PRIMARY KEY, word VARCHAR(9))")
    ring["db1"].execute("INSERT INTO bay.buoys VALUES (1, 'one')")
    settle(ring)
    diverge(
        ring,
        {"db1": ["UPDATE bay.buoys SET id = 11 WHERE id = 1"], "db2": ["DELETE FROM bay.buoys WHERE id = 1"]},
    )
    assert [conflict["kind"] for conflict in conflicts(ring)] == ["delete/delete"]
    resolve(ring, "source-wins=db1")
    assert rows(ring, "bay.buoys") == [[{"id": 11, "word": "one"}]] * 2


def test_a_child_and_its_parent(ring: Servers, settle: Settle, diverge: Diverge) -> None:
    table(
        ring,
        settle,
        "CREATE TABLE bay.sails (id INT PRIMARY KEY, boat INT, FOREIGN KEY (boat) REFERENCES bay.boats (id))",
    )
    diverge(
        ring,
        {
            "db1": [
                "DELETE FROM bay.boats WHERE id = 1",
                "INSERT INTO bay.boats VALUES (8, 'same', 1)",
                "INSERT INTO bay.sails VALUES (80, 8)",
            ],
            "db2": [
                "INSERT INTO bay.sails VALUES (10, 1)",
                "INSERT INTO bay.boats VALUES (9, 'same', 1)",
                "INSERT INTO bay.sails VALUES (90, 9)",
            ],
        },
    )
    assert sorted(conflict["kind"] for conflict in conflicts(ring)) == ["foreign key", "unique key"]
    resolve(ring, "source-wins=db1")
    # Boat 1 is gone and its sail with it; boat 9 lost its name to boat 8, and its sail goes with it.
    assert [[row["id"] for row in each] for each in rows(ring, "bay.boats")] == [[2, 3, 8]] * 2
    assert [[row["id"] for row in each] for each in rows(ring, "bay.sails")] == [[80]] * 2


def test_a_conflict_that_somebody_has_overwritten_since_is_recorded_and_left_alone(
    ring: Servers, settle: Settle, diverge: Diverge
) -> None:
    lost_update(ring, settle, diverge)
    settle(ring)
    ring["db1"].execute("UPDATE bay.boats SET crew = 30 WHERE id = 1")
    settle(ring)
    assert conflicts(ring) == []
    last = "SELECT kind, state FROM wavetank.replication_conflicts ORDER BY conflict_id DESC LIMIT 1"
    assert ring["db1"].query(last) == [{"kind": "update/update", "state": "superseded"}]
    assert [row[0]["crew"] for row in rows(ring, "bay.boats")] == [30, 30]


def test_found_again_it_is_the_same_conflict(ring: Servers, settle: Settle, diverge: Diverge) -> None:
    table(ring, settle)
    diverge(ring, {name: [f"INSERT INTO bay.boats VALUES (4, '{name}', 1)"] for name in ("db1", "db2")})
    first = conflicts(ring)
    before = ring["db1"].value("SELECT COUNT(*) FROM wavetank.conflict_versions")
    assert conflicts(ring) == first
    assert ring["db1"].value("SELECT COUNT(*) FROM wavetank.conflict_versions") == before


def test_what_was_dropped_is_no_conflict_any_more(ring: Servers, settle: Settle, diverge: Diverge) -> None:
    lost_update(ring, settle, diverge)
    settle(ring)
    assert len(conflicts(ring)) == 1
    ring["db1"].execute("TRUNCATE TABLE bay.boats")
    settle(ring)
    assert conflicts(ring) == []


# --- what cannot be resolved


def test_a_table_with_a_trigger_is_refused_by_name_and_the_others_are_resolved(
    ring: Servers, settle: Settle, diverge: Diverge
) -> None:
    table(ring, settle, "CREATE TABLE bay.buoys (id INT PRIMARY KEY, word VARCHAR(9))")
    ring["db1"].execute("CREATE TRIGGER bay.count_crew BEFORE INSERT ON bay.boats FOR EACH ROW SET NEW.crew = 0")
    settle(ring)
    kept = "SELECT COUNT(*) FROM wavetank.conflict_versions WHERE kept AND table_name = 'buoys'"
    before = ring["db1"].value(kept)
    write = "INSERT INTO bay.{} VALUES (4, '{}'{})"
    diverge(
        ring,
        {name: [write.format("boats", name, ", 1"), write.format("buoys", name, "")] for name in ("db1", "db2")},
    )
    done = wavetank("resolve", INSTANCE=ring.topology.instance, STRATEGY="source-wins=db1")
    assert done.returncode == 1
    assert "bay.boats id=4 is still open: bay.boats has the trigger count_crew" in done.stdout
    assert rows(ring, "bay.buoys") == [[{"id": 4, "word": "db1"}]] * 2
    # What was refused keeps the history open: a row that was decided can be in conflict once more, for itself.
    diverge(ring, {name: [f"UPDATE bay.buoys SET word = '{name} again'"] for name in ("db1", "db2")})
    settle(ring)
    assert sorted(conflict["kind"] for conflict in conflicts(ring)) == ["primary key", "update/update"]
    assert ring["db1"].value(kept) == before + 1
    ring["db1"].execute("DROP TRIGGER bay.count_crew")
    settle(ring)
    resolve(ring, "source-wins=db1")
    assert [each[-1]["name"] for each in rows(ring, "bay.boats")] == ["db1", "db1"]
    assert rows(ring, "bay.buoys") == [[{"id": 4, "word": "db1 again"}]] * 2
    assert ring["db1"].value(kept) == before + 2


def test_a_table_that_has_been_altered_since_is_refused(ring: Servers, settle: Settle, diverge: Diverge) -> None:
    lost_update(ring, settle, diverge)
    settle(ring)
    ring["db1"].execute("ALTER TABLE bay.boats ADD COLUMN port INT")
    settle(ring)
    done = wavetank("resolve", INSTANCE=ring.topology.instance, STRATEGY="latest-wins")
    assert done.returncode == 1
    assert "does not have the columns it had at the time" in done.stdout
    ring["db1"].execute("ALTER TABLE bay.boats DROP COLUMN port")
    settle(ring)
    resolve(ring, "latest-wins")


def test_an_applier_that_stopped_at_a_definition_is_refused_in_one_line(
    ring: Servers, settle: Settle, diverge: Diverge
) -> None:
    diverge(ring, {name: ["CREATE TABLE bay.twice (id INT PRIMARY KEY)"] for name in ("db1", "db2")})
    done = wavetank("resolve", INSTANCE=ring.topology.instance, STRATEGY="latest-wins")
    state = "SELECT @@GLOBAL.read_only AS ro, @@GLOBAL.replica_exec_mode AS mode"
    closed = [ring[name].query(state) for name in ("db1", "db2")]
    for name in ("db1", "db2"):
        ring[name].execute("STOP REPLICA", "SET sql_log_bin = OFF", "DROP TABLE bay.twice", "SET sql_log_bin = ON")
    ring["db1"].execute("START REPLICA")
    ring["db2"].execute("SET sql_log_bin = OFF", "DROP TABLE IF EXISTS bay.twice", "SET sql_log_bin = ON")
    ring["db2"].execute("START REPLICA")
    settle(ring)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "error 1050" in done.stderr
    assert "closed" not in done.stdout  # not even for a moment
    assert closed == [[{"ro": 0, "mode": "STRICT"}]] * 2


@pytest.mark.parametrize(
    ("strategy", "complaint"),
    [
        ("", "strategy '' is none of latest-wins, source-wins=<node> and manual"),
        ("loudest", "strategy 'loudest' is none of latest-wins, source-wins=<node> and manual"),
        ("source-wins", "is none of"),
        ("latest-wins=db1", "is none of"),
        ("source-wins=db9", "whose version wins is one of db1, db2"),
    ],
)
def test_a_strategy_that_is_none_is_refused_in_one_line(pair: Servers, strategy: str, complaint: str) -> None:
    for command in (["resolve"], ["drill", "conflict"]):
        if strategy or command == ["resolve"]:
            done = wavetank(*command, INSTANCE=pair.topology.instance, STRATEGY=strategy)
            assert done.returncode == 2
            assert complaint in done.stderr
            assert done.stderr.count("\n") == 1
