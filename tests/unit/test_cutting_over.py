"""What a cut-over consists of, each part by itself: on pretended shards, by a clock that only waiting moves on."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import mysql.connector
import pytest
from pretended_clock import Clock
from pretended_shards import PretendedContext, PretendedLedger, World, ring, servers_of
from wavetank.errors import UnreachableError, UsageError, WaitedInVain
from wavetank.servers.node import StatementError
from wavetank.sharding.catalogue import Catalogue, PublishedMap
from wavetank.sharding.errors import OutdatedMapError
from wavetank.sharding.maps.factory import document_of
from wavetank.sharding.maps.listed import DirectoryMap
from wavetank.sharding.reshard import cutover, decision, replicas, stalled
from wavetank.sharding.reshard.cutover import CutOver, cut_over, raise_gates
from wavetank.sharding.reshard.decision import (
    Decision,
    conclude,
    decided,
    decided_map,
    newest_decision,
    refuse_loss,
    settled,
)
from wavetank.sharding.reshard.replicas import (
    UnreplicatedError,
    refuse_unreplicated,
    wait_for_replicas,
    what_is_missing,
)
from wavetank.sharding.reshard.stalled import Stalled, find_stalled

# More than there are threads in a pool that nobody has given a size.
MANY = 40


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock.instead(monkeypatch)


@pytest.fixture
def world() -> World:
    """Three shards, of which the map has two; a third is to come."""
    return World(3).begin(ring(2))


class ReshardingContext(PretendedContext):
    """The context, and whom one asked there for how patiently."""

    def __init__(self, world: World) -> None:
        servers = servers_of(world)
        super().__init__(servers, Catalogue(servers), ring(2), ring(3))
        self.world = world
        self.patience: list[int] = []
        self.quick: ReshardingContext | None = None
        self.opened: list[int] = []

    @contextmanager
    def impatient(self, patience_s: int) -> Iterator["ReshardingContext"]:
        self.patience.append(patience_s)
        self.quick = ReshardingContext(self.world)
        self.quick.pairs = self.pairs
        context = self.quick

        class Noted(dict[str, Any]):
            """Servers, of which it is noted who was asked for."""

            def __getitem__(self, name: str) -> Any:  # noqa: ANN401
                context.opened.append(int(name[1]))
                return super().__getitem__(name)

        noted = Noted(self.quick.servers)
        vars(noted).update(vars(self.quick.servers))
        self.quick.servers = noted
        yield self.quick


def executed(world: World, *shards: int) -> dict[int, str]:
    return {number: world.sources[number].executed for number in shards}


class Follower:
    """One that follows a shard: whether it has reached something, by `looks`, and always after these."""

    def __init__(self, source_shard: int, touched: Mapping[int, int], looks: Sequence[bool] = ()) -> None:
        self.source_shard, self.progress = source_shard, self
        self.asked: list[str] = []
        self._touched = touched
        self._looks = iter(looks)

    def reached(self, gtids: str) -> bool:
        self.asked.append(gtids)
        return next(self._looks, True)

    def take_touched(self) -> Mapping[int, int]:
        return self._touched


class Comparison:
    """The comparison of a shard with another, which takes its time."""

    def __init__(
        self, source_shard: int, target: int, differ: Sequence[int] = (), takes: Callable[[], None] = int
    ) -> None:
        self.source_shard, self._target, self._differ, self._takes = source_shard, target, differ, takes
        self.title = f"shard {source_shard} and shard {target}"
        self.compared: list[tuple[Any, list[int]]] = []

    def of(self, touched: Mapping[int, int]) -> list[int]:
        return [customer for customer, target in touched.items() if target == self._target]

    def now(self, context: Any, customers: list[int]) -> list[int]:  # noqa: ANN401
        self._takes()
        self.compared.append((context, customers))
        return list(self._differ)


class Play:
    """A cut-over from two shards to three, ready to be played."""

    def __init__(self, world: World, looks: Sequence[bool] = (), takes: Callable[[], None] = int) -> None:
        self.world, self.context = world, ReshardingContext(world)
        self.published = self.context.catalogue.publish(ring(2), ring(3), after=1)
        self.followers = [Follower(1, {7: 3, 8: 2}, looks), Follower(2, {9: 3})]
        self.comparisons = [Comparison(1, 3, takes=takes), Comparison(2, 3), Comparison(1, 2)]
        self.steps: list[str] = []

    def __call__(self, told: Callable[[str], None] = lambda _: None) -> CutOver:
        def step(name: str) -> None:
            self.steps.append(name)
            told(name)

        return cut_over(self.context, self.published, self.followers, self.comparisons, step)  # type: ignore[arg-type]


# --- the cut-over


def test_what_is_decided_says_all_that_is_needed_to_publish_it_and_to_remove_by_it(world: World) -> None:
    play = Play(world)
    had: dict[int, str] = {}
    done = play(lambda _: had.update(executed(world, 1, 2, 3)))
    assert play.steps == ["closed", "ready"]
    assert done.published == PublishedMap(3, ring(3)) == play.context.catalogue.read()
    assert newest_decision(play.context.servers) == Decision(3, document_of(ring(3)), (1, 2), had)


def test_only_who_was_written_since_is_compared_once_more(world: World) -> None:
    play = Play(world)
    assert play().compared == 3
    quick = play.context.quick
    assert [each.compared for each in play.comparisons] == [[(quick, [7])], [(quick, [9])], [(quick, [8])]]


def test_where_nobody_moves_the_map_is_cut_over_all_the_same(world: World) -> None:
    """A directory without customers, for one: its shards change, and no rows have to come."""
    play = Play(world)
    play.followers, play.comparisons = [], []
    play.context.pairs = frozenset()
    done = play()
    assert (done.published, done.compared) == (PublishedMap(3, ring(3)), 0)


def test_how_long_keys_were_closed_is_told_in_seconds(world: World, clock: Clock) -> None:
    assert Play(world, takes=lambda: clock.sleep(0.12345678))().blocked_s == 0.1235


def test_all_connections_are_there_before_keys_are_closed_and_none_may_take_long(world: World) -> None:
    play, opened = Play(world), []

    def told(_: str) -> None:
        assert play.context.quick
        opened.append(set(play.context.quick.opened))

    play(told)
    assert opened[0] == {1, 2, 3}
    assert play.context.patience == [cutover.BLOCKED_PATIENCE_S]


def test_keys_are_closed_only_when_the_logs_are_applied_and_not_for_long(world: World, clock: Clock) -> None:
    play = Play(world, looks=[False, False, True, False, False, False, True])
    naps: list[float] = []
    before = executed(world, 1, 2)
    play(lambda _: naps.extend(clock.naps) or clock.naps.clear())  # type: ignore[func-returns-value]
    assert naps == [0.01] * 2 + [0.002] * 3
    # First what there was before; then all that was written until the keys were closed.
    assert set(play.followers[0].asked[:3]) == {before[1]}
    assert len(set(play.followers[0].asked[3:])) == 1
    assert play.followers[0].asked[-1].startswith("s1:1-")
    assert play.followers[0].asked[-1] != before[1]
    assert play.followers[1].asked[-1].startswith("s2:1-")
    assert play.followers[1].asked[0] == before[2] != play.followers[1].asked[-1]


def test_logs_that_are_not_applied_leave_the_keys_open(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutover, "NEAR_S", 0.05)
    play = Play(world, looks=[False] * 99)
    with pytest.raises(WaitedInVain, match=r"^waited 0.05 s for the binary logs to be applied$"):
        play()
    assert play.steps == []
    assert play.context.catalogue.read() == play.published


def test_a_replica_that_is_far_behind_leaves_the_keys_open(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutover, "NEAR_S", 0.05)
    play = Play(world)
    world.replicas[3].behind = True
    world.commit(world.sources[3], lambda _: None, by_client=True)
    with pytest.raises(WaitedInVain, match=r"^waited 0.05 s for a replica of s3 to have what is there; last seen: s3r"):
        play()
    assert play.steps == []


def test_a_log_that_does_not_end_is_said_with_what_may_be_the_reason(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutover, "DRAIN_S", 0.05)
    play = Play(world, looks=[True] + [False] * 99)
    with pytest.raises(WaitedInVain) as refusal:
        play()
    assert str(refusal.value) == (
        "waited 0.05 s for the binary logs' last transactions of moving keys; "
        "a transaction across shards that is in doubt would be one: wavetank shard recover"
    )
    assert play.steps == ["closed"]
    assert play.context.catalogue.read() == PublishedMap(3, ring(2), ring(3))


def test_a_replica_that_is_behind_when_all_is_compared_opens_the_keys_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutover, "REPLICA_S", 0.03)
    play = Play(world)

    def fall_behind(_: str) -> None:
        world.replicas[3].behind = True
        world.commit(world.sources[3], lambda _: None, by_client=True)

    with pytest.raises(WaitedInVain, match=r"^waited 0.03 s for a replica of s3 to have what is there; last seen: s3r"):
        play(fall_behind)
    assert play.steps == ["closed"]
    assert newest_decision(play.context.servers) is None
    assert play.context.catalogue.read() == PublishedMap(3, ring(2), ring(3))


def test_customers_who_differ_are_named_with_their_shards_and_what_to_do(world: World) -> None:
    play = Play(world)
    play.comparisons[1] = Comparison(2, 3, differ=[9])
    with pytest.raises(cutover.DiffersError) as refusal:
        play()
    assert str(refusal.value) == (
        "shard 2 and shard 3 differ in the rows of 1 customers (9): "
        "nothing was cut over; make reshard-abort takes all back"
    )


# --- gates


class Gated:
    """A shard's source, on which a transaction holds the gates for some attempts."""

    def __init__(self, name: str, held: int = 0, errno: int = cutover.LOCK_WAIT_TIMEOUT) -> None:
        self.name, self._held, self._errno = name, held, errno
        self.done: list[str] = []

    def run(self, statement: str) -> None:
        if statement.startswith("SET"):
            self.done.append(statement)
        elif self._held:
            self._held -= 1
            raise StatementError(errno=self._errno, msg="no")
        else:
            self.done.append(statement.partition(" AS ")[0].removeprefix("INSERT INTO sharding.gates VALUES "))

    def close(self) -> None:
        self.done.append("closed")


def gated(*sources: Gated) -> Any:  # noqa: ANN401
    return SimpleNamespace(session=lambda number: sources[number - 1])


def test_every_gate_of_every_shard_is_raised_and_waits_for_no_transaction_longer_than_it_keeps_others() -> None:
    first, second, other = Gated("s1"), Gated("s2"), Gated("s3")
    raise_gates(gated(first, second, other), 7, [1, 2])
    both = ["SET SESSION innodb_lock_wait_timeout = 1", "('stay', 7)", "('move', 7)", "closed"]
    assert (first.done, second.done, other.done) == (both, both, [])


def test_a_gate_that_is_held_is_tried_again(clock: Clock) -> None:
    source = Gated("s1", held=2)
    raise_gates(gated(source), 7, [1])
    assert source.done[1:] == ["('stay', 7)", "('move', 7)", "closed"]
    assert clock.naps == [0.2, 0.2]


def test_a_transaction_that_holds_a_gate_for_long_is_named_with_where_to_look(clock: Clock) -> None:
    source, began = Gated("s1", held=10**6), clock.now
    with pytest.raises(WaitedInVain) as refusal:
        raise_gates(gated(source), 7, [1])
    assert str(refusal.value) == (
        "waited 60 s for the transactions on s1 that hold its gate stay; "
        "one that does not end is in information_schema.innodb_trx; then the same command goes on"
    )
    assert clock.now - began == pytest.approx(60, abs=1)
    assert source.done[-1] == "closed"


def test_a_server_that_refuses_to_raise_a_gate_is_not_waited_for(clock: Clock) -> None:
    source = Gated("s1", held=1, errno=1290)
    with pytest.raises(StatementError):
        raise_gates(gated(source), 7, [1])
    assert clock.naps == []
    assert source.done[-1] == "closed"


# --- the decision

NOTED = Decision(5, document_of(ring(3)), (1, 2), {1: "s1:1-9", 3: "s3:1-4"})


def test_a_decision_is_read_as_it_has_ever_been_written() -> None:
    written = {"map": dict(NOTED.map), "before": [1, 2], "executed": {"1": "s1:1-9", "3": "s3:1-4"}}
    assert json.loads(NOTED.text) == written
    assert Decision.read({"version": "5", "document": json.dumps(written)}) == NOTED
    assert NOTED.shards == (1, 2, 3)


def test_a_directory_that_is_pending_is_decided_as_it_will_be() -> None:
    pending = DirectoryMap((1, 2)).add(3)
    assert settled(pending) == document_of(DirectoryMap((1, 2, 3)))
    assert settled(ring(2)) == document_of(ring(2))


def note(world: World, shard: int, version: int, new: Any = None) -> None:  # noqa: ANN401
    noted = Decision(version, document_of(new or ring(3)), (1, 2), {})
    world.sources[shard].state["cutovers"][version] = noted.text


def test_the_newest_decision_that_any_shard_knows_of_counts(world: World) -> None:
    servers = servers_of(world)
    published = Catalogue(servers).read()
    assert newest_decision(servers) is decided(servers, published) is None
    note(world, 1, published.version)
    found = newest_decision(servers)
    assert found
    assert found.version == published.version
    # What is published is not to be published again.
    assert decided(servers, published) is None
    note(world, 2, 9)
    note(world, 3, 4)
    found = newest_decision(servers)
    assert found == decided(servers, published)
    assert found
    assert found.version == 9


def test_the_map_that_is_decided_is_the_pending_one_if_it_is_that() -> None:
    pending = DirectoryMap((1, 2)).add(3)
    of_directory = Decision(5, settled(pending), (1, 2), {})
    # As it is pending, since that says who moves.
    assert decided_map(of_directory, PublishedMap(4, DirectoryMap((1, 2)), pending)) is pending
    assert decided_map(NOTED, PublishedMap(4, ring(2), ring(3))) == ring(3)
    assert decided_map(NOTED, PublishedMap(4, ring(2), ring(1))) == ring(3)
    assert decided_map(NOTED, PublishedMap(4, ring(2))) == ring(3)


@pytest.mark.parametrize("pending", [None, DirectoryMap((1, 2)).remove(2)])
def test_who_moves_by_a_directory_that_is_lost_cannot_be_found_out(pending: DirectoryMap | None) -> None:
    noted = Decision(5, settled(DirectoryMap((1, 2, 3))), (1, 2), {})
    lost = r"^the cut-over to map version 5 is decided, and the catalogue has lost who moves by it \(its newest is 3\)"
    with pytest.raises(UsageError, match=lost):
        decided_map(noted, PublishedMap(3, DirectoryMap((1, 2)), pending))


def concluded(world: World, after: int = 2) -> PublishedMap:
    return conclude(ReshardingContext(world), Decision(3, document_of(ring(3)), (1, 2), {}), ring(3), after)


@pytest.fixture
def pending(world: World) -> World:
    Catalogue(servers_of(world)).publish(ring(2), ring(3), after=1)
    return world


def versions(world: World) -> list[int]:
    return sorted(world.sources[1].state["maps"])


def test_a_decision_is_on_every_shard_and_on_replicas_before_its_map_is_published(pending: World) -> None:
    assert concluded(pending) == PublishedMap(3, ring(3))
    text = Decision(3, document_of(ring(3)), (1, 2), {}).text
    for host in (*pending.sources.values(), *pending.replicas.values()):
        assert host.state["cutovers"] == {3: text}, host.name
    assert versions(pending) == [1, 2, 3]


def test_what_has_been_published_is_not_published_again(pending: World) -> None:
    published = Catalogue(servers_of(pending)).publish(ring(3), after=2)
    assert concluded(pending) == published
    assert versions(pending) == [1, 2, 3]


@pytest.mark.parametrize("after", [1, 2])
def test_nothing_is_decided_once_somebody_else_has_published(after: int, pending: World) -> None:
    if after == 2:
        Catalogue(servers_of(pending)).publish(ring(2), ring(3), after=2)
    with pytest.raises(OutdatedMapError):
        concluded(pending, after)
    assert newest_decision(servers_of(pending)) is None


def test_an_older_map_of_the_same_shards_is_not_the_decided_one(world: World) -> None:
    again = conclude(ReshardingContext(world), Decision(2, document_of(ring(2)), (1, 2), {}), ring(2), 1)
    assert again == PublishedMap(2, ring(2))


def test_a_decided_version_may_be_higher_than_the_next(world: World) -> None:
    found = conclude(ReshardingContext(world), Decision(8, document_of(ring(3)), (1, 2), {}), ring(3), 1)
    assert found == PublishedMap(8, ring(3))


def test_a_catalogue_that_does_not_come_back_is_named_with_what_it_keeps_closed(pending: World, clock: Clock) -> None:
    pending.sources[1].alive = False
    with pytest.raises(UsageError) as refusal:
        concluded(pending)
    assert str(refusal.value) == (
        "the cut-over to map version 3 could not be concluded (waited 10 s for the catalogue; "
        "last seen: s1 does not answer: gone): moving keys stay closed until make reshard goes on"
    )
    assert set(clock.naps) == {0.2}


def test_one_other_shard_that_knows_is_enough_and_none_is_not(pending: World) -> None:
    pending.sources[2].alive = False
    assert concluded(pending).version == 3
    assert sorted(pending.sources[3].state["cutovers"]) == [3]
    pending.sources[3].alive = False
    with pytest.raises(UnreachableError, match=r"^s2 does not answer"):
        decision._note_elsewhere(ReshardingContext(pending), NOTED)  # noqa: SLF001


def test_where_the_catalogues_shard_is_the_only_one_nobody_else_need_know() -> None:
    decision._note_elsewhere(SimpleNamespace(shards=(1,), catalogue_shard=1), NOTED)  # type: ignore[arg-type]  # noqa: SLF001


def test_a_catalogue_that_dies_in_between_is_named(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    def die(*_: object) -> None:
        raise mysql.connector.OperationalError(errno=2013, msg="lost connection")

    context = ReshardingContext(world)
    monkeypatch.setattr("pretended_shards.Connection.execute", die)
    with pytest.raises(UnreachableError, match=r"^s1 does not answer"):
        decision._note_at_catalogue(context, NOTED, 1)  # noqa: SLF001


def test_nothing_is_removed_while_a_source_lacks_what_its_shard_had(world: World) -> None:
    context = ReshardingContext(world)
    noted = Decision(5, {}, (1, 2), {**executed(world, 1), 2: "s2:1-99", 7: "s7:1"})
    refuse_loss(context, noted, [1, 3])
    with pytest.raises(UsageError, match=r"^s2 lacks \d+ transactions that shard 2 had at the cut-over to map version"):
        refuse_loss(context, noted, [1, 2])


# --- replicas


class Replica:
    """One that answers or not, and lacks something or not."""

    def __init__(self, name: str, *, alive: bool = True) -> None:
        self.name, self._alive = name, alive

    def value(self, statement: str, *, account: str) -> int:
        assert (statement, account) == ("SELECT 1", "monitor")
        if not self._alive:
            raise UnreachableError(self.name, "gone")
        return 1


def with_replicas(**shards: Sequence[Replica]) -> Any:  # noqa: ANN401
    return SimpleNamespace(
        replicas=lambda number: list(shards[f"s{number}"]), source=lambda number: SimpleNamespace(name=f"s{number}")
    )


def test_a_shard_of_which_one_replica_answers_may_be_relied_on() -> None:
    context = with_replicas(s1=[Replica("a"), Replica("b", alive=False)], s2=[Replica("c")])
    refuse_unreplicated(context, [2, 1])


@pytest.mark.parametrize(("bare", "listed"), [([2], "shard 2 has no replica"), ([2, 3], "shards 2, 3 have no replica")])
def test_the_shards_without_a_replica_are_named(bare: list[int], listed: str) -> None:
    context = with_replicas(**{f"s{number}": [] if number in bare else [Replica("a")] for number in (1, 2, 3)})
    with pytest.raises(UnreplicatedError, match=f"^{listed}, so that"):
        refuse_unreplicated(context, [3, 2, 1])
    refuse_unreplicated(context, [3, 2, 1], without_replica=True)


def test_a_shard_whose_replicas_are_all_gone_is_refused_whatever_the_user_says() -> None:
    context = with_replicas(s1=[Replica("a", alive=False), Replica("b", alive=False)])
    with pytest.raises(UnreplicatedError, match=r"^of shard 1 no replica answers \(a, b\), and rows that are on s1"):
        refuse_unreplicated(context, [1], without_replica=True)


def test_a_replica_is_asked_for_exactly_what_must_be_there(world: World) -> None:
    servers = servers_of(world)
    there = [servers["s1r"], servers["s2r"]]
    assert what_is_missing([there[0]], world.sources[1].executed) == ""
    assert what_is_missing(there, world.sources[1].executed) == "s2r not so far"
    world.replicas[1].alive = False
    assert what_is_missing([there[0]], world.sources[1].executed) == "s1r not answering"
    assert what_is_missing([], "s1:1") == ""


def test_what_is_there_is_returned_by_shard_once_replicas_have_it(world: World, clock: Clock) -> None:
    assert wait_for_replicas(ReshardingContext(world), [3, 1, 2], 1) == executed(world, 1, 2, 3)
    assert clock.naps == []


def late(world: World, monkeypatch: pytest.MonkeyPatch, naps: int) -> None:
    """Let a replica of shard 1 be behind until somebody has waited so often for it."""
    world.replicas[1].behind = True
    world.commit(world.sources[1], lambda _: None, by_client=True)
    missing, looks = what_is_missing, iter(range(naps))

    def look(*arguments: Any) -> str:  # noqa: ANN401
        if next(looks, None) is None:
            world.replicas[1].follow(world.sources[1])
        return missing(*arguments)

    monkeypatch.setattr(replicas, "what_is_missing", look)


def test_a_replica_is_looked_at_often(world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    late(world, monkeypatch, 3)
    assert wait_for_replicas(ReshardingContext(world), [1], 1) == executed(world, 1)
    assert clock.naps == [0.005] * 3


def test_a_replica_that_stays_behind_is_named_with_what_to_do(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    late(world, monkeypatch, 10**6)
    with pytest.raises(WaitedInVain) as refusal:
        wait_for_replicas(ReshardingContext(world), [1], 0.02)
    assert str(refusal.value) == (
        "waited 0.02 s for a replica of s1 to have what is there; last seen: s1r not so far; "
        "make status shows why, make topology-up mends; the same command then goes on"
    )
    # That it lags may mend itself, as against one that is gone.
    assert not isinstance(refusal.value, UnreplicatedError)


def test_a_shard_of_which_no_replica_answers_is_not_tried_again(world: World) -> None:
    world.replicas[2].alive = False
    with pytest.raises(UnreplicatedError, match=r"last seen: s2r not answering; make status shows why"):
        wait_for_replicas(ReshardingContext(world), [1, 2], 0.02)


# --- side by side


class Meeting:
    """Whoever is asked answers only when all are: one after the other, nobody would."""

    name, title, source_shard = "s", "a comparison", 1

    def __init__(self) -> None:
        self._all = threading.Barrier(MANY)

    def meet(self, *_: object, **__: object) -> str:
        self._all.wait(timeout=30)
        return ""

    value = query = now = meet

    def of(self, _: object) -> list[int]:
        return []


def test_replicas_are_asked_side_by_side() -> None:
    meeting = Meeting()
    assert what_is_missing([meeting] * MANY, "u:1").endswith("not so far")  # type: ignore[list-item]


def test_shards_are_waited_for_side_by_side() -> None:
    meeting = Meeting()
    context = SimpleNamespace(source=lambda _: meeting, replicas=lambda _: [])
    assert len(wait_for_replicas(context, range(MANY), 1)) == MANY  # type: ignore[arg-type]


def test_shards_are_told_of_a_decision_side_by_side() -> None:
    meeting = Meeting()
    context = SimpleNamespace(source=lambda _: meeting, shards=range(MANY + 1), catalogue_shard=0)
    decision._note_elsewhere(context, NOTED)  # type: ignore[arg-type]  # noqa: SLF001


def test_copies_are_compared_side_by_side() -> None:
    meeting = Meeting()
    found = cutover._compare(SimpleNamespace(), [Follower(1, {})], [meeting] * MANY)  # type: ignore[arg-type, list-item]  # noqa: SLF001
    assert found == 0


# --- stalled reshardings


@pytest.fixture
def working(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether a process is at work, each time that it is asked, with the last answer for good."""
    answers = [False]

    def at_work(server: Any) -> bool:  # noqa: ANN401
        assert server.name == "s1"
        return answers.pop(0) if len(answers) > 1 else answers[0]

    monkeypatch.setattr(stalled, "Ledger", PretendedLedger)
    monkeypatch.setattr(stalled, "at_work", at_work)
    return answers


def under_way(world: World, phase: str = "copy") -> None:
    world.sources[1].state["resharding"].append([(1, 2), (1, 2, 3), document_of(ring(3)), phase])


BACK = "make reshard TO=3 goes on, make reshard-abort takes it back"


@pytest.mark.usefixtures("working")
def test_where_nothing_has_begun_nothing_stands_still(world: World) -> None:
    assert find_stalled(servers_of(world)) is None


@pytest.mark.usefixtures("working")
def test_a_resharding_that_has_published_nothing_yet_stands_still(world: World) -> None:
    under_way(world, "prepare")
    assert find_stalled(servers_of(world)) == Stalled("the resharding from 2 to 3 shards (prepare) is stalled", BACK)


@pytest.mark.usefixtures("working")
def test_a_pending_map_whose_resharding_is_lost_stands_still(pending: World) -> None:
    assert find_stalled(servers_of(pending)) == Stalled("a resharding is stalled", BACK)


@pytest.mark.usefixtures("working")
def test_gates_that_wait_for_no_more_than_there_is_keep_nobody_waiting(pending: World) -> None:
    under_way(pending)
    pending.sources[2].state["gates"]["move"] = 2
    assert find_stalled(servers_of(pending)) == Stalled("the resharding from 2 to 3 shards (copy) is stalled", BACK)
    pending.sources[2].state["gates"]["move"] = 3
    assert find_stalled(servers_of(pending)) == Stalled(
        "the resharding from 2 to 3 shards (copy) is stalled, and customers who move cannot write: "
        "their gate waits for map 3",
        "make reshard TO=3 goes on, make topology-up lets them write until then",
    )


@pytest.mark.usefixtures("working")
def test_a_decision_that_is_all_that_is_left_says_to_how_many(world: World) -> None:
    note(world, 2, 3)
    assert find_stalled(servers_of(world)) == Stalled(
        "a resharding is stalled, its cut-over to map 3 is decided, and map 1 the newest",
        "make reshard TO=3 publishes it",
    )


@pytest.mark.parametrize("answers", [[True], [False, True], [True, False]])
def test_what_somebody_is_at_work_on_does_not_stand_still(
    answers: list[bool], pending: World, working: list[bool]
) -> None:
    working[:] = answers
    assert find_stalled(servers_of(pending)) is None
