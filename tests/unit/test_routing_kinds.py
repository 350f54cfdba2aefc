"""What kind a statement is: nothing that may write is taken for a read."""

import pytest
from wavetank.errors import UsageError
from wavetank.proxysql.statement_corpus import READS, WRITES, mixed_statements
from wavetank.servers import statement_kinds
from wavetank.servers.source_hint import HINT
from wavetank.servers.statement_kinds import LONGEST_READ, Kind, Kinds

READ, WRITE, STATE, READ_ONLY = Kind.READ, Kind.WRITE, Kind.STATE, Kind.READ_ONLY_TRANSACTION

FORMS = {
    # reads
    "SELECT a FROM t WHERE b = 1": READ,
    "TABLE t": READ,
    "((SELECT 1))": READ,
    "SELECT 1 UNION (SELECT 2 LIMIT 1)": READ,
    "SELECT a FROM t USE INDEX FOR JOIN (i)": READ,
    "SELECT SUBSTRING(a FROM 1 FOR 2), a->>'$.b', CAST(a AS CHAR(10)) FROM t": READ,
    "SELECT a FROM JSON_TABLE('[1]', '$[*]' COLUMNS (a INT PATH '$')) AS j": READ,
    "SELECT MATCH(a) AGAINST ('b' IN BOOLEAN MODE), INTERVAL(1, 2) FROM t": READ,
    "SELECT a FROM t, LATERAL (SELECT 1) AS l WHERE (a, b) IN ((1, 2)) AND NOT (a <=> b)": READ,
    "SELECT COUNT(*) OVER w FROM t WINDOW w AS (PARTITION BY a)": READ,
    "SELECT `for`, `update`, `into` FROM `insert`": READ,
    "SELECT 1--1": READ,
    "SELECT 5 -- FOR UPDATE": READ,
    "SELECT 5 # INTO OUTFILE": READ,
    "SELECT @@version, @@SESSION.sql_mode": READ,
    "WITH c (n) AS (SELECT 1) SELECT n FROM c": READ,
    # for the source, since they lock or write
    "SELECT 1 UNION SELECT 2 FOR UPDATE": WRITE,
    "SELECT * FROM (SELECT 1 FROM t FOR SHARE) AS s": WRITE,
    "WITH c AS (SELECT 1 FROM t FOR UPDATE) SELECT * FROM c": WRITE,
    "select 1 from t for\nupdate skip\tlocked": WRITE,
    "SELECT 1 /* /* */ FOR UPDATE": WRITE,
    "WITH c AS (SELECT 1) DELETE FROM t": WRITE,
    "INSERT INTO s.t (a, b) VALUES (1, NOW())": WRITE,
    "INSERT t (a) SELECT MAX(a) FROM t": WRITE,
    "REPLACE t VALUES (1)": WRITE,
    "UPDATE t SET a = (SELECT 1)": WRITE,
    "CREATE TABLE t (a INT)": WRITE,
    "TRUNCATE t": WRITE,
    "START TRANSACTION": WRITE,
    "BEGIN": WRITE,
    "COMMIT": WRITE,
    "START TRANSACTION READ WRITE": WRITE,
    "START TRANSACTION READ ONLY": READ_ONLY,
    "start transaction with consistent snapshot, read only": READ_ONLY,
    # for the source, since only its session knows
    "SELECT LAST_INSERT_ID()": WRITE,
    "SELECT @@last_insert_id": WRITE,
    "SELECT @a": WRITE,
    "SELECT SQL_CALC_FOUND_ROWS a FROM t LIMIT 1": WRITE,
    "SHOW WARNINGS": WRITE,
    # what may leave something in the session
    "SET autocommit = 0": STATE,
    "USE shop": STATE,
    "LOCK TABLES t READ": STATE,
    "CREATE TEMPORARY TABLE t (a INT)": STATE,
    "CALL p()": STATE,
    "PREPARE s FROM 'DELETE FROM t'": STATE,
    "DO RELEASE_LOCK('a')": STATE,
    "HANDLER t OPEN": STATE,
    "SELECT @a := 1": STATE,
    "UPDATE t SET a = (@b := a)": STATE,
    "SELECT 1 INTO @a": STATE,
    "SELECT 1 INTO OUTFILE '/tmp/a'": STATE,
    "SELECT a INTO DUMPFILE '/tmp/a' FROM t": STATE,
    "INSERT t VALUES (GET_LOCK('a', 1))": STATE,
    "INSERT INTO t SELECT GET_LOCK('a', 1)": STATE,
    "SELECT /*! GET_LOCK('a', 1), */ 1": STATE,
    "SELECT 1 /*!80000 FOR UPDATE */": STATE,
    # what may be a stored function
    "SELECT total(1)": STATE,
    "SELECT shop.total(1)": STATE,
    "SELECT `total`(1)": STATE,
    "SELECT `count`(1)": STATE,
    "SELECT shop.count(1)": STATE,
    "SELECT COUNT (1)": STATE,
    "SELECT levenshtein('a', 'b')": STATE,
    "SELECT 1 FROM t WHERE EXISTS (SELECT total(a))": STATE,
    "WITH total (a) AS (SELECT 1) SELECT total(a) FROM total": STATE,
    # what the parser does not understand
    "SELECT * FROM t PROCEDURE ANALYSE()": STATE,
    "FROBNICATE THE BASIN": STATE,
    "SELECT 'open": STATE,
}
SUFFIXES = [
    " FOR UPDATE",
    "\nfor share",
    " FOR UPDATE NOWAIT",
    " LOCK IN SHARE MODE",
    " /*!FOR UPDATE*/",
    f" /*{HINT}*/",
]


@pytest.fixture
def known() -> Kinds:
    return Kinds()


@pytest.mark.parametrize(("text", "kind"), FORMS.items(), ids=FORMS)
def test_the_kind_of(known: Kinds, text: str, kind: Kind) -> None:
    assert known.of(text) is kind


def test_what_writes_is_never_a_read_and_what_reads_is(known: Kinds) -> None:
    wrong = [each for each in mixed_statements() if each.writes == (known.of(each.text) is READ)]
    assert wrong == []
    assert {each.form for each in mixed_statements()} == WRITES.keys() | READS.keys()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_read_that_locks_is_none(known: Kinds, suffix: str) -> None:
    reads = [text for text, kind in FORMS.items() if kind is READ and not text.startswith(("TABLE", "SELECT 5"))]
    assert [text for text in reads if known.of(text) is not READ] == []
    assert [text for text in reads if known.of(text + suffix) is READ] == []


@pytest.mark.parametrize("text", ["SELECT 1; DELETE FROM t", "SELECT 1;; SELECT 2", "", " ; ", "-- nothing"])
def test_one_statement_at_a_time(known: Kinds, text: str) -> None:
    with pytest.raises(UsageError):
        known.of(text)


def test_a_semicolon_at_the_end_or_in_a_string_is_none(known: Kinds) -> None:
    assert known.of("SELECT 'a; DELETE FROM t';") is READ


def test_placeholders_are_understood(known: Kinds) -> None:
    assert known.of("SELECT a FROM t WHERE b = %s LIMIT %(most)s", with_parameters=True) is READ
    assert known.of("INSERT INTO t VALUES (%s)", with_parameters=True) is WRITE
    assert known.of("SELECT 7 %s FROM t", with_parameters=False) is READ  # the remainder of a division


def test_a_function_that_is_declared_safe_is_read_on_a_replica() -> None:
    known = Kinds(safe_functions=["shop.Total"])
    assert known.of("SELECT SHOP.total(1)") is READ
    assert known.of("SELECT total(1)") is STATE
    assert known.of("SELECT other.total(1)") is STATE


def test_what_is_too_long_is_not_read(known: Kinds) -> None:
    assert known.of("SELECT " + "1," * LONGEST_READ + "1") is STATE


def test_a_nesting_too_deep_is_not_understood(known: Kinds) -> None:
    assert known.of("SELECT " + "(" * 5000 + "1" + ")" * 5000) is STATE


def test_a_kind_is_remembered(known: Kinds, monkeypatch: pytest.MonkeyPatch) -> None:
    assert known.of("SELECT 1") is READ
    monkeypatch.setattr(statement_kinds, "MySQL", None)
    assert known.of("SELECT 1") is READ
