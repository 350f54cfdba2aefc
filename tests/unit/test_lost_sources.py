"""A source dies between any two transactions of a resharding, and a replica that was down takes its place."""

import itertools
import os
import random
from collections.abc import Mapping

import pytest
from pretended_clock import Clock
from pretended_shards import (
    KilledError,
    PretendedComparison,
    PretendedContext,
    PretendedCopy,
    PretendedFollower,
    PretendedLedger,
    World,
    pretended_remove,
    ring,
    servers_of,
)
from wavetank.errors import UnreachableError, UsageError
from wavetank.servers.node import StatementError
from wavetank.sharding import establishing
from wavetank.sharding.catalogue import LEFT_OUT, Catalogue
from wavetank.sharding.errors import OutdatedMapError
from wavetank.sharding.gates import highest_gate
from wavetank.sharding.reshard import cutover, decision, run, stalled
from wavetank.sharding.reshard.stalled import find_stalled

# Of all pairs of transactions, and of those of the cut-over.
SAMPLE = int(os.environ.get("SAMPLE", "10"))
ENDS = (UsageError, UnreachableError, StatementError, KilledError)


@pytest.fixture(autouse=True)
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    Clock.instead(monkeypatch)
    for name, value in {
        "ReshardingContext": PretendedContext, "Copy": PretendedCopy, "Follower": PretendedFollower,
        "Ledger": PretendedLedger, "Comparison": PretendedComparison, "remove": pretended_remove,
        "make_schemas": lambda _: [], "copy_reference": lambda *_: 0, "count_copies": lambda *_: 0,
        "empty": lambda *_: None, "Throttles": lambda *_: None, "REPLICATED_S": 0.01, "ATTEMPTS": 2,
    }.items():  # fmt: skip
        monkeypatch.setattr(run, name, value)
    monkeypatch.setattr(stalled, "Ledger", PretendedLedger)
    monkeypatch.setattr(establishing, "Ledger", PretendedLedger)
    monkeypatch.setattr(stalled, "at_work", lambda _: False)
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


class Counter(run.NullObserver):
    """Notes before which transaction each step of a resharding is."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.steps: dict[str, int] = {}

    def phase(self, name: str) -> None:
        self.steps[name] = self._world.commits


def steps_of(before: int, to: int) -> Mapping[str, int]:
    """Return before which transaction each step is, and how many there are in all."""
    world = World(3).begin(ring(before))
    world.commits = 0
    counter = Counter(world)
    run.reshard(servers_of(world), to, counter)
    assert world.wrong(ring(to)) == []
    assert {number: host.state["rows"] for number, host in world.sources.items()} == {
        number: host.state["rows"] for number, host in world.replicas.items()
    }
    return {**counter.steps, "end": world.commits}


def cases_of(steps: Mapping[str, int]) -> list[tuple[int, int]]:
    """Return from when on a replica is down, and when its source dies: some of all, more of the cut-over's own."""
    draw = random.Random(os.environ.get("SEED", "7"))  # noqa: S311 - not a secret
    everywhere = list(itertools.combinations_with_replacement(range(1, steps["end"] + 1), 2))
    cut_over = list(itertools.combinations_with_replacement(range(steps["closed"], steps["replicated"] + 3), 2))
    # From when all is there to decide by until the map is published: one by one.
    decisive = itertools.combinations_with_replacement(range(steps["ready"], steps["published"] + 3), 2)
    # Down since before it was known that anything moves.
    early = list(itertools.product(range(1, steps["pending"] + 1), range(steps["pending"], steps["closed"])))
    return [
        *decisive,
        *(pair for pairs in (everywhere, early, cut_over) for pair in draw.sample(pairs, min(SAMPLE, len(pairs)))),
    ]


def lose(world: World, shard: int, behind_at: int, dies_at: int, *, process_too: bool) -> None:
    """Let a shard's replica be down from one transaction on, and its source, or the process too, be gone at another."""
    world.commits = 0

    def fault(commits: int) -> None:
        if commits == behind_at and shard:
            world.replicas[shard].behind = True
        if commits == dies_at:
            world.gone = process_too
            if shard:
                world.sources[shard].alive = False

    world.fault = fault


@pytest.mark.parametrize(("before", "to"), [(2, 3), (3, 2)])
@pytest.mark.parametrize("shard", [1, 2, 3])
def test_whenever_a_source_is_lost_the_next_run_has_everything_once(before: int, to: int, shard: int) -> None:
    steps, refused = steps_of(before, to), []
    for behind_at, dies_at in cases_of(steps):
        process_too = (behind_at + dies_at) % 2 == 0
        world = World(3).begin(ring(before))
        lose(world, shard, behind_at, dies_at, process_too=process_too)
        first = attempt(world, to)
        case = f"down from {behind_at}, dead at {dies_at} of {steps}, {process_too=}, first {first!r}"
        mended(world)
        again = attempt(world, to)
        if again:
            refused.append(f"{case}: {again!r}")
            continue
        assert world.wrong(ring(to)) == [], case
        servers = servers_of(world)
        assert highest_gate(servers) <= Catalogue(servers).read().version, case
    assert refused == []


def mended(world: World) -> None:
    """Let what died be replaced by its replica, and every shard have a replica again that has all."""
    world.fault, world.gone = lambda _: None, False
    for shard in world.sources:
        if not world.sources[shard].alive:
            world.promote(shard)
        world.replicas[shard].behind = False
        world.replicas[shard].follow(world.sources[shard])


@pytest.mark.parametrize("seed", range(25))
def test_two_sources_may_be_lost_one_after_the_other(seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 - not a secret
    before, to = draw.choice([(2, 3), (3, 2)])
    world = World(3).begin(ring(before))
    for _ in range(3):
        dies_at = draw.randint(1, 80)
        lose(world, draw.randint(1, 3), draw.randint(0, dies_at), dies_at, process_too=draw.random() < 0.5)
        attempt(world, to)
        mended(world)
    assert attempt(world, to) is None
    assert world.wrong(ring(to)) == []


@pytest.mark.parametrize("seed", range(25))
def test_an_abort_that_is_interrupted_goes_on_or_is_gone_back_on(seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 - not a secret
    before, to = draw.choice([(2, 3), (3, 2)])
    world = World(3).begin(ring(before))
    lose(world, 0, -1, draw.randint(4, 40), process_too=True)
    attempt(world, to)
    mended(world)
    dies_at = draw.randint(1, 24)
    lose(world, draw.randint(1, 3), draw.randint(0, dies_at), dies_at, process_too=draw.random() < 0.5)
    decided = aborted(world)
    mended(world)
    if draw.random() < 0.5 and not isinstance(decided, UsageError):
        aborted(world)
        assert world.wrong(ring(before)) == []
    assert attempt(world, to) is None
    assert world.wrong(ring(to)) == []


def test_a_killed_cut_over_is_seen_and_opened_without_going_on() -> None:
    world = World(3).begin(ring(2))
    servers = servers_of(world)
    assert find_stalled(servers) is None
    phases: list[str] = []

    class Killer(run.NullObserver):
        def phase(self, name: str) -> None:
            phases.append(name)
            world.gone = name == "closed"

    with pytest.raises(KilledError):
        run.reshard(servers, 3, Killer())
    world.gone = False
    found = find_stalled(servers)
    assert found
    assert "customers who move cannot write: their gate waits for map 3" in found.what
    assert found.step == "make reshard TO=3 goes on, make topology-up lets them write until then"
    assert establishing._let_go_on(servers) == ["s1: shard map 3, for which gates waited"]  # noqa: SLF001
    opened = Catalogue(servers).read()
    assert (opened.version, opened.map, opened.pending) == (3, ring(2), ring(3))
    found = find_stalled(servers)
    assert found
    assert found.what == "the resharding from 2 to 3 shards (cut-over) is stalled"
    assert attempt(world, 3) is None
    assert find_stalled(servers) is None


def test_a_map_that_was_lost_is_not_opened_again_but_by_the_resharding() -> None:
    world = World(3).begin(ring(2))

    class Killer(run.NullObserver):
        def phase(self, name: str) -> None:
            world.replicas[1].behind = name in ("ready", "published")
            world.gone = name == "published"

    with pytest.raises(KilledError):
        run.reshard(servers_of(world), 3, Killer())
    world.sources[1].alive = False
    mended(world)
    servers = servers_of(world)
    assert Catalogue(servers).read().map == ring(2)
    assert establishing._let_go_on(servers) == []  # noqa: SLF001
    found = find_stalled(servers)
    assert found
    assert "its cut-over to map 3 is decided, and map 2 the newest" in found.what
    assert found.step == "make reshard TO=3 publishes it"
    assert isinstance(aborted(world), UsageError)
    assert attempt(world, 3) is None
    assert Catalogue(servers_of(world)).read().version == 2 + LEFT_OUT
    assert world.wrong(ring(3)) == []


def test_keys_that_a_killed_run_left_closed_are_open_before_anything_else() -> None:
    world = World(3).begin(ring(2))

    class Killer(run.NullObserver):
        def phase(self, name: str) -> None:
            world.gone = name == "closed"

    class Looker(run.NullObserver):
        def phase(self, name: str) -> None:
            servers = servers_of(world)
            # The cut-over itself may close them again.
            assert name in ("closed", "ready") or highest_gate(servers) <= Catalogue(servers).read().version

    with pytest.raises(KilledError):
        run.reshard(servers_of(world), 3, Killer())
    world.gone = False
    assert highest_gate(servers_of(world)) == 3
    run.reshard(servers_of(world), 3, Looker())
    assert world.wrong(ring(3)) == []


def test_a_client_that_knows_an_abort_which_is_lost_writes_through_no_wrong_gate() -> None:
    world = World(3).begin(ring(2))

    class Killer(run.NullObserver):
        def phase(self, name: str) -> None:
            world.gone = name == "compare"

    with pytest.raises(KilledError):
        run.reshard(servers_of(world), 3, Killer())
    mended(world)
    # Published by the first transaction, and known by nobody but clients.
    lose(world, 1, 1, 2, process_too=True)
    assert isinstance(aborted(world), KilledError)
    mended(world)
    assert Catalogue(servers_of(world)).read().version == 2
    assert (world.known[-1].version, world.known[-1].pending) == (3, None)
    assert attempt(world, 3) is None
    assert world.wrong(ring(3)) == []


def test_what_is_decided_is_the_only_thing_that_can_be_published() -> None:
    world = World(3).begin(ring(2))
    noted = decision.Decision(2, decision.settled(ring(3)), (1, 2), {})
    world.sources[1].state["cutovers"][2] = noted.text
    catalogue = Catalogue(servers_of(world))
    for other, pending in ((ring(2), None), (ring(2), ring(3)), (ring(3), ring(2))):
        with pytest.raises(
            OutdatedMapError, match="the cut-over to map version 2 is decided: make reshard finishes it"
        ):
            catalogue.publish(other, pending, after=1)
    assert catalogue.publish(ring(3), after=1).version == 2


def test_a_server_that_took_the_catalogue_over_gives_no_number_that_clients_may_know() -> None:
    world = World(3).begin(ring(2))
    catalogue = Catalogue(servers_of(world))
    assert catalogue.publish(ring(2), ring(3), after=1).version == 2
    assert catalogue.publish(ring(2), after=2, at_least=7).version == 7
    world.promote(1)
    catalogue = Catalogue(servers_of(world))
    assert not catalogue.published_here(7)
    assert catalogue.publish(ring(2), after=7).version == 7 + LEFT_OUT
    assert catalogue.publish(ring(2), after=7 + LEFT_OUT).version == 8 + LEFT_OUT


def aborted(world: World) -> BaseException | None:
    world.gone = False
    try:
        run.abort(servers_of(world))
    except ENDS as error:
        return error
    return None
