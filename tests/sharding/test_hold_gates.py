"""Who writes without the client library, by what the page says, where test_gates.py does not ask both alike."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from sharding.mover import Mover
from sharding.rows import RENAME, add, new_key
from wavetank.client.shards import Shards
from wavetank.drills.traffic.proxied import HOLD, START, ProxiedShards
from wavetank.servers.node import Connection, Row, Servers, StatementError, query_on

pytestmark = pytest.mark.group("four-shard")


def connect(servers: Servers, name: str) -> Connection:
    return servers[name].connect("app_rw", 5, database="shop_2")


def test_those_who_hold_the_gates_do_not_hold_each_other(shards: Shards, proxied: ProxiedShards) -> None:
    one, other = new_key(shards, 2), new_key(shards, 2)
    with proxied.at(one) as session, ThreadPoolExecutor(1) as pool:
        add(session, one)

        def write() -> None:
            with proxied.at(other) as inner:
                add(inner, other)
                inner.execute(RENAME, ["both", other])

        pool.submit(write).result(timeout=4)


@pytest.mark.parametrize(
    ("name", "before", "known", "refusal"),
    [
        ("s2", START, 0, r"map version \d+ is wanted, 0 is known"),
        ("s2", START, None, r"map version \d+ is wanted, none is known"),
        ("s2", "DO 0", 9999, "START TRANSACTION comes first"),
        ("s2", "COMMIT", 9999, "START TRANSACTION comes first"),
        ("s2r", START, 9999, "this server takes no writes"),
    ],
)
def test_who_must_not_write_is_refused(  # noqa: PLR0913, PLR0917
    servers: Servers,
    mover: Mover,
    name: str,
    before: str,
    known: int | None,
    refusal: str,
) -> None:
    mover.prepare()
    with contextlib.closing(connect(servers, name)) as connection:

        def run(statement: str, *parameters: int | None) -> list[Row]:
            return query_on(connection, statement, parameters, node=name)

        run(before)
        with pytest.raises(StatementError, match=refusal):
            run(HOLD, known)


def test_gates_are_held_without_autocommit_as_well(servers: Servers) -> None:
    with contextlib.closing(connect(servers, "s2")) as connection:
        query_on(connection, "SET autocommit = 0", node="s2")
        query_on(connection, "SELECT 1 FROM sharding.gates LIMIT 1", node="s2")
        query_on(connection, HOLD, [9999], node="s2")
