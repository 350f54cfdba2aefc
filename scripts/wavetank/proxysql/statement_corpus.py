"""SQL statements of every kind that a splitter of reads and writes meets, each unlike all others.

What proves a routing: run them, then look where each one went. They are about one table of ours,
`wavetank.routed`, and leave rows in it, nothing else.
"""

import random
from dataclasses import dataclass

from wavetank.servers.source_hint import HINT

MOST_ROWS = 200
# What makes a statement's normalised text unlike all others', and says which one it was.
MARK = "routed_"

# Each statement that returns rows returns first, in its first row, who answered.
_WHO = "SELECT @@server_uuid AS {mark}"
_LOCKED = "{who}, COUNT(*) FROM wavetank.routed AS t WHERE id = {row}"
_WORD = "(SELECT word FROM wavetank.routed AS t WHERE id = {row})"
_ROW = "INTO wavetank.routed (id, server_uuid, word)"

# By form: what only the source may get, since it writes, locks, or needs the session that it was said in.
WRITES = {
    "insert": f"INSERT {_ROW} VALUES ({{row}}, @@server_uuid, 'new') AS {{mark}} "
    "ON DUPLICATE KEY UPDATE server_uuid = {mark}.server_uuid, word = {mark}.word",
    "insert from select": f"INSERT IGNORE {_ROW} SELECT {{row}}, @@server_uuid, 'read' AS {{mark}}",
    "replace": f"REPLACE {_ROW} SELECT {{row}}, @@server_uuid, 'put' AS {{mark}}",
    "update": "UPDATE wavetank.routed AS {mark} SET server_uuid = @@server_uuid, word = 'select' WHERE id = {row}",
    "update of a join": "UPDATE wavetank.routed AS {mark} JOIN wavetank.routed AS other USING (id) "
    "SET {mark}.server_uuid = @@server_uuid WHERE id = {row}",
    "update after a comment": "/* SELECT 1 */ UPDATE wavetank.routed AS {mark} "
    "SET server_uuid = @@server_uuid WHERE id = {row}",
    "update after a line comment": "-- SELECT 1\n# SELECT 2\nUPDATE wavetank.routed AS {mark} "
    "SET server_uuid = @@server_uuid WHERE id = {row}",
    "update of a common table": "WITH {mark} AS (SELECT id FROM wavetank.routed WHERE id = {row}) "
    "UPDATE wavetank.routed JOIN {mark} USING (id) SET server_uuid = @@server_uuid",
    "delete": "DELETE FROM wavetank.routed AS {mark} WHERE id = {row}",
    "delete of a common table": "with {mark} as (select id from wavetank.routed where id = {row})\n"
    "delete wavetank.routed from wavetank.routed join {mark} using (id)",
    "for update": f"{_LOCKED} FOR UPDATE",
    "for update of a table": f"{_LOCKED} FOR UPDATE OF t",
    "for update nowait": f"{_LOCKED} FOR UPDATE NOWAIT",
    "for update skip locked": f"{_LOCKED} FOR UPDATE SKIP LOCKED",
    "for update in small letters": "select @@server_uuid as {mark}, count(*) from wavetank.routed\n"
    "where id = {row} for\n\tupdate",
    "for update with a comment in it": f"{_LOCKED} FOR /* not only for */ UPDATE",
    "for update before a comment": f"{_LOCKED} FOR UPDATE -- at last",
    "for update in a subquery": f"{{who}}, {_WORD[:-1]} FOR UPDATE)",
    "for update in brackets": f"({_LOCKED} FOR UPDATE)",
    "for share": f"{_LOCKED} FOR SHARE",
    "for share nowait": f"{_LOCKED} FOR SHARE NOWAIT",
    "for share skip locked": f"{_LOCKED} FOR SHARE SKIP LOCKED",
    "lock in share mode": f"{_LOCKED} LOCK IN SHARE MODE",
    "locking in an executable comment": f"{_LOCKED} /*!80000 FOR UPDATE */",
    "get_lock": "{who}, GET_LOCK('wavetank.routed', 0)",
    "is_used_lock": "{who}, IS_USED_LOCK('wavetank.routed')",
    "release_lock": "{who}, release_lock ('wavetank.routed')",
    "release_all_locks": "{who}, RELEASE_ALL_LOCKS()",
    "set of a user variable": "SET @{mark} = {row}",
    "select into a user variable": "SELECT {row} INTO @{mark}",
    "user variable read": "{who}, @wavetank_word",
    "user variable assigned": "{who}, @wavetank_word := {row}",
    "last_insert_id": "{who}, LAST_INSERT_ID()",
    "last_insert_id set": "{who}, LAST_INSERT_ID({row})",
    "row_count": "{who}, ROW_COUNT()",
    "found_rows": "{who}, FOUND_ROWS()",
    "connection_id": "{who}, CONNECTION_ID()",
    "read with the hint": f"/* {HINT} */ {{who}}, {_WORD}",
    "read with the hint inside": f"{{who}}, {_WORD} /* {HINT} */",
}

# By form: what belongs on a replica.
READS = {
    "select": f"{{who}}, {_WORD}",
    "select in small letters": "select @@server_uuid as {mark}, (select count(*) from wavetank.routed)",
    "select of a range": "{who}, COUNT(*) FROM wavetank.routed WHERE id BETWEEN {row} AND {row} + 10",
    "select of a join": "{who}, COUNT(*) FROM wavetank.routed AS a LEFT JOIN wavetank.routed AS b USING (id)",
    "select of groups": "{who}, word, COUNT(*) FROM wavetank.routed GROUP BY word WITH ROLLUP",
    "select over a window": "{who}, ROW_NUMBER() OVER (ORDER BY (SELECT {row}))",
    "select of a union": f"{{who}} UNION ALL SELECT {_WORD}",
    "select if it exists": "{who}, EXISTS (SELECT 1 FROM wavetank.routed WHERE id = {row})",
    "select after blanks": f"\n\t  {{who}}, {_WORD}",
    "select in brackets": "({who}, {row})",
    "select after a comment": f"/* of the page /orders */ {{who}}, {_WORD}",
    "select after a line comment": f"-- UPDATE nothing\n{{who}}, {_WORD}",
    "select after a hash comment": f"# DELETE nothing\n{{who}}, {_WORD}",
    "select with a semicolon": f"{{who}}, {_WORD};",
    "select with an optimizer hint": "SELECT /*+ MAX_EXECUTION_TIME(5000) */ @@server_uuid AS {mark}, {row}",
    "select of a common table": "WITH common AS (SELECT COUNT(*) AS rows_there FROM wavetank.routed)\n"
    "{who}, rows_there FROM common",
    "select of a recursive common table": "WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up "
    "WHERE n < 5) {who}, SUM(n) FROM up",
    "words that only look like a lock": "{who}, 'FOR UPDATE', 'it''s LOCK IN SHARE MODE', \"GET_LOCK(1)\"",
    "words that only look like a write": "{who}, 'INSERT INTO t VALUES (1)', 'DELETE', 'a; UPDATE b'",
    "an address that is no variable": "{who}, COUNT(*) FROM wavetank.routed WHERE word = 'row{row}@example.org'",
}


@dataclass(frozen=True)
class Statement:
    """One statement.

    Attributes:
        text: the SQL. One that returns rows has in its first column @@server_uuid of who answered.
        writes: whether only the source may get it; what does not write belongs on a replica.
        form: what kind of statement it is, for a report.
    """

    text: str
    writes: bool
    form: str


def mark_of(number: int) -> str:
    """Return the name that only the statement of this number, from 0, has in its text."""
    return f"{MARK}{number:05d}"


def mixed_statements(count: int = 1000, seed: int = 1) -> list[Statement]:
    """Return `count` statements, reads and writes by halves, shuffled: the same ones for the same seed.

    Each holds mark_of() its place in the list as a name, which no normalisation removes, so that no two of
    them have a digest in common. Every form comes about as often as the others of its half.
    """
    draw = random.Random(seed)  # noqa: S311 - a choice, not a secret
    halves = [
        [(form, text, writes) for form, text in forms.items()] for forms, writes in ((WRITES, True), (READS, False))
    ]
    chosen = [halves[number % 2][number // 2 % len(halves[number % 2])] for number in range(count)]
    draw.shuffle(chosen)
    return [
        Statement(_filled(text, mark_of(number), draw.randrange(1, MOST_ROWS + 1)), writes, form)
        for number, (form, text, writes) in enumerate(chosen)
    ]


def _filled(text: str, mark: str, row: int) -> str:
    return text.format(who=_WHO.format(mark=mark), mark=mark, row=row)
