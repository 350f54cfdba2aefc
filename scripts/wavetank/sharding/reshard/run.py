"""A resharding from its beginning to its end, from wherever the last run stopped; and back."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from wavetank.errors import UsageError
from wavetank.servers.node import Servers
from wavetank.sharding.catalogue import Catalogue, PublishedMap
from wavetank.sharding.directory import plan_moves
from wavetank.sharding.establishing import awaited, make_schemas
from wavetank.sharding.gates import highest_gate
from wavetank.sharding.maps.factory import document_of
from wavetank.sharding.maps.listed import DirectoryMap
from wavetank.sharding.maps.shape import ShardMap
from wavetank.sharding.maps.shape import listed as shards_listed
from wavetank.sharding.reshard.closing import publish, reopen
from wavetank.sharding.reshard.comparing import Comparison, count_copies, named
from wavetank.sharding.reshard.copying import Copy, Throttles, copy_reference, remove
from wavetank.sharding.reshard.cutover import NOTHING_DONE, READY, CutOver, DiffersError, cut_over, raise_gates
from wavetank.sharding.reshard.decision import (
    Decision,
    conclude,
    decided,
    decided_map,
    newest_decision,
    refuse_loss,
    settled,
)
from wavetank.sharding.reshard.following import Follower, Progress
from wavetank.sharding.reshard.ledger import (
    ABORTED,
    COMPARE,
    COPY,
    CUT_OVER,
    DONE,
    FOLLOW,
    PREPARE,
    REMOVE,
    Ledger,
    Position,
    Resharding,
)
from wavetank.sharding.reshard.moves import ReshardingContext
from wavetank.sharding.reshard.next_map import changed_map, check_count, refuse_disorder
from wavetank.sharding.reshard.observer import NullObserver, Observer
from wavetank.sharding.reshard.outcome import Aborted, Resharded
from wavetank.sharding.reshard.replicas import UnreplicatedError, refuse_unreplicated, wait_for_replicas
from wavetank.waiting import wait_until

# How often it is entered up to where the logs have been applied, and how many cut-overs are tried.
NOTE_S = 1.0
ATTEMPTS = 10
# While more customers than these are written between two comparisons, another one is made before the cut-over.
FEW_CUSTOMERS = 200
ROUNDS = 10
CATCH_UP_S = 3600.0
# How long one waits for what must be on replicas before anything is removed.
REPLICATED_S = 60.0


def reshard(servers: Servers, to: int, observer: Observer | None = None, *, without_replica: bool = False) -> Resharded:
    """Divide the customers among `to` shards, or go on with that; clients go on meanwhile.

    `without_replica` is the user's word that a shard which has no replica shall do without.

    Raises:
        UsageError: there cannot be so many, servers are missing, another resharding is under way, a shard has no
            replica, or something is not on one that must be before anything is removed.
        DiffersError: a copy is not what its original is; the old map is in force, and nothing was removed.
        UnreachableError: a server does not answer. The same command goes on where this one stopped.
    """
    check_count(to)
    catalogue = Catalogue(servers)
    ledger = Ledger(catalogue.server, catalogue.directory.find)
    with ledger.alone():
        make_schemas(servers)
        published = catalogue.read()
        resharding = ledger.refuse_other(to)
        new = resharding.new_map if resharding else _new_map(servers, catalogue, published, to)
        if new is None:
            return Resharded(len(published.map.shards), to, published.version, changed=False)
        shards = {*published.map.shards, *new.shards, *(resharding.before if resharding else ())}

        def demand_replicas() -> None:
            context = ReshardingContext(servers, catalogue, published.map, new)
            refuse_unreplicated(context, shards | {context.catalogue_shard}, without_replica=without_replica)

        if not (resharding or decided(servers, published)):
            demand_replicas()
        resharding = resharding or ledger.begin(published.map, new)
        run = _Run(servers, catalogue, ledger, resharding, observer or NullObserver())
        # Customers may be waiting, who need no replica to go on.
        run.let_go_on(published)
        demand_replicas()
        return run.go()


def _new_map(servers: Servers, catalogue: Catalogue, published: PublishedMap, to: int) -> ShardMap | None:
    """Return the map that a resharding to `to` shards begins with, None where there are so many."""
    if decision := decided(servers, published):
        # The catalogue has lost all that it knew of it.
        new = decided_map(decision, published)
        if len(new.shards) != to:
            raise UsageError(
                f"a cut-over to {len(new.shards)} shards is decided, and the catalogue has lost it: "
                f"make reshard TO={len(new.shards)} publishes it again"
            )
        return new
    if len(published.map.shards) == to:
        return None
    new = changed_map(published.map, to, [shard.number for shard in servers.topology.shards])
    refuse_disorder(ReshardingContext(servers, catalogue, published.map, new))
    return new


class _Run:
    """One run of a resharding."""

    def __init__(
        self,
        servers: Servers,
        catalogue: Catalogue,
        ledger: Ledger,
        resharding: Resharding,
        observer: Observer,
    ) -> None:
        self._servers = servers
        self._catalogue = catalogue
        self._ledger = ledger
        self._resharding = resharding
        self._observer = observer
        self._result = Resharded(len(resharding.before), len(resharding.after))

    def go(self) -> Resharded:
        published = self._catalogue.read()
        if not _in_force(published, self._resharding.new_map):
            published = self._move(published)
        else:
            self._ledger.leave(self._resharding, CUT_OVER, 0)
        self._remove(published)
        self._ledger.end(self._resharding, DONE)
        self._result.map_version = published.version
        return self._result

    def let_go_on(self, published: PublishedMap) -> None:
        """Publish what customers wait for: what is decided, else the map in force, for which the gates are closed.

        It was not published, or was lost with the catalogue's server.
        """
        if decision := decided(self._servers, published):
            self._conclude(published, decision)
        elif gate := awaited(self._servers, published):
            context = ReshardingContext(self._servers, self._catalogue, published.map, self._resharding.new_map)
            found = reopen(context, published, at_least=gate)
            self._observer.say(f"gates waited for map version {found.version}: published, with the map in force")

    def _conclude(self, published: PublishedMap, decision: Decision) -> None:
        if decision.map != settled(self._resharding.new_map):
            raise UsageError(
                f"a cut-over to map version {decision.version} is decided that is not that of {self._resharding.title}"
                ": the catalogue has lost reshardings, restore sharding.reshardings and sharding.maps from a copy"
            )
        new = decided_map(decision, published)
        context = ReshardingContext(self._servers, self._catalogue, published.map, new)
        conclude(context, decision, new, published.version)
        self._observer.say(f"map version {decision.version} was decided, and {published.version} the newest: published")
        self._observer.phase("published")

    def _step(self, name: str) -> None:
        """Come to a step of a cut-over; past the last one before the decision only if no other can have begun."""
        if name == READY:
            self._ledger.refuse_company()
        self._observer.phase(name)

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        self._ledger.refuse_company()
        self._ledger.enter(self._resharding, name)
        self._observer.phase(name)
        began = time.monotonic()
        yield
        self._result.seconds[name] = round(time.monotonic() - began, 3)
        self._ledger.leave(self._resharding, name, self._result.rows.get(name, 0))

    def _move(self, published: PublishedMap) -> PublishedMap:
        context = ReshardingContext(self._servers, self._catalogue, published.map, self._resharding.new_map)
        with self._phase(PREPARE):
            published = self._prepare(context, published)
        with self._phase(COPY):
            copy = self._copy(context)
        with ExitStack() as stack:
            with self._phase(FOLLOW):
                followers = self._follow(context, copy)
                for follower in followers:
                    stack.callback(follower.stop)
                self._catch_up(context, followers)
            for attempt in range(1, ATTEMPTS + 1):
                with self._phase(COMPARE):
                    comparisons = self._compare(context, followers, everything=attempt == 1)
                try:
                    with self._phase(CUT_OVER):
                        done = cut_over(context, published, followers, comparisons, self._step)
                        self._observer.phase("published")
                except (DiffersError, UnreplicatedError):
                    raise
                except UsageError as refusal:
                    self._observer.say(f"not yet: {refusal}")
                    published = self._catalogue.read()
                    if attempt == ATTEMPTS:
                        raise
                else:
                    self._note(done, followers)
                    return done.published
        raise AssertionError  # the last attempt returns or raises

    def _note(self, done: CutOver, followers: Sequence[Follower]) -> None:
        self._result.blocked_ms = round(done.blocked_s * 1000, 1)
        self._result.rows[FOLLOW] = sum(follower.progress.rows for follower in followers)
        self._observer.say(
            f"moving keys could not be written for {self._result.blocked_ms:.0f} ms, in which "
            f"{done.compared} customers were compared once more"
        )

    def _prepare(self, context: ReshardingContext, published: PublishedMap) -> PublishedMap:
        """Publish which keys will move, and wait until every client knows.

        Before that is on a replica, and that there is a resharding at all, no copy is made that nobody would know of.
        """
        gate = highest_gate(self._servers)
        if published.pending is None:
            if isinstance(context.new, DirectoryMap):
                _plan_directory(context)
            published = self._catalogue.publish(context.old, context.new, after=published.version, at_least=gate + 1)
        elif not self._catalogue.published_here(published.version):
            # Versions may be lost that clients know.
            published = reopen(context, published)
        self._observer.phase("pending")
        wait_for_replicas(context, [context.catalogue_shard], REPLICATED_S)
        raise_gates(context, published.version, context.shards)
        return published

    def _copy(self, context: ReshardingContext) -> Copy:
        for number in set(context.new.shards) - set(context.old.shards):
            copy_reference(context, number)
        copy = Copy(context, self._ledger, self._resharding)
        done, expected = copy.plan()
        self._observer.rows(done, expected)
        counter = _Counter(done, expected, self._observer.rows)
        began = time.monotonic()
        copy.run(counter.add)
        self._result.rows[COPY] = counter.done
        self._result.copied_per_s = round((counter.done - done) / (time.monotonic() - began), 1)
        self._result.throttled_s = round(copy.throttled_s, 3)
        return copy

    def _follow(self, context: ReshardingContext, copy: Copy) -> list[Follower]:
        followers = []
        for part in copy.parts:
            followed = self._ledger.position(self._resharding, FOLLOW, part.source_shard)
            start = followed or replace(part.position, rows=0)
            progress = Progress(start.gtids, start.rows, start.deleted)
            followers.append(Follower(context, part.source_shard, progress))
            followers[-1].start()
        return followers

    def _catch_up(self, context: ReshardingContext, followers: Sequence[Follower]) -> None:
        """Wait until what had been written when this began is applied."""
        due = {
            each: str(context.source(each.source_shard).value("SELECT @@GLOBAL.gtid_executed")) for each in followers
        }
        noted = time.monotonic()

        def caught_up() -> bool:
            nonlocal noted
            if time.monotonic() - noted > NOTE_S:
                self._enter_positions(followers)
                noted = time.monotonic()
            return all(follower.reached(gtids) for follower, gtids in due.items())

        wait_until("the binary logs to be applied", caught_up, timeout_s=CATCH_UP_S, interval_s=0.02)
        self._enter_positions(followers)
        self._result.rows[FOLLOW] = sum(follower.progress.rows for follower in followers)

    def _enter_positions(self, followers: Sequence[Follower]) -> None:
        for follower in followers:
            position = self._ledger.position(self._resharding, COPY, follower.source_shard)
            servers = position.servers if position else ()
            progress = follower.progress
            # Asked in this order: rows that were deleted after the set was read are counted twice rather than never.
            now = Position(progress.applied, servers, progress.rows, progress.deleted)
            self._ledger.set_position(self._resharding, FOLLOW, follower.source_shard, now)

    def _compare(
        self, context: ReshardingContext, followers: Sequence[Follower], *, everything: bool
    ) -> list[Comparison]:
        """Compare both sides until few customers are written between two comparisons."""
        comparisons = [
            Comparison(context, each, target) for each in followers for target in context.targets(each.source_shard)
        ]
        counter = _Counter(0, self._result.rows.get(COPY, 0), self._observer.rows)
        if everything:
            for follower in followers:
                follower.progress.take_touched()
            self._refuse_differences(comparisons, lambda each: each.everything(counter.add))
            self._result.rows[COMPARE] = counter.done
            self._refuse_vanished(context, followers)
        for _ in range(ROUNDS):
            if sum(follower.progress.touched for follower in followers) <= FEW_CUSTOMERS:
                break
            touched = {follower.source_shard: follower.progress.take_touched() for follower in followers}
            self._refuse_differences(comparisons, lambda each: each.those(each.of(touched[each.source_shard])))  # noqa: B023
        self._enter_positions(followers)
        return comparisons

    @staticmethod
    def _refuse_differences(comparisons: Sequence[Comparison], compare: Callable[[Comparison], list[int]]) -> None:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(compare, comparisons))
        if lines := named(comparisons, found):
            raise DiffersError("; ".join(lines) + NOTHING_DONE)

    def _refuse_vanished(self, context: ReshardingContext, followers: Sequence[Follower]) -> None:
        """Demand that the copies are as many as the ledger says were copied, less what customers have deleted since.

        Two sides that are empty are equal as well.
        """
        chunks = self._ledger.chunks(self._resharding, COPY)
        for follower in followers:
            shard = follower.source_shard
            copied = sum(rows for chunk, rows in chunks.items() if chunk.from_shard == shard)
            there = sum(count_copies(context, shard, target) for target in context.targets(shard))
            if there < copied - follower.progress.deleted:
                # What was deleted a moment ago is not counted before it is noted.
                self._catch_up(context, [follower])
            if there < copied - (deleted := follower.progress.deleted):
                raise DiffersError(
                    f"shard {shard} gave {copied:,} rows, of which its customers have deleted {deleted:,}, and its "
                    f"targets hold {there:,}{NOTHING_DONE}"
                )

    def _remove(self, published: PublishedMap) -> None:
        """Delete what has moved from where it was, and all that is left of a shard that is in no map any more.

        Not before the map and the rows are on replicas: whichever source is lost then, what takes its place has them.
        """
        context = ReshardingContext(self._servers, self._catalogue, published.map, published.map)
        everywhere = sorted({*context.guarded, *self._resharding.before, *self._resharding.after})
        with self._phase(REMOVE):
            if decision := newest_decision(self._servers):
                refuse_loss(context, decision, everywhere)
            wait_for_replicas(context, everywhere, REPLICATED_S)
            raise_gates(context, published.version, sorted({*self._resharding.before, *self._resharding.after}))
            wait_for_replicas(context, everywhere, REPLICATED_S)
            self._ledger.refuse_company()
            self._observer.phase("replicated")
            strays = {number: context.strays(number, published.map) for number in self._resharding.before}
            counter = _Counter(0, sum(self._ledger.chunks(self._resharding, COPY).values()), self._observer.rows)

            def take(number: int) -> int:
                throttles = Throttles(context, everywhere)
                return remove(context, number, strays[number], throttles, counter.add, version=published.version)

            with ThreadPoolExecutor(4) as pool:
                self._result.rows[REMOVE] = sum(pool.map(take, strays))
            for number in set(self._resharding.before) - set(self._resharding.after):
                empty(context, number)
            # What was removed from a source alone would come back with a replica that takes its place.
            wait_for_replicas(context, everywhere, REPLICATED_S)


class _Counter:
    """Adds up rows of several threads."""

    def __init__(self, done: int, total: int, told: Callable[[int, int], None]) -> None:
        self.done = done
        self._total = total
        self._told = told

    def add(self, rows: int) -> None:
        # Told from several threads; a figure that is passed over is in the next one.
        self.done += rows
        self._told(self.done, max(self._total, self.done))


def _in_force(published: PublishedMap, new: ShardMap) -> bool:
    """Return whether the map in force is the new one: the cut-over has been."""
    return published.pending is None and document_of(published.map) == settled(new)


def _plan_directory(context: ReshardingContext) -> None:
    """Write down who moves; a shard that leaves is given nobody from now on."""
    server = context.catalogue.server
    leaving = sorted(set(context.old.shards) - set(context.new.shards))
    if leaving:
        listed = shards_listed(leaving)
        server.execute(f"UPDATE sharding.shard_directory SET state = 'leaving' WHERE shard IN ({listed})")
    plan_moves(server, context.new.shards)


def empty(context: ReshardingContext, number: int) -> None:
    """Delete the rows that are the same on every shard from one that is in no map."""
    schema = context.shard(number).schema
    context.source(number).execute(*(f"DELETE FROM {schema}.`{table.name}`" for table in context.reference))


def abort(servers: Servers) -> Aborted:
    """Take back a resharding that has not been cut over: the copies are deleted, the old map stays.

    Raises:
        UsageError: there is none, or it has been cut over.
        UnreachableError: a server does not answer. The same command goes on.
    """
    catalogue = Catalogue(servers)
    ledger = Ledger(catalogue.server, catalogue.directory.find)
    with ledger.alone():
        published = catalogue.read()
        resharding = ledger.under_way()
        if resharding is None:
            raise UsageError(f"no resharding is under way: {len(published.map.shards)} shards are in the map")
        if _in_force(published, resharding.new_map):
            raise UsageError(
                f"the resharding {resharding.title} has been cut over, and clients write by its map: make reshard TO="
                f"{len(resharding.after)} finishes it, then TO={len(resharding.before)} goes back"
            )
        if decided(servers, published):
            raise UsageError(
                f"the cut-over of the resharding {resharding.title} is decided: make reshard TO="
                f"{len(resharding.after)} finishes it, then TO={len(resharding.before)} goes back"
            )
        context = ReshardingContext(servers, catalogue, published.map, resharding.new_map)
        # What the tables say was copied is about to be gone.
        for source_shard in context.source_shards:
            ledger.forget(resharding, source_shard)
        gate = highest_gate(servers)
        if published.pending or gate > published.version or not catalogue.published_here(published.version):
            published = publish(context, published.map, None, after=published.version, at_least=gate)
        raise_gates(context, published.version, context.shards)
        rows = 0
        for number in context.new.shards:
            rows += remove(context, number, context.strays(number, context.old))
            if number not in context.old.shards:
                empty(context, number)
        ledger.end(resharding, ABORTED)
    return Aborted(len(resharding.before), len(resharding.after), published.version, rows)
