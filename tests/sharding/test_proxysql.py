"""One port for all shards: the schema, or a hint, says which one a statement is for."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from commands import own, wavetank
from damages import expect_green
from damages.four_shard_proxysql import LANE, OPTIONS
from sharding.mover import Mover, wait_for_lock
from sharding.rows import add, new_key
from wavetank.client.shards import connect
from wavetank.drills.traffic.proxied import HOLD, START, ProxiedShards, through_proxies
from wavetank.errors import UnreachableError
from wavetank.machine import containers
from wavetank.servers.node import Row, Servers, StatementError, query_on
from wavetank.topology.instance import Instance
from wavetank.waiting import wait_until

pytestmark = pytest.mark.group(LANE)
WHO = "SELECT @@report_host AS name"
INSERT = "INSERT INTO {table} (customer_id, name, email, country, region) VALUES ({id}, 'p', 'p{id}', 'DE', 'europe')"
Say = Callable[..., list[Row]]


@pytest.fixture(scope="module")
def proxied(bring_up: Callable[..., str]) -> Iterator[Servers]:
    """Two shards, each a source with a replica, behind a ProxySQL."""
    with Servers(Instance(bring_up(own(LANE), **OPTIONS)).topology()) as servers:
        yield servers


@pytest.fixture
def say(proxied: Servers) -> Iterator[Say]:
    """Return what says a statement through the proxy, in a session of its own, in a schema or none."""

    def once(statement: str, schema: str = "") -> list[Row]:
        with contextlib.closing(proxied["proxy1"].connect("app_rw", database=schema)) as connection:
            return query_on(connection, statement, node="proxy1")

    yield once
    for number in (1, 2):
        with contextlib.suppress(UnreachableError):
            once("DELETE FROM customers WHERE name = 'p'", f"shop_{number}")


def holders(servers: Servers, customer: int) -> set[str]:
    """Return the sources that have a customer."""
    found = set()
    for shard in servers.instance.topology().shards:
        statement = f"SELECT 1 FROM {shard.schema}.customers WHERE customer_id = {customer}"
        if servers[shard.source.name].value(statement, account="admin"):
            found.add(shard.source.name)
    return found


def test_every_check_is_green(proxied: Servers) -> None:
    expect_green(proxied)


@pytest.mark.parametrize("number", [1, 2])
def test_the_schema_names_the_shard(number: int, proxied: Servers, say: Say) -> None:
    schema, customer = f"shop_{number}", 9_000_000 + number
    assert say(WHO, schema) == [{"name": f"s{number}r"}]
    assert say(f"{WHO} FOR UPDATE", schema) == [{"name": f"s{number}"}]
    say(INSERT.format(table="customers", id=customer), schema)
    assert holders(proxied, customer) == {f"s{number}"}


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("hint", ["/* shard:{} */ ", "/*shard:{}*/ ", "/*  SHARD:{}  */"])
def test_a_hint_names_the_shard_where_no_schema_does(number: int, hint: str, proxied: Servers, say: Say) -> None:
    said, customer = hint.format(number), 9_100_000 + number
    assert say(said + WHO) == [{"name": f"s{number}r"}]
    say(said + INSERT.format(table=f"shop_{number}.customers", id=customer))
    assert holders(proxied, customer) == {f"s{number}"}


def test_a_transaction_stays_on_its_shard(proxied: Servers) -> None:
    with contextlib.closing(proxied["proxy1"].connect("app_rw", database="shop_2")) as connection:

        def run(statement: str) -> list[Row]:
            return query_on(connection, statement, node="proxy1")

        run("BEGIN")
        assert [run(WHO), run(f"{WHO} FOR UPDATE"), run(WHO)] == 3 * [[{"name": "s2"}]]
        run("ROLLBACK")


@pytest.mark.parametrize(
    ("statement", "schema", "refusal"),
    [
        # Nothing lands on a shard that was not meant: its schema has another name.
        (INSERT.format(table="customers", id=9_200_001), "", "1109|1146|1142|1044|1046"),
        (INSERT.format(table="shop_2.customers", id=9_200_001), "", "1146|1049|1142"),
        ("/* shard:1 */ " + INSERT.format(table="customers", id=9_200_001), "shop_2", "1049|1044"),
        (INSERT.format(table="shop_1.customers", id=9_200_001), "shop_2", "1146|1049|1142"),
    ],
)
def test_contradictions_are_refused_and_write_nothing(
    statement: str, schema: str, refusal: str, proxied: Servers, say: Say
) -> None:
    with pytest.raises(StatementError, match=rf"^({refusal}) "):
        say(statement, schema)
    assert holders(proxied, 9_200_001) == set()


@pytest.fixture
def customers(proxied: Servers) -> Iterator[ProxiedShards]:
    """The shards for an application that does what the page says."""
    with connect(proxied.instance.name) as shards:
        customers = through_proxies(shards, proxied.instance.name)
        yield customers
        customers.close()


@pytest.fixture
def mover(proxied: Servers) -> Iterator[Mover]:
    mover = Mover(proxied)
    yield mover
    mover.go_back()


@pytest.mark.usefixtures("say")
def test_a_cut_over_waits_for_who_holds_the_gates(customers: ProxiedShards, proxied: Servers, mover: Mover) -> None:
    first, second = new_key(customers, 2), new_key(customers, 2)
    mover.prepare()

    def write() -> int:
        with customers.at(second) as session:
            add(session, second, "p")
            return session.shard

    with ThreadPoolExecutor(2) as pool:
        with customers.at(first) as session:
            add(session, first, "p")
            cut = pool.submit(mover.cut)
            wait_for_lock(proxied["s2"])
            assert not cut.done()
        version = cut.result(timeout=20)
        # Nobody comes to a moving key until the map says where it is.
        written = pool.submit(write)
        with pytest.raises(TimeoutError):
            written.result(timeout=0.5)
        mover.arrive()
        assert written.result(timeout=20) == 1
    assert customers.published.version == version
    assert (holders(proxied, first), holders(proxied, second)) == ({"s2"}, {"s1"})


def test_gates_are_held_in_a_transaction_only(proxied: Servers) -> None:
    with contextlib.closing(proxied["proxy1"].connect("app_rw", database="shop_2")) as connection:
        with pytest.raises(StatementError, match="START TRANSACTION comes first"):
            query_on(connection, HOLD, [9999], node="proxy1")
        query_on(connection, START, node="proxy1")
        with pytest.raises(StatementError, match=r"map version \d+ is wanted, 0 is known"):
            query_on(connection, HOLD, [0], node="proxy1")


def test_a_failover_of_one_shard_is_followed(proxied: Servers, say: Say) -> None:
    """Last, since the instance is another one afterwards."""
    containers.kill(proxied.topology.container(proxied.topology.node("s2")))
    done = wavetank("failover", INSTANCE=proxied.instance.name)
    assert done.returncode == 0, done.stderr

    def written() -> Any:  # noqa: ANN401
        with contextlib.suppress(UnreachableError, StatementError):
            say(INSERT.format(table="customers", id=9_300_001), "shop_2")
        return holders(proxied, 9_300_001)

    assert wait_until("a write on shard 2", written, timeout_s=30) == {"s2r"}
    assert say(f"{WHO} FOR UPDATE", "shop_1") == [{"name": "s1"}]
