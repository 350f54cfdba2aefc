"""A source dies between any two transactions of a resharding, and a replica that was down takes its place."""

import itertools
import random

import pytest
from pretended_shards import (
    KilledError,
    PretendedComparison,
    PretendedCopy,
    PretendedFollower,
    PretendedGround,
    PretendedLedger,
    World,
    pretended_remove,
    ring,
    servers_of,
)
from wavetank.errors import UnreachableError, UsageError
from wavetank.node import StatementError
from wavetank.sharding.catalogue import Catalogue
from wavetank.sharding.gates import highest_gate
from wavetank.sharding.reshard import cutover, decision, run

# Of all pairs of transactions; a thousand more have been tried with other seeds.
SAMPLE = 30
ENDS = (UsageError, UnreachableError, StatementError, KilledError)


@pytest.fixture(autouse=True)
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "Ground": PretendedGround, "Copy": PretendedCopy, "Follower": PretendedFollower, "Ledger": PretendedLedger,
        "Comparison": PretendedComparison, "remove": pretended_remove, "make_schemas": lambda _: [],
        "copy_reference": lambda *_: 0, "count_copies": lambda *_: 0, "empty": lambda *_: None,
        "Throttles": lambda *_: None, "REPLICATED_S": 0.01, "ATTEMPTS": 2,
    }.items():  # fmt: skip
        monkeypatch.setattr(run, name, value)
    monkeypatch.setattr(cutover, "REPLICA_S", 0.01)
    monkeypatch.setattr(cutover, "NEAR_S", 0.01)
    monkeypatch.setattr(decision, "CONCLUDE_S", 0.01)


def attempt(world: World, to: int) -> BaseException | None:
    """Run a resharding as a command would; return what ended it before its end."""
    world.gone = False
    try:
        run.reshard(servers_of(world), to)
    except ENDS as error:
        return error
    return None


def commits_of(before: int, to: int) -> int:
    world = World(3).begin(ring(before))
    world.commits = 0
    assert attempt(world, to) is None
    assert world.wrong(ring(to)) == []
    assert {number: host.state["rows"] for number, host in world.sources.items()} == {
        number: host.state["rows"] for number, host in world.replicas.items()
    }
    return world.commits


def lose(world: World, shard: int, behind_at: int, dies_at: int, *, process_too: bool) -> None:
    """Let a shard's replica be down from one transaction on, and its source, or the process too, be gone at another."""
    world.commits = 0

    def fault(commits: int) -> None:
        if commits == behind_at:
            world.replicas[shard].behind = True
        if commits == dies_at:
            world.sources[shard].alive = False
            world.gone = process_too

    world.fault = fault


@pytest.mark.parametrize(("before", "to"), [(2, 3), (3, 2)])
@pytest.mark.parametrize("shard", [1, 2, 3])
def test_whenever_a_source_is_lost_the_next_run_has_everything_once(before: int, to: int, shard: int) -> None:
    commits = commits_of(before, to)
    cases = [each for each in itertools.product(range(commits + 1), range(1, commits + 1)) if each[0] <= each[1]]
    refused = []
    for behind_at, dies_at in random.Random(7).sample(cases, SAMPLE):  # noqa: S311 - not a secret
        for process_too in (False, True):
            world = World(3).begin(ring(before))
            lose(world, shard, behind_at, dies_at, process_too=process_too)
            first = attempt(world, to)
            case = f"down from {behind_at}, dead at {dies_at} of {commits}, {process_too=}, first {first!r}"
            world.fault, world.gone = lambda _: None, False
            if not world.sources[shard].alive:
                world.promote(shard)
            world.replicas[shard].behind = False
            for each in world.replicas.values():
                each.follow(world.sources[each.shard])
            again = attempt(world, to)
            if again:
                refused.append(f"{case}: {again!r}")
                continue
            assert world.wrong(ring(to)) == [], case
            servers = servers_of(world)
            assert highest_gate(servers) <= Catalogue(servers).read().version, case
    assert refused == []
