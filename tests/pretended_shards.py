"""Pretended shards, each a source and a replica, that lose servers between any two transactions of a resharding.

Servers hold gates, maps, decisions, a ledger and one value a customer. Clients write all the time, each by a map that
was ever published, also by one that is lost, wherever a gate lets them.
"""

import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Self

from wavetank.errors import UnreachableError
from wavetank.servers.gtid import intervals
from wavetank.servers.node import StatementError
from wavetank.sharding.catalogue import Catalogue, PublishedMap
from wavetank.sharding.maps.factory import document_of, make_map, read_map
from wavetank.sharding.maps.shape import ShardMap
from wavetank.sharding.reshard.ledger import ABORTED, DONE, PREPARE, Ledger, Position, Resharding
from wavetank.sharding.reshard.moves import ReshardingContext

State = dict[str, Any]
Change = Callable[[State], None]
CUSTOMERS = range(1, 13)
# How many customers a client writes between two transactions of the resharding; not a divisor of all of them.
WRITES = 5


class KilledError(BaseException):
    """The process of the resharding is gone: nothing that it would do is done any more."""


def transactions(gtids: str) -> set[tuple[str, int]]:
    return {
        (uuid, n) for uuid, ranges in intervals(gtids).items() for low, high in ranges for n in range(low, high + 1)
    }


@dataclass
class Host:
    """A server: what it holds, and the log of how that came about."""

    name: str
    shard: int
    alive: bool = True
    # A replica that is down for a while, or does not keep up.
    behind: bool = False
    log: list[tuple[str, Change]] = field(default_factory=list)
    state: State = field(
        default_factory=lambda: {
            "gates": {},
            "maps": {},
            "publishers": {},
            "cutovers": {},
            "resharding": [],
            "rows": {},
        }
    )

    # How many transactions of each server are among those.
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def executed(self) -> str:
        return ",".join(f"{name}:1-{count}" for name, count in self.counts.items())

    def apply(self, gtid: str, change: Change) -> None:
        change(self.state)
        self.log.append((gtid, change))
        name, _, number = gtid.partition(":")
        self.counts[name] = int(number)

    def follow(self, source: "Host") -> None:
        # A replica has a source's log from its beginning, up to somewhere.
        for gtid, change in source.log[len(self.log) :]:
            self.apply(gtid, change)


class World:
    """All servers, who is whose source, and the clients."""

    def __init__(self, shards: int) -> None:
        self.sources = {number: Host(f"s{number}", number) for number in range(1, shards + 1)}
        self.replicas = {number: Host(f"s{number}r", number) for number in range(1, shards + 1)}
        self.known: list[PublishedMap] = []
        self._turns = itertools.cycle(CUSTOMERS)
        self.acknowledged: list[tuple[int, int, str, str]] = []
        self.gone = False
        self.commits = 0
        # Told before each transaction of the resharding, and after it.
        self.fault: Callable[[int], None] = lambda _: None

    def host(self, name: str) -> Host:
        return next(each for each in (*self.sources.values(), *self.replicas.values()) if each.name == name)

    def commit(self, host: Host, change: Change, *, by_client: bool = False) -> str:
        if not by_client:
            self.commits += 1
            self.fault(self.commits)
            self.answering(host)
        if host is not self.sources[host.shard]:
            raise StatementError(errno=1290, msg="read-only")
        gtid = f"{host.name}:{host.counts.get(host.name, 0) + 1}"
        host.apply(gtid, change)
        replica = self.replicas[host.shard]
        if replica.alive and not replica.behind:
            replica.follow(host)
        if not by_client:
            self.commits += 1
            self.fault(self.commits)
            self.let_clients_write()
            self.answering(host)
        return gtid

    def answering(self, host: Host) -> None:
        if self.gone:
            raise KilledError
        if not host.alive:
            raise UnreachableError(host.name, "gone")

    def let_clients_write(self) -> None:
        """Let a client of each map that was ever published write where it may, and note what it was told."""
        for published in self.known:
            for _ in range(WRITES):
                customer = next(self._turns)
                host = self.sources[published.map.shard_of(customer)]
                gate = host.state["gates"].get(published.gate_of(customer), 0)
                if host.alive and gate <= published.version and customer in host.state["rows"]:
                    value = len(self.acknowledged) + 1
                    gtid = self.commit(
                        host, lambda state, c=customer, v=value: state["rows"].update({c: v}), by_client=True
                    )
                    self.acknowledged.append((customer, value, host.name, gtid))

    def promote(self, shard: int) -> None:
        """Let a dead source's replica take its place; the old one comes back as a replica, without what is errant."""
        old, new = self.sources[shard], self.replicas[shard]
        lost = transactions(old.executed) - transactions(new.executed)
        self.lost |= {f"{uuid}:{n}" for uuid, n in lost}
        new.alive, new.behind = True, False
        self.sources[shard], self.replicas[shard] = new, Host(old.name, shard)
        # Another identity: it has been rebuilt from the new source.
        self.replicas[shard].name = f"{old.name}x"
        self.replicas[shard].follow(new)

    lost: set[str] = set()  # noqa: RUF012 - replaced in begin()

    def begin(self, before: ShardMap) -> Self:
        """Publish the first map, and give each customer a row."""
        self.lost = set()
        Catalogue(servers_of(self)).publish(before, after=0)  # type: ignore[arg-type]
        for customer in CUSTOMERS:
            self.commit(self.sources[before.shard_of(customer)], lambda state, c=customer: state["rows"].update({c: 0}))
        self.acknowledged.clear()
        return self

    def wrong(self, final: ShardMap) -> list[str]:
        """Return what is not as clients were told, by the map that is in force at the end."""
        found = []
        for customer in CUSTOMERS:
            there = [number for number, host in self.sources.items() if customer in host.state["rows"]]
            if there != [final.shard_of(customer)]:
                found.append(f"customer {customer} is on {there}, not on {final.shard_of(customer)}")
                continue
            told = [(value, gtid in self.lost) for each, value, _, gtid in self.acknowledged if each == customer]
            least = max((value for value, lost in told if not lost), default=0)
            value = self.sources[there[0]].state["rows"][customer]
            if value < least:
                found.append(f"customer {customer} has {value}, and {least} was acknowledged")
        return found


class Connection:
    """A connection: a transaction that is open, or each statement by itself."""

    def __init__(self, world: World, name: str, account: str) -> None:
        self._world, self._host, self._account = world, world.host(name), account
        self._open: list[Change] | None = None
        self.description: Any = None
        self.lastrowid = 0
        self._rows: list[dict[str, Any]] = []
        self.name = name

    def cursor(self, **_: Any) -> "Connection":  # noqa: ANN401
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        self._open = None

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        self._rows = self.run(statement, parameters)
        self.description = bool(self._rows)

    def fetchall(self) -> list[dict[str, Any]]:
        return self._rows

    def run(self, statement: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        self._world.answering(self._host)
        if "sharding." in statement and self._account != "admin":
            raise StatementError(errno=1142, msg=f"command denied to user {self._account!r}")
        if statement.startswith(("SET ", "ROLLBACK")):
            return []
        if statement == "START TRANSACTION":
            self._open = []
            return []
        if statement == "COMMIT":
            changes, self._open = self._open or [], None
            self._world.commit(self._host, lambda state: [change(state) for change in changes] and None)
            return []
        if change := self._change(statement, parameters):
            if self._open is None:
                self._world.commit(self._host, change)
            else:
                self._open.append(change)
            return []
        return self._answer(statement, parameters)

    def _change(self, statement: str, parameters: Sequence[Any]) -> Change | None:
        if raised := re.match(r"INSERT INTO sharding.gates VALUES \('(\w+)', (\d+)\)", statement):
            return lambda state: state["gates"].update({raised[1]: int(raised[2])})
        if statement.startswith("UPDATE sharding.gates"):
            to, gate, least = parameters
            return lambda state: state["gates"].update({gate: to} if state["gates"].get(gate) == least else {})
        if statement.startswith("INSERT INTO sharding.maps"):
            version, document, pending = parameters
            row = {"version": version, "document": document, "pending": pending}
            before, after = (read_map(json.loads(each)) if each else None for each in (document, pending))
            assert before
            known = PublishedMap(version, before, after)

            def publish(state: State) -> None:
                state["maps"][version] = row
                if known not in self._world.known:
                    # No number may ever stand for two maps that differ in who goes where, or through which gate.
                    self._world.known.append(known)

            return publish
        if statement.startswith("INSERT INTO sharding.publications"):
            return lambda state: state["publishers"].update({parameters[0]: self._host.name})
        if statement.startswith("REPLACE INTO sharding.cutovers"):
            return lambda state: state["cutovers"].update({parameters[0]: parameters[1]})
        return None

    def _answer(self, statement: str, parameters: Sequence[Any]) -> list[dict[str, Any]]:  # noqa: PLR0911
        state = self._host.state
        if "MAX(version)" in statement:
            return [{"version": max(state["maps"], default=0)}]
        if "FROM sharding.maps" in statement:
            return [state["maps"][max(state["maps"])]] if state["maps"] else []
        if "FROM sharding.publications" in statement:
            return [{"ours": by == self._host.name} for by in [state["publishers"].get(parameters[0])] if by]
        if "FROM sharding.cutovers" in statement:
            least = parameters[0] if parameters else 0
            newest = max((each for each in state["cutovers"] if each > least), default=None)
            return [{"version": newest, "document": state["cutovers"][newest]}] if newest else []
        if "FROM sharding.gates" in statement:
            return [{"gate": gate, "least": least} for gate, least in state["gates"].items()]
        executed = self._host.executed
        if "GTID_SUB" in statement:
            missing = transactions(parameters[0]) - transactions(executed)
            return [{"it": not missing if "SUBSET" in statement else ",".join(f"{uuid}:{n}" for uuid, n in missing)}]
        assert "gtid_executed" in statement or statement == "SELECT 1", statement
        return [{"it": executed}]


class Pretended:
    """One server as wavetank.servers.node.Server is used."""

    def __init__(self, world: World, name: str) -> None:
        self._world, self.name = world, name

    @contextmanager
    def connection(self, account: str) -> Iterator[Connection]:
        self._world.answering(self._world.host(self.name))
        yield Connection(self._world, self.name, account)

    def query(
        self, statement: str, parameters: Sequence[Any] = (), *, account: str = "monitor"
    ) -> list[dict[str, Any]]:
        return Connection(self._world, self.name, account).run(statement, parameters)

    def value(self, statement: str, parameters: Sequence[Any] = (), *, account: str = "monitor") -> Any:  # noqa: ANN401
        rows = self.query(statement, parameters, account=account)
        return next(iter(rows[0].values())) if rows else None


@dataclass(frozen=True)
class Names:
    """What of a topology is asked for."""

    name: str


def servers_of(world: World) -> Any:  # noqa: ANN401
    """Return the servers as they are now: who is a source was decided before a run begins."""

    class Servers(dict[str, Pretended]):
        world: World
        topology: Any

    names = [host.name for host in (*world.sources.values(), *world.replicas.values())]
    servers = Servers({name: Pretended(world, name) for name in names})
    shards = tuple(
        SimpleNamespace(
            number=number, source=Names(world.sources[number].name), replicas=(Names(world.replicas[number].name),)
        )
        for number in sorted(world.sources)
    )
    servers.world = world
    servers.topology = SimpleNamespace(
        shards=shards, instance="pretended", shard=lambda number: next(each for each in shards if each.number == number)
    )
    return servers


class PretendedContext(ReshardingContext):
    """The context of a resharding, in which a customer is a number and a value."""

    def __init__(self, servers: Any, catalogue: Catalogue, old: ShardMap, new: ShardMap) -> None:  # noqa: ANN401
        self.servers, self.catalogue, self.old, self.new = servers, catalogue, old, new

    @contextmanager
    def impatient(self, _: int) -> Iterator[ReshardingContext]:
        yield self

    def session(self, number: int) -> Any:  # noqa: ANN401
        server = self.source(number)
        with server.connection("admin") as connection:
            return connection

    def rows(self, number: int) -> dict[int, int]:
        world = self.servers.world
        host = world.host(self.source(number).name)
        world.answering(host)
        return dict(host.state["rows"])

    def write(self, number: int, change: Change) -> None:
        world = self.servers.world
        world.commit(world.host(self.source(number).name), change)

    def strays(self, number: int, shard_map: ShardMap) -> list[int]:
        return sorted(customer for customer in self.rows(number) if shard_map.shard_of(customer) != number)

    def moving(self, source_shard: int) -> dict[int, int]:
        return {
            customer: self.new.shard_of(customer)
            for customer in CUSTOMERS
            if self.old.shard_of(customer) == source_shard != self.new.shard_of(customer)
        }


class PretendedCopy:
    """Begins anew each time: what a run goes on with is another test's."""

    throttled_s = 0.0

    def __init__(self, context: PretendedContext, ledger: Any, resharding: Any) -> None:  # noqa: ANN401
        del ledger, resharding
        self._context = context
        self.parts = [
            SimpleNamespace(source_shard=each, position=Position("", (), 0)) for each in context.source_shards
        ]

    def plan(self) -> tuple[int, int]:
        for number in self._context.new.shards:
            if strays := self._context.strays(number, self._context.old):
                self._context.write(number, lambda state, s=strays: [state["rows"].pop(each) for each in s] and None)
        return 0, len(CUSTOMERS)

    def run(self, counted: Callable[[int], None]) -> None:
        for source_shard in self._context.source_shards:
            for customer, target in self._context.moving(source_shard).items():
                value = self._context.rows(source_shard)[customer]
                self._context.write(target, lambda state, c=customer, v=value: state["rows"].update({c: v}))
                counted(1)


class PretendedFollower:
    """Has applied all that was written when it is asked."""

    def __init__(self, context: PretendedContext, source_shard: int, progress: Any) -> None:  # noqa: ANN401
        self._context, self.source_shard, self.progress = context, source_shard, progress

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def reached(self, _: str) -> bool:
        rows = self._context.rows(self.source_shard)
        for customer, target in self._context.moving(self.source_shard).items():
            if customer in rows and self._context.rows(target).get(customer) != rows[customer]:
                self._context.write(target, lambda state, c=customer: state["rows"].update({c: rows[c]}))
        return True


class PretendedComparison:
    """Compares the values."""

    def __init__(self, context: PretendedContext, follower: PretendedFollower, target: int) -> None:
        self._context, self._target, self.source_shard = context, target, follower.source_shard
        self.title = f"shard {self.source_shard} and shard {target}"

    def of(self, _: Any) -> list[int]:  # noqa: ANN401
        return []

    def everything(self, _: Any) -> list[int]:  # noqa: ANN401
        return []

    def now(self, context: PretendedContext, _: Any) -> list[int]:  # noqa: ANN401
        here, there = context.rows(self.source_shard), context.rows(self._target)
        moving = context.moving(self.source_shard).items()
        return [each for each, target in moving if target == self._target and here.get(each) != there.get(each)]


class PretendedLedger(Ledger):
    """The ledger, in the state of the catalogue's server, and lost with it."""

    @contextmanager
    def alone(self, wait_s: int = 0) -> Iterator[None]:
        del wait_s
        yield

    def refuse_company(self) -> None:
        pass

    def _host(self) -> Host:
        world = self._server._world  # type: ignore[attr-defined]  # noqa: SLF001
        host = world.host(self._server.name)
        world.answering(host)
        return host  # type: ignore[no-any-return]

    def _write(self, change: Change) -> None:
        self._server._world.commit(self._host(), change)  # type: ignore[attr-defined]  # noqa: SLF001

    def newest(self) -> Resharding | None:
        rows = self._host().state["resharding"]
        if not rows:
            return None
        before, after, document, phase = rows[-1]
        return Resharding(len(rows), before, after, read_map(document), phase)

    def begin(self, old_map: ShardMap, new_map: ShardMap) -> Resharding:
        row = [old_map.shards, new_map.shards, document_of(new_map), PREPARE]
        self._write(lambda state: state["resharding"].append(list(row)))
        found = self.newest()
        assert found
        return found

    def _set(self, phase: str) -> None:
        def change(state: State) -> None:
            if state["resharding"]:
                state["resharding"][-1][3] = phase

        self._write(change)

    def enter(self, resharding: Resharding, phase: str) -> None:
        del resharding
        self._set(phase)

    def end(self, resharding: Resharding, outcome: str) -> None:
        assert outcome in (DONE, ABORTED)
        del resharding
        self._set(outcome)

    def leave(self, resharding: Resharding, phase: str, rows: int) -> None:
        pass

    def position(self, resharding: Resharding, phase: str, from_shard: int) -> None:
        pass

    def set_position(self, resharding: Resharding, phase: str, from_shard: int, position: Position) -> None:
        pass

    def forget(self, resharding: Resharding, from_shard: int) -> None:
        pass

    def chunks(self, *_: object) -> dict[Any, int]:
        return {}


def pretended_remove(context: PretendedContext, number: int, customers: Sequence[int], *_: Any, **__: Any) -> int:  # noqa: ANN401
    """Remove customers one by one, so that a server can die in between."""
    for customer in customers:
        context.write(number, lambda state, c=customer: state["rows"].pop(c, None) and None)
    return len(customers)


def ring(shards: int) -> ShardMap:
    return make_map("hash", tuple(range(1, shards + 1)))
