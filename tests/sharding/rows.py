"""Customers as the tests of sharding make them, and where they are."""

from wavetank.client.shards import Session, Shards
from wavetank.drills.traffic import proxied
from wavetank.servers.node import Servers

INSERT = "INSERT INTO customers (customer_id, name, email, country, region) VALUES (%s, %s, %s, 'DE', 'europe')"
RENAME = "UPDATE customers SET name = %s WHERE customer_id = %s"
NAME = "SELECT name FROM customers WHERE customer_id = %s"


def add(session: Session | proxied.Session, customer: int, name: str = "new") -> None:
    session.execute(INSERT, [customer, name, f"{customer}@example.com"])


def new_key(shards: Shards | proxied.ProxiedShards, shard: int) -> int:
    """Return an id that the map gives to a shard; nothing has it yet."""
    while shards.published.map.shard_of(key := shards.new_id()) != shard:
        pass
    return key


def customers_of(shards: Shards, shard: int) -> int:
    """Return a new customer of a shard."""
    key = new_key(shards, shard)
    with shards.at(key) as session:
        add(session, key)
    return key


def names(servers: Servers, customer: int) -> dict[int, str]:
    """Return a customer's name by shard, of the shards whose sources have it."""
    found = {}
    for shard in servers.instance.topology().shards:
        statement = f"SELECT name FROM {shard.schema}.customers WHERE customer_id = %s"
        for row in servers[shard.source.name].query(statement, [customer], account="admin"):
            found[shard.number] = row["name"]
    return found
