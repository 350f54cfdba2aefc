"""A transaction across shards is on all of them or on none, whoever dies in it."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commands import wavetank
from sharding.rows import RENAME, names
from wavetank.client.shards import (
    Bounds,
    OutcomeUnknownError,
    Shards,
    TransactionLostError,
    UnfinishedError,
    two_phase_commit,
)
from wavetank.client.shards.routes import Routes
from wavetank.machine import containers
from wavetank.servers.node import Servers
from wavetank.sharding import xa
from wavetank.sharding.recovery import Admin, recover
from wavetank.topology.instance import find_instance
from wavetank.waiting import wait_until

pytestmark = pytest.mark.group("four-shard")
PROGRAM = Path(__file__).with_name("crossing.py")
STEPS = (
    "begun on shard 1", "begun on shard 2", "noted on shard 1", "noted on shard 2", "prepared on shard 1",
    "prepared on shard 2", "decided", "committed on shard 1", "committed on shard 2", "forgotten",
)  # fmt: skip
DECIDED = STEPS.index("decided")

Watched = Callable[[xa.Step], Shards]


@pytest.fixture
def watched(servers: Servers) -> Iterator[Watched]:
    """Return what makes a client that reports its steps."""
    made: list[Shards] = []

    def make(step: xa.Step) -> Shards:
        name = servers.instance.name
        made.append(Shards(Routes(find_instance(name), Bounds(new_source=1.0)), name, step=step))
        return made[-1]

    yield make
    for shards in made:
        shards.close()


def cross(shards: Shards, pair: tuple[int, int], name: str) -> None:
    with shards.transaction(pair, across=True) as transaction:
        for key in pair:
            transaction.at(key).execute(RENAME, [name, key])


def both(servers: Servers, pair: tuple[int, int]) -> set[str]:
    """Return the names that the two customers have, each on its own shard."""
    first, second = names(servers, pair[0]), names(servers, pair[1])
    assert (first.keys(), second.keys()) == ({1}, {2})
    return {first[1], second[2]}


def in_doubt(servers: Servers) -> list[xa.Branch]:
    sources = [shard.source.name for shard in servers.instance.topology().shards]
    return [branch for name in sources for branch in xa.branches(Admin(servers[name]))]


def decisions(servers: Servers) -> list[str]:
    rows = Admin(servers["s1"]).query("SELECT gtrid FROM sharding_work.decisions WHERE verdict = 'commit'")
    return [row["gtrid"] for row in rows]


def test_it_is_committed_on_both_and_leaves_nothing_behind(
    watched: Watched, servers: Servers, pair: tuple[int, int]
) -> None:
    steps: list[str] = []
    cross(watched(steps.append), pair, "crossed")
    assert tuple(steps) == STEPS
    assert both(servers, pair) == {"crossed"}
    assert in_doubt(servers) == decisions(servers) == []


def test_an_exception_undoes_it_on_both(shards: Shards, servers: Servers, pair: tuple[int, int]) -> None:
    def fail() -> None:
        with shards.transaction(pair, across=True) as transaction:
            transaction.at(pair[0]).execute(RENAME, ["half", pair[0]])
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        fail()
    assert both(servers, pair) == {"new"}
    assert in_doubt(servers) == []


@pytest.mark.parametrize("step", STEPS)
def test_a_client_that_is_killed_leaves_all_or_nothing(step: str, servers: Servers, pair: tuple[int, int]) -> None:
    arguments = [sys.executable, PROGRAM, servers.instance.name, *map(str, pair), step]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -9, done.stderr
    assert done.stdout.splitlines()[-1] == step
    recovery = recover(servers, older_than_s=0)
    assert recovery.complete
    assert both(servers, pair) == ({"crossed"} if STEPS.index(step) >= DECIDED else {"new"})
    assert in_doubt(servers) == decisions(servers) == []
    assert recover(servers, older_than_s=0).transactions == []


def test_what_is_young_may_still_have_a_client(watched: Watched, servers: Servers, pair: tuple[int, int]) -> None:
    seen: list[list[str]] = []

    def look(step: str) -> None:
        if step == "prepared on shard 2":
            seen.append([each.outcome for each in recover(servers, older_than_s=60).transactions])

    cross(watched(look), pair, "crossed")
    assert seen == [["waiting"]]
    assert both(servers, pair) == {"crossed"}


def test_a_client_that_a_recovery_has_given_up_does_not_commit(
    watched: Watched, servers: Servers, pair: tuple[int, int]
) -> None:
    def give_up(step: str) -> None:
        if step == "prepared on shard 2":
            assert [each.outcome for each in recover(servers, older_than_s=0).transactions] == ["rolled back"]

    with pytest.raises(TransactionLostError, match="given up by a recovery"):
        cross(watched(give_up), pair, "late")
    assert both(servers, pair) == {"new"}
    assert in_doubt(servers) == []


def test_a_lost_decision_is_known_from_the_shard_that_has_committed(servers: Servers, pair: tuple[int, int]) -> None:
    """As after a failover of the catalogue's source to a replica that had not got the decision yet."""
    arguments = [sys.executable, PROGRAM, servers.instance.name, *map(str, pair), "committed on shard 1"]
    assert subprocess.run(arguments, capture_output=True, timeout=60, check=False).returncode == -9
    servers["s1"].execute("DELETE FROM sharding_work.decisions WHERE verdict = 'commit'")
    (ended,) = recover(servers, older_than_s=0).transactions
    assert (ended.outcome, ended.why) == ("committed", "as another shard has it, although the decision is lost")
    assert both(servers, pair) == {"crossed"}


def kill(servers: Servers, node: str) -> None:
    containers.kill(servers.topology.container(servers.topology.node(node)))


def restart(servers: Servers, node: str) -> None:
    """Start a killed source again and open it, as topology-up does."""
    containers.restart(servers.topology.container(servers.topology.node(node)))
    wait_until(f"{node} to accept connections", servers[node].greets, timeout_s=60)
    servers[node].execute("SET GLOBAL super_read_only = OFF", "SET GLOBAL read_only = OFF")


def test_a_branch_outlives_its_server(
    watched: Watched, servers: Servers, pair: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shard dies between the decision and its commit: the client says so, and recovery ends it."""
    monkeypatch.setattr(two_phase_commit, "FINISH_TIMEOUT_S", 0.5)

    def strike(step: str) -> None:
        if step == "decided":
            kill(servers, "s2")

    shards = watched(strike)
    with pytest.raises(UnfinishedError, match="is decided to commit, and shard 2 does not answer"):
        cross(shards, pair, "crossed")
    waiting = recover(servers, older_than_s=0)
    assert (waiting.complete, waiting.silent) == (False, [2])
    restart(servers, "s2")
    assert [branch.shard for branch in in_doubt(servers)] == [2]
    (ended,) = recover(servers, older_than_s=0).transactions
    assert (ended.outcome, ended.shards) == ("committed", (1, 2))
    assert both(servers, pair) == {"crossed"}


def test_a_shard_that_dies_before_the_decision_undoes_all(
    watched: Watched, servers: Servers, pair: tuple[int, int]
) -> None:
    def strike(step: str) -> None:
        if step == "prepared on shard 1":
            kill(servers, "s2")

    with pytest.raises(TransactionLostError, match="undone on all shards"):
        cross(watched(strike), pair, "crossed")
    restart(servers, "s2")
    recover(servers, older_than_s=0)
    assert both(servers, pair) == {"new"}
    assert in_doubt(servers) == []


def test_a_catalogue_that_dies_at_the_decision_leaves_it_open(
    watched: Watched, servers: Servers, pair: tuple[int, int]
) -> None:
    def strike(step: str) -> None:
        if step == "prepared on shard 2":
            kill(servers, "s1")

    with pytest.raises(OutcomeUnknownError, match="wavetank shard recover ends it"):
        cross(watched(strike), pair, "crossed")
    restart(servers, "s1")
    recover(servers, older_than_s=0)
    assert both(servers, pair) == {"new"}
    assert in_doubt(servers) == []


def test_the_command_says_what_it_did(servers: Servers, pair: tuple[int, int]) -> None:
    arguments = [sys.executable, PROGRAM, servers.instance.name, *map(str, pair), "decided"]
    assert subprocess.run(arguments, capture_output=True, timeout=60, check=False).returncode == -9
    done = wavetank("shard", "recover", "--older-than", "0", INSTANCE=servers.instance.name)
    assert done.returncode == 0, done.stderr
    assert "committed on shard 1, 2: as was decided" in done.stdout
    done = wavetank("shard", "recover", INSTANCE=servers.instance.name)
    assert done.stdout.strip() == "no transaction across shards is in doubt"
    assert wavetank("shard", "recover", "--older-than", "-1", INSTANCE=servers.instance.name).returncode == 2
