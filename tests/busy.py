"""Sessions that write to a source all the time, each to rows of its own, so that only others are in their way."""

import random
import threading
from typing import Self

from wavetank.servers.node import Server, StatementError, query_on

ROWS = 30_000
SESSIONS = 3
# Rows that a session sets to and fro, over and over: they look the same again a moment later.
TOGGLED = 20
# The rows of this owner, and of some others, nobody writes.
QUIET = 7
PAUSE_S = 0.002
WAITS = "SELECT VARIABLE_VALUE FROM performance_schema.global_status WHERE VARIABLE_NAME = 'Innodb_row_lock_waits'"
TABLES = (
    "CREATE SCHEMA IF NOT EXISTS busy",
    "CREATE TABLE busy.named (code VARCHAR(20) PRIMARY KEY, owner INT NOT NULL, n INT NOT NULL, KEY (owner))",
    "CREATE TABLE busy.counted (id BIGINT PRIMARY KEY, owner INT NOT NULL, n INT NOT NULL)",
    "CREATE TABLE busy.keyless (owner INT NOT NULL, n INT NOT NULL, KEY (owner))",
)
FILL = (
    """
    INSERT INTO busy.counted WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < {rows})
    SELECT /*+ SET_VAR(cte_max_recursion_depth = {rows}) */ i, i % {owners}, 0 FROM c
    """,
    "INSERT INTO busy.named SELECT CONCAT('code ', id), owner, 0 FROM busy.counted WHERE id <= 2000",
    "INSERT INTO busy.keyless SELECT owner, 0 FROM busy.counted WHERE id <= 2000",
)


class BusySource:
    """Writes from several sessions while the context lasts; `refused` is what the server said no to."""

    def __init__(self, server: Server) -> None:
        """Know where to write; nothing is written yet."""
        self._server = server
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(SESSIONS)]
        self._waits_before = 0
        self.written = [0] * SESSIONS
        self.refused: list[str] = []

    def __enter__(self) -> Self:
        """Make the tables, with rows in them, and begin."""
        owners = QUIET + 1
        self._server.execute(*TABLES, *(each.format(rows=ROWS, owners=owners) for each in FILL))
        self._waits_before = self._waits
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the sessions, and remove what they wrote."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(20)
        self._server.execute("DROP SCHEMA busy")

    @property
    def _waits(self) -> int:
        return int(self._server.value(WAITS, account="admin"))

    @property
    def waits(self) -> int:
        """How often a session has waited for a row that another one had locked."""
        return self._waits - self._waits_before

    def _run(self, owner: int) -> None:
        dice = random.Random(owner)  # noqa: S311 - nobody must not guess it
        mine = [number for number in range(1, ROWS + 1) if number % (QUIET + 1) == owner]
        with self._server.connect("admin") as connection:
            # What waits for a lock gives up, and is seen.
            query_on(
                connection,
                "SET SESSION innodb_lock_wait_timeout = 1, transaction_isolation = 'READ-COMMITTED'",
                node=self._server.name,
            )
            while not self._stopped.is_set():
                for statement in self._statements(dice, mine, owner):
                    try:
                        query_on(connection, statement, node=self._server.name)
                    except StatementError as error:
                        self.refused.append(str(error))
                    self.written[owner] += 1
                    self._stopped.wait(PAUSE_S)

    @staticmethod
    def _statements(dice: random.Random, mine: list[int], owner: int) -> list[str]:
        toggled = mine[dice.randrange(TOGGLED)]
        other = mine[dice.randrange(TOGGLED, len(mine))]
        new = ROWS + dice.randrange(10**12) * 10 + owner
        return [
            f"UPDATE busy.counted SET n = 1 - n WHERE id = {toggled}",
            f"UPDATE busy.named SET n = 1 - n WHERE code = 'code {toggled}'",
            f"UPDATE busy.counted SET n = n + 1 WHERE id = {other}",
            f"INSERT INTO busy.counted VALUES ({new}, {owner}, 0)",
            f"DELETE FROM busy.counted WHERE id = {new}",
            f"INSERT INTO busy.counted VALUES ({new + 3}, {owner}, 0)",
            f"INSERT INTO busy.keyless VALUES ({owner}, {new % 100})",
        ]
