"""Four shards with schemas of these tests beside those of the shop, and one that holds all rows."""

import re
from collections.abc import Iterator

import pytest
from commands import own
from wavetank.servers.node import Servers
from wavetank.sharding.schema import shard_statements
from wavetank.topology.instance import Instance
from whole import SCHEMA, Comparison, schema_of


@pytest.fixture(scope="module")
def servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    """The servers of an instance of four shards, each with a replica."""
    name = request.config.getoption("--instance")
    if not name:
        name = request.getfixturevalue("bring_up")(own("asked"), TOPOLOGY="four-shard", SHARDS=4, REPLICAS=1)
    with Servers(Instance(name).topology()) as servers:
        yield servers


@pytest.fixture(scope="module")
def comparison(servers: Servers) -> Iterator[Comparison]:
    """A shop of these tests over the shards, and whole on the first, to ask both the same."""
    shards = servers.topology.shards
    made = [(shard.source.name, schema_of(shard.number), shard) for shard in shards]
    made.append((shards[0].source.name, SCHEMA, shards[0]))
    for source, schema, shard in made:
        statements = [re.sub(rf"\b{shard.schema}\b", schema, statement) for statement in shard_statements(shard)]
        # Making partitions takes longer than all of these tests take to ask.
        statements = [re.sub(r"\nPARTITION BY .*", "", statement, flags=re.DOTALL) for statement in statements]
        servers[source].execute(f"DROP SCHEMA IF EXISTS {schema}", *statements)
    with Comparison(servers) as comparison:
        yield comparison
    for source, schema, _ in made:
        servers[source].execute(f"DROP SCHEMA {schema}")
