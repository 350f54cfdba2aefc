"""Customers who come to their shards through a proxy: what they do at an error, with pretended servers."""

import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from mysql.connector.errors import DatabaseError
from wavetank.drills.drill import Options
from wavetank.drills.runner import all_drills
from wavetank.drills.traffic import proxied
from wavetank.drills.traffic.proxied import HOLD, START, ProxiedShards
from wavetank.errors import UnreachableError, UsageError
from wavetank.servers.node import Row, Servers, StatementError
from wavetank.sharding.errors import AcrossShardsError, OutcomeUnknownError, ShardUnavailableError
from wavetank.sharding.maps.factory import document_of
from wavetank.sharding.maps.hashed import HashMap
from wavetank.topology.instance import HOME
from wavetank.topology.inventory import declared_topology

WRITE = "UPDATE customers SET name = 'w'"


class Connection:
    """One to a shard."""

    def __init__(self, shard: int) -> None:
        self.shard, self.closed, self.told = shard, False, list[str]()

    def close(self) -> None:
        self.closed = True


Before = Callable[[Connection, str], None]


def nothing(_connection: Connection, _statement: str) -> None:
    """Let a statement be carried out."""


class Pretended:
    """Two shards, their gates and the map; `before` is told of each statement, and may raise."""

    def __init__(self) -> None:
        self.version = self.wanted = 1
        self.map = HashMap((1, 2))
        self.opened: list[Connection] = []
        self.before: Before = nothing

    def open(self, shard: int) -> Connection:
        self.opened.append(Connection(shard))
        return self.opened[-1]

    def query_on(self, connection: Connection, statement: str, parameters: list[int] = [], *, node: str) -> list[Row]:  # noqa: B006
        assert not connection.closed
        assert node == f"shard {connection.shard}"
        connection.told.append(statement)
        self.before(connection, statement)
        if "sharding.maps" in statement:
            return [{"version": self.version, "document": json.dumps(document_of(self.map)), "pending": None}]
        if statement == HOLD and parameters[0] < self.wanted:
            raise DatabaseError(errno=1644, msg=f"map version {self.wanted} is wanted, {parameters[0]} is known")
        return []

    def told(self) -> list[tuple[int, list[str]]]:
        """Return what was said on each connection, the catalogue's reads left out."""
        said = [(each.shard, [line for line in each.told if "sharding.maps" not in line]) for each in self.opened]
        return [each for each in said if each[1]]


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Pretended:
    servers = Pretended()
    monkeypatch.setattr(proxied, "query_on", servers.query_on)
    monkeypatch.setattr(proxied, "ENTER_TIMEOUT_S", 0.3)
    return servers


@pytest.fixture
def shards(servers: Pretended) -> Iterator[ProxiedShards]:
    ids: Any = SimpleNamespace(new_id=None, assign=None)
    shards = ProxiedShards(ids, "tank", servers.open)  # type: ignore[arg-type]
    yield shards
    shards.close()
    assert all(each.closed for each in servers.opened)


def key_of(shard: int, shard_map: HashMap) -> int:
    return next(key for key in range(100) if shard_map.shard_of(key) == shard)


def test_every_transaction_holds_the_gates_first(servers: Pretended, shards: ProxiedShards) -> None:
    for shard in (1, 2, 2):
        with shards.at(key_of(shard, servers.map)) as session:
            session.execute(WRITE)
    whole = [START, HOLD, WRITE, "COMMIT"]
    assert servers.told() == [(1, whole), (2, [*whole, *whole])]


def test_who_is_refused_reads_the_map_and_goes_where_the_key_is(servers: Pretended, shards: ProxiedShards) -> None:
    key = key_of(2, servers.map)
    servers.wanted = servers.version = 2
    servers.map = HashMap((1,))
    with shards.at(key) as session:
        assert session.shard == 1
    assert servers.told() == [(1, [START, HOLD, "COMMIT"]), (2, [START, HOLD])]


def test_after_an_error_nothing_more_is_said_on_that_connection(servers: Pretended, shards: ProxiedShards) -> None:
    """A proxy that has lost the server goes on with another one, outside of the transaction."""

    def lose(_connection: Connection, statement: str) -> None:
        if statement == WRITE:
            raise DatabaseError(errno=2013, msg="Lost connection to server during query")

    servers.before = lose
    with pytest.raises(StatementError), shards.at(key_of(2, servers.map)) as session:
        session.execute(WRITE)
    assert servers.told() == [(2, [START, HOLD, WRITE])]
    assert servers.opened[-1].closed


@pytest.mark.parametrize("error", [UnreachableError("proxy1", "gone"), DatabaseError(errno=9001, msg="Max connect")])
def test_what_does_not_answer_a_commit_is_unknown(servers: Pretended, shards: ProxiedShards, error: Exception) -> None:
    def fail(_connection: Connection, statement: str) -> None:
        if statement == "COMMIT":
            raise error

    servers.before = fail
    with pytest.raises(OutcomeUnknownError, match="while it committed"), shards.at(0) as session:
        session.execute(WRITE)


def test_what_cannot_begin_is_tried_again_and_then_given_up(servers: Pretended, shards: ProxiedShards) -> None:
    def refuse(_connection: Connection, statement: str) -> None:
        if statement == HOLD:
            raise DatabaseError(errno=1644, msg="this server takes no writes")

    servers.before = refuse
    with pytest.raises(ShardUnavailableError, match="takes no writes"), shards.at(0):
        pytest.fail("it has begun")
    assert len(servers.told()) > 2
    assert WRITE not in str(servers.told())


def test_transactions_across_shards_are_not_a_proxys(servers: Pretended, shards: ProxiedShards) -> None:
    keys = [key_of(1, servers.map), key_of(2, servers.map)]
    with pytest.raises(UsageError, match="client library"), shards.transaction(keys, across=True):
        pytest.fail("it has begun")
    with pytest.raises(AcrossShardsError, match="on 2 shards"), shards.transaction(keys):
        pytest.fail("it has begun")


def test_the_page_says_what_they_say() -> None:
    page = (HOME / "docs" / "topologies" / "four-shard-proxysql.md").read_text()
    assert START in page
    assert HOLD.partition("(")[0] + "(" in page


@pytest.mark.parametrize(
    ("topology", "via", "refusal"),
    [
        ("four-shard", "routing", "via=routing is no way for customers of shards: proxysql, or none"),
        ("four-shard", "proxysql", "via=proxysql needs a ProxySQL in front of the servers, which tank has not"),
    ],
)
def test_customers_of_shards_come_by_the_library_or_through_a_proxysql(topology: str, via: str, refusal: str) -> None:
    servers = Servers(declared_topology(topology, "tank", 16000))
    with pytest.raises(UsageError, match=refusal):
        all_drills()["reshard"].prepare(servers, Options(via=via), print)
