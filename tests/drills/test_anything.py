"""Whatever servers wrote without knowing of each other: afterwards they hold the same rows, and no orphans."""

import contextlib
import random
from collections.abc import Callable, Iterator

import pytest
from wavetank.conflicts.resolve import find_open_conflicts, read_strategy, resolve
from wavetank.servers.node import Servers, StatementError
from wavetank.servers.replication import channels_of

pytestmark = pytest.mark.group("conflicts")
TABLES = (
    "CREATE TABLE whirl.boats (id INT PRIMARY KEY, name VARCHAR(9) UNIQUE, berth INT UNIQUE, crew INT)",
    """CREATE TABLE whirl.sails (id INT, side CHAR(1), boat INT, PRIMARY KEY (id, side),
        FOREIGN KEY (boat) REFERENCES whirl.boats (id))""",
    "INSERT INTO whirl.boats VALUES (1, 'a', 1, 0), (2, 'b', 2, 0), (3, 'c', NULL, 0), (4, NULL, 4, 0)",
    "INSERT INTO whirl.sails VALUES (1, 'l', 1), (1, 'r', 2), (2, 'l', NULL)",
)
ORPHANS = (
    "SELECT 1 FROM whirl.sails LEFT JOIN whirl.boats ON boat = boats.id WHERE boat IS NOT NULL AND boats.id IS NULL"
)


def statements(chance: random.Random) -> Iterator[str]:
    """Yield statements on few rows and few keys; some of them fail where they are made."""
    for _ in range(chance.randint(3, 12)):
        row, other, crew = chance.randint(1, 6), chance.randint(1, 6), chance.randint(1, 99)
        name, berth = chance.choice(("'a'", "'B'", "'b'", "'d'", "NULL")), chance.choice(("1", "2", "5", "NULL"))
        side = chance.choice("lr")
        yield chance.choice(
            (
                f"INSERT INTO whirl.boats VALUES ({row}, {name}, {berth}, {crew})",
                f"UPDATE whirl.boats SET crew = {crew} WHERE id = {row}",
                f"UPDATE whirl.boats SET name = {name} WHERE id = {row}",
                f"UPDATE whirl.boats SET berth = {berth}, crew = {crew} WHERE id IN ({row}, {other})",
                f"UPDATE whirl.boats SET id = {other} WHERE id = {row}",
                f"DELETE FROM whirl.boats WHERE id = {row}",
                f"REPLACE INTO whirl.boats VALUES ({row}, {name}, {berth}, {crew})",
                f"INSERT INTO whirl.sails VALUES ({other}, '{side}', {row})",
                f"UPDATE whirl.sails SET boat = {row} WHERE side = '{side}'",
                f"UPDATE whirl.sails SET id = id + 10 WHERE id = {row}",
                f"DELETE FROM whirl.sails WHERE id = {row}",
            )
        )


def whirl(servers: Servers, settle: Callable[[Servers], None], seed: int) -> None:
    """Write at random on all servers at once, resolve, and compare."""
    chance = random.Random(seed)  # noqa: S311 - it is to be foreseen
    names = [node.name for node in servers.topology.nodes]
    servers["db1"].execute("DROP SCHEMA IF EXISTS whirl", "CREATE SCHEMA whirl", *TABLES)
    settle(servers)
    for name in names:
        servers[name].execute("STOP REPLICA")
    for name in chance.choices(names, k=len(names) * 2):
        for statement in statements(chance):
            with contextlib.suppress(StatementError):
                servers[name].execute(statement)
    for name in names:
        servers[name].execute(*(f"START REPLICA FOR CHANNEL '{each}'" for each in channels_of(servers[name])))
    strategy = chance.choice(["latest-wins", *(f"source-wins={name}" for name in names)])
    done = resolve(servers, read_strategy(strategy, servers.topology), lambda _step: None)
    assert done.complete, (seed, strategy, done.as_dict())
    assert find_open_conflicts(servers) == []
    for name in names:
        assert servers[name].query(ORPHANS, account="admin") == [], (seed, strategy, name)


@pytest.mark.parametrize("seed", range(10))
def test_two_sources(pair: Servers, settle: Callable[[Servers], None], seed: int) -> None:
    whirl(pair, settle, seed)


@pytest.mark.parametrize("seed", range(5))
def test_three_sources(three: Servers, settle: Callable[[Servers], None], seed: int) -> None:
    whirl(three, settle, seed)
