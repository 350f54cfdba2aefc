"""Where statements go while the map stays as it is, and what is refused."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sharding.rows import INSERT, NAME, RENAME, add, names, new_key
from wavetank.client.shards import (
    AcrossShardsError,
    FutureMapError,
    KeyTypeError,
    Shards,
    TransactionLostError,
    connect,
)
from wavetank.errors import UsageError
from wavetank.servers.node import Servers, StatementError

pytestmark = pytest.mark.group("four-shard")


def test_a_row_lies_where_the_map_says(shards: Shards, servers: Servers) -> None:
    keys = [shards.new_id() for _ in range(40)]
    for key in keys:
        with shards.at(key) as session:
            add(session, key)
    of_map = {key: {shards.published.map.shard_of(key): "new"} for key in keys}
    assert {key: names(servers, key) for key in keys} == of_map
    assert {shard for places in of_map.values() for shard in places} == {1, 2}


def test_an_exception_undoes_the_transaction(shards: Shards, servers: Servers) -> None:
    key = shards.new_id()

    def change_my_mind() -> None:
        with shards.at(key) as session:
            add(session, key)
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        change_my_mind()
    assert names(servers, key) == {}


def test_a_read_finds_what_was_written(shards: Shards, pair: tuple[int, int]) -> None:
    for key in pair:
        assert shards.read(key, NAME, [key]).value == "new"


def test_a_replica_may_answer_a_read(shards: Shards, servers: Servers, pair: tuple[int, int]) -> None:
    answers = {shards.read(key, "SELECT 1", replicas=True).server for key in pair for _ in range(3)}
    assert answers == {replica.name for shard in servers.topology.shards for replica in shard.replicas}


def test_read_takes_no_statement_that_writes(shards: Shards, pair: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="what only reads"):
        shards.read(pair[0], RENAME, ["other", pair[0]])


def test_a_statement_that_the_server_refuses_leaves_the_transaction_open(
    shards: Shards, servers: Servers, pair: tuple[int, int]
) -> None:
    with shards.at(pair[0]) as session:
        session.execute(RENAME, ["kept", pair[0]])
        with pytest.raises(StatementError, match="Duplicate entry"):
            session.execute(INSERT, [pair[0], "twice", "twice@example.com"])
    assert names(servers, pair[0]) == {1: "kept"}


@pytest.mark.parametrize(
    "statement", ["COMMIT", "ROLLBACK AND CHAIN", "begin", "/* now */ START TRANSACTION", "CREATE TABLE t (id INT)"]
)
def test_nothing_ends_a_transaction_but_its_block(
    shards: Shards, servers: Servers, pair: tuple[int, int], statement: str
) -> None:

    def end() -> None:
        with shards.at(pair[0]) as session:
            session.execute(RENAME, ["half", pair[0]])
            session.execute(statement)

    with pytest.raises(UsageError, match="would end the transaction"):
        end()
    assert names(servers, pair[0]) == {1: "new"}


def test_after_a_deadlock_nothing_more_is_written(shards: Shards, servers: Servers) -> None:
    """The server undoes the transaction and says only what went wrong: what follows would be on its own."""
    first, second = (new_key(shards, 1) for _ in range(2))
    for key in (first, second):
        with shards.at(key) as session:
            add(session, key)
    meeting = threading.Barrier(2, timeout=20)

    def cross(mine: int, other: int) -> str:
        try:
            with shards.at(mine) as session:
                session.execute(RENAME, [f"of {mine}", mine])
                meeting.wait()
                try:
                    session.execute(RENAME, [f"of {mine}", other])
                except StatementError:
                    session.execute(RENAME, ["stray", mine])
        except TransactionLostError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(cross, (first, second), (second, first)))
    (lost,) = filter(None, outcomes)
    assert "Deadlock found" in lost
    assert "begin it again" in lost
    winner = (first, second)[outcomes.index("")]
    assert names(servers, first) == names(servers, second) == {1: f"of {winner}"}


def test_a_transaction_across_shards_must_be_asked_for(shards: Shards, pair: tuple[int, int]) -> None:
    refusal = f"{pair[0]} on shard 1, {pair[1]} on shard 2: .* across=True"
    with pytest.raises(AcrossShardsError, match=refusal), shards.transaction(pair):
        pytest.fail("it has begun")


def test_keys_of_one_shard_are_one_plain_transaction(shards: Shards, servers: Servers) -> None:
    keys = [new_key(shards, 2) for _ in range(3)]
    with shards.transaction(keys) as transaction:
        for key in keys:
            add(transaction.at(key), key)
        with pytest.raises(UsageError, match="state every key"):
            transaction.at(5)
    assert [names(servers, key) for key in keys] == 3 * [{2: "new"}]


def test_bad_input_is_one_line(shards: Shards, servers: Servers) -> None:
    with pytest.raises(KeyTypeError, match="'Anna' is no key of this map"), shards.at("Anna"):
        pytest.fail("it has begun")
    with pytest.raises(FutureMapError, match=r"^map version 999 is from the future: .* has \d+;.*$"):
        connect(servers.instance.name, version=999)
    with pytest.raises(UsageError, match="no instance 'nowhere'"):
        connect("nowhere")


def test_connections_are_used_again(shards: Shards, pair: tuple[int, int]) -> None:
    opened = sum(pool.opened for pool in shards.figures())
    for _ in range(20):
        with shards.at(pair[0]) as session:
            session.execute("SET @left_behind = 1")
        with shards.transaction(pair, across=True) as transaction:
            assert transaction.at(pair[0]).execute("SELECT @left_behind").value is None
    assert sum(pool.opened for pool in shards.figures()) <= opened + 2
    assert sum(pool.borrowed for pool in shards.figures()) == 0
