"""What shards are added for, and feared for: rows move to another server while customers order."""

import contextlib
import json
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from wavetank.checks.asking import ask_all
from wavetank.client.shards import connect
from wavetank.drills.drill import Drill, Options, Say, after_the_storm, attempt, let_traffic_run
from wavetank.drills.judging.drill_spec import CUSTOMERS, DrillSpec
from wavetank.drills.judging.history import DrillHistory
from wavetank.drills.judging.judges import Judgement
from wavetank.drills.second_faults import mend, run_to_end
from wavetank.drills.traffic.promises import Promises
from wavetank.drills.traffic.proxied import refuse_route, through_proxies
from wavetank.drills.traffic.shop import ShopTraffic
from wavetank.drills.traffic.shop_log import Counted, Held
from wavetank.drills.traffic.shop_verdict import longest_wait_ms
from wavetank.errors import UnreachableError, UsageError
from wavetank.servers.node import Servers, StatementError
from wavetank.sharding.catalogue import Catalogue
from wavetank.sharding.reshard.growing import with_servers_for
from wavetank.topology.instance import Instance
from wavetank.topology.model import Topology
from wavetank.topology.proxies import PROXYSQL, proxysqls
from wavetank.waiting import wait_until

if TYPE_CHECKING:
    from wavetank.client.shards import Shards

STORM = "A shard is added and taken away again while customers order, change and cancel."
# A read sees what is true while it is under way, whatever moves.
PROMISES = Promises(own_writes=True)
MENDED_BY = "reshard"
# How long the customers order before, between and after.
TRAFFIC_S = 3.0
MOST_S = 3600.0


def concerns(topology: Topology) -> bool:
    """Say whether there are shards."""
    return len(topology.shards) > 1


def routes(topology: Topology) -> tuple[str, ...]:
    """Return how customers can come: '' is by the client library."""
    return ("", PROXYSQL) if proxysqls(topology.proxies) else ("",)


def prepare(servers: Servers, options: Options, say: Say) -> Drill:
    """Return the drill; the seed says who orders what.

    Raises:
        UsageError: customers come neither by the client library nor through a ProxySQL.
    """
    if options.via:
        refuse_route(options.via, servers.topology)
    return ReshardDrill(servers, options, say)


class ReshardDrill:
    """One shard more and back, under writes and reads through wavetank.client.shards."""

    def __init__(self, servers: Servers, options: Options, say: Say) -> None:
        """Take the options; nothing is changed yet."""
        self._instance = servers.topology.instance
        self._options = options
        self._say = say
        self._shards: Shards | None = None
        self._traffic: ShopTraffic | None = None
        self._count = 0
        self._semi_sync = servers.topology.semi_sync
        self._storm_s = 0.0
        self._mended_s = 0.0
        self.facts: dict[str, Any] = {"seed": options.seed}

    def baseline(self) -> None:
        """Demand a green instance, have the servers ready, and let the customers begin."""
        with Servers(Instance(self._instance).topology()) as servers:
            if not ask_all(servers).proven:
                raise UsageError(
                    "the instance is not in order before the storm: make check says how, make topology-up mends"
                )
            published = Catalogue(servers).read()
            if published.pending:
                raise UsageError(
                    "a resharding is under way: make reshard finishes it, make reshard-abort takes it back"
                )
            self._count = len(published.map.shards)
        with_servers_for(Instance(self._instance), self._count + 1, quiet=True)
        self.facts["orders"] = f"{self._rows():,} on {self._count} shards, by {published.map.kind}"
        self._shards = connect(self._instance)
        proxied = through_proxies(self._shards, self._instance) if self._options.via else None
        self._traffic = ShopTraffic(proxied or self._shards, self._options.seed, across=proxied is None)
        self._traffic.open()
        self._traffic.start()
        let_traffic_run(TRAFFIC_S)

    def storm(self) -> None:
        """Add a shard."""
        self._storm_s = time.monotonic()
        self._reshard(self._count + 1)
        let_traffic_run(TRAFFIC_S)

    def recovery(self) -> None:
        """Take it away again, and let the customers come to their end."""
        self._reshard(self._count)
        self._mended_s = time.monotonic()
        let_traffic_run(TRAFFIC_S)
        traffic = self._running
        wait_until(
            f"{self._options.operations} writes", lambda: len(traffic.writes) >= self._options.operations,
            timeout_s=MOST_S, interval_s=0.1,
        )  # fmt: skip

    def mend(self) -> None:
        """End the traffic; what a resharding that failed has left, the checks say."""
        if self._traffic:
            self._traffic.stop()

    @property
    def _running(self) -> ShopTraffic:
        assert self._traffic is not None  # noqa: S101 - baseline() made it
        return self._traffic

    def _reshard(self, to: int) -> None:
        """Reshard as a person would, in a process of its own, and note what the customers saw of it."""
        before, began_s = self._places(), time.monotonic()
        # A topology without replicas is drilled as it is.
        topology = Instance(self._instance).topology()
        options = {} if topology.replicas else {"WITHOUT_REPLICA": "1"}
        command = ["reshard", "--to", str(to), "--json"]
        if second := self._options.second:
            mended = mend(topology, command, second, **options)
            self.facts[f"second fault, to {to}"] = [f"{step.at_s:8.3f} s  {step.what}" for step in mended.steps]
        else:
            mended = run_to_end(topology, command, **options)
        if mended.refused:
            raise UsageError(f"the resharding to {to} shards failed: {mended.refused}")
        report = json.loads(mended.output)
        after, ended_s = self._places(), time.monotonic()
        moved = {customer for customer, shard in before.items() if after[customer] != shard}
        stayed = before.keys() - moved
        waits = [longest_wait_ms(self._running.writes, those, began_s, ended_s) for those in (moved, stayed)]
        self.facts[f"{report['shards_before']} to {report['shards_after']}"] = {
            "moved": f"{report['rows'].get('copy', 0):,} rows, {len(moved)} of {len(self._running.buyers)} customers "
            "of the drill",
            "took": f"{sum(report['seconds'].values()):.1f} s, copied {report['copied_per_s']:,.0f} rows a second, "
            f"then {report['rows'].get('follow', 0):,} rows from the log",
            "blocked": f"{report['blocked_ms']:.0f} ms by the resharder's own clock",
            "longest write": f"{waits[0]:.0f} ms of a customer who moved, {waits[1]:.0f} ms of one who stayed",
        }
        self._say(f"{report['shards_after']} shards, {ended_s - began_s:.1f} s")

    def _places(self) -> dict[int, int]:
        """Return the shard of each of the customers."""
        with Servers(Instance(self._instance).topology()) as servers:
            catalogue = Catalogue(servers)
            found = catalogue.read().map
            return {each.customer: found.shard_of(each.key) for each in self._running.buyers}

    def history(self) -> DrillHistory:
        """Return what the customers asked for, and what the shards hold of it."""
        traffic = self._running
        held: list[list[object]] = []
        wrong: list[str] = []
        attempt("asking what is held", lambda: held.append(self._held()), wrong)
        # Nobody else's checks are to find them.
        attempt("removing the customers", traffic.close, wrong)
        attempt("asking the checks", lambda: wrong.extend(self._ask_checks()), wrong)
        load = traffic.load
        declared = DrillSpec(
            instance=self._instance,
            kind=CUSTOMERS,
            promises=PROMISES.in_force(self._semi_sync, own_writes=PROMISES.own_writes),
            thresholds=self._options.thresholds,
            via=(self._options.via or "wavetank.sharding",),
            semi_sync=self._semi_sync,
            load=load,
            storm_s=self._storm_s or load.ended_s,
            mended_s=self._mended_s or load.ended_s,
            witnessed=(*traffic.faults, *wrong),
        )
        return DrillHistory(declared, [*traffic.writes, *traffic.reads], held[0] if held else None)

    def _held(self) -> list[object]:
        with Servers(Instance(self._instance).topology()) as servers:
            orders, counters = held_by(servers, [each.customer for each in self._running.buyers])
        return [*orders, *(Counted(*each) for each in counters)]

    def _ask_checks(self) -> list[str]:
        with Servers(Instance(self._instance).topology()) as servers:
            self.facts["checks"], wrong = after_the_storm(servers)
        return wrong

    def files(self) -> Mapping[str, Iterable[str]]:
        """Keep nothing but what is judged."""
        return {}

    def recorded(self, _: Judgement) -> None:
        """Leave no plot: the log of its customers is of another shape."""

    def revert_faults(self) -> None:
        """End the traffic, and remove its customers where the drill did not come so far."""
        if self._traffic:
            self._traffic.stop()
            with contextlib.suppress(UsageError, UnreachableError, StatementError):
                self._traffic.close()
        if self._shards:
            self._shards.close()

    def _rows(self) -> int:
        with Servers(Instance(self._instance).topology()) as servers:
            return sum(
                int(servers[shard.source.name].value(f"SELECT COUNT(*) FROM {shard.schema}.orders", account="admin"))
                for shard in servers.topology.shards
            )


def held_by(servers: Servers, customers: list[int]) -> tuple[list[Held], list[tuple[int, int, int]]]:
    """Return what every shard holds of the customers: their orders, and shard, customer and counter of each row."""
    orders: list[Held] = []
    counters: list[tuple[int, int, int]] = []
    ids = ",".join(map(str, customers))
    for shard in servers.topology.shards:
        server = servers[shard.source.name]
        for row in server.query(
            f"SELECT STRAIGHT_JOIN o.customer_id, o.order_id, o.total, i.price FROM {shard.schema}.orders o "
            f"LEFT JOIN {shard.schema}.order_items i ON i.order_id = o.order_id WHERE o.customer_id IN ({ids})",
            account="admin",
        ):
            price = None if row["price"] is None else int(row["price"])
            orders.append(Held(shard.number, row["customer_id"], row["order_id"], int(row["total"]), price))
        rows = server.query(
            f"SELECT customer_id, name FROM {shard.schema}.customers WHERE customer_id IN ({ids})", account="admin"
        )
        counters += ((shard.number, row["customer_id"], int(row["name"])) for row in rows)
    return orders, counters
